//! `conducto check --event`: which sections an event would launch, and why not the others. Knows no server and no forge.

use anyhow::anyhow;
use clap::Args;
use jiff::Timestamp;
use serde_json::Value;

use super::{
    failure::{Failure, Outcome},
    launch::parameter,
    printer::Printer,
};
use crate::{
    clock,
    definition::{self, Cfg, Event, Section, Still},
    model::{Repository, Trigger, TriggerKind},
};

/// How many times of a schedule are shown.
const SHOWN: usize = 3;

/// An event that has not happened.
#[derive(Args, Debug)]
pub(crate) struct Imagined {
    /// Say which sections this event would launch, and why not the others
    #[arg(long, value_name = "EVENT", value_parser = event, conflicts_with = "json")]
    event: Option<Event>,
    /// Branch it happens on
    #[arg(long, value_name = "BRANCH", requires = "event")]
    branch: Option<String>,
    /// Tag it is about
    #[arg(long, value_name = "TAG", requires = "event")]
    tag: Option<String>,
    /// Branch that a pull request or merge group wants to go to
    #[arg(long, value_name = "BRANCH", requires = "event")]
    base: Option<String>,
    /// Number of the pull request
    #[arg(long, value_name = "N", requires = "event", default_value_t = 1)]
    pr: u64,
    /// Login of the person who causes it
    #[arg(long, value_name = "LOGIN", requires = "event", default_value = "")]
    user: String,
    /// Name of the release
    #[arg(long, value_name = "NAME", requires = "event", default_value = "")]
    release: String,
    /// Text of the comment
    #[arg(long, value_name = "TEXT", requires = "event", default_value = "")]
    comment: String,
    /// Parameter of a request; may be given more than once
    #[arg(long = "param", short = 'p', value_name = "NAME=VALUE", requires = "event", value_parser = parameter)]
    parameters: Vec<(String, String)>,
    /// Time after which the times of schedules are shown, as in 2026-03-28T12:00:00Z [default: now]
    #[arg(long, value_name = "TIME", requires = "event")]
    after: Option<Timestamp>,
    /// File that changed, from the root of the repository; may be given more than once
    #[arg(long, value_name = "FILE", requires = "event")]
    changed: Vec<String>,
}

/// Says what the event would launch; nothing where none is imagined.
pub(crate) fn run(imagined: &Imagined, cfg: &Cfg, printer: &mut Printer) -> Option<Outcome> {
    let event = imagined.event?;
    Some(imagined.answer(event, cfg).and_then(|answer| Ok(show(&answer, printer)?)))
}

struct Answer {
    described: String,
    /// Sections with the file they run, and when, where a clock decides.
    launching: Vec<(String, String)>,
    still: Vec<Still>,
}

impl Imagined {
    fn answer(&self, event: Event, cfg: &Cfg) -> Result<Answer, Failure> {
        let changed = (!self.changed.is_empty()).then_some(self.changed.as_slice());
        let one_section = matches!(event, Event::Cron | Event::Manual);
        let mut answer = Answer { described: String::new(), launching: Vec::new(), still: Vec::new() };
        // Times and requests are for one section; each of them could be meant.
        let meant: Vec<Option<&Section>> = if one_section {
            cfg.sections.iter().filter(|section| section.event == event).map(Some).collect()
        } else {
            vec![None]
        };
        for section in &meant {
            let trigger = match self.trigger(event, *section)? {
                Ok(trigger) => trigger,
                Err(still) => {
                    answer.still.push(still);
                    continue;
                }
            };
            answer.described = trigger.describe();
            let found = definition::matching(cfg, &trigger, changed);
            answer
                .launching
                .extend(found.launching.iter().map(|section| (section.name(), self.what_and_when(section))));
            let others = found.still.into_iter();
            answer.still.extend(others.filter(|still| section.is_none_or(|section| section.name() == still.section)));
        }
        if one_section {
            answer.described = event.words().to_owned();
            let of_others = cfg.sections.iter().filter(|section| section.event != event).map(|section| Still {
                section: section.name(),
                reason: format!("answers `{}`, and this is {}", section.event.name(), event.words()),
            });
            answer.still.extend(of_others);
        }
        Ok(answer)
    }

    fn what_and_when(&self, section: &Section) -> String {
        let runs = section.runs();
        let Some(schedule) = &section.schedule else { return runs.to_owned() };
        let first = schedule.next_after(self.after.unwrap_or_else(clock::now));
        let times = std::iter::successors(first, |time| schedule.next_after(*time)).take(SHOWN);
        let times: Vec<String> = times.map(|time| schedule.local(time)).collect();
        format!("{runs}, next at {}", times.join(", "))
    }

    /// Makes the event; where a request's parameters are wrong, says so in place of it.
    fn trigger(&self, event: Event, section: Option<&Section>) -> Result<Result<Trigger, Still>, Failure> {
        let branch = || needed(event, "--branch", self.branch.as_ref());
        let (base, tag) =
            (|| needed(event, "--base", self.base.as_ref()), || needed(event, "--tag", self.tag.as_ref()));
        let tip = || self.branch.clone().unwrap_or_else(|| "main".to_owned());
        let name = section.map(Section::name).unwrap_or_default();
        let kind = match event {
            Event::Push => TriggerKind::Push { branch: branch()?, before: None },
            Event::PullRequest => TriggerKind::PullRequest {
                number: self.pr,
                branch: branch()?,
                base: base()?,
                base_sha: String::new(),
                from_fork: false,
                action: "opened".to_owned(),
            },
            Event::CreateBranch => TriggerKind::BranchCreated { branch: branch()? },
            Event::DeleteBranch => TriggerKind::BranchDeleted { branch: branch()?, mark: String::new() },
            Event::CreateTag => TriggerKind::Tag { tag: tag()? },
            Event::DeleteTag => TriggerKind::TagDeleted { tag: tag()?, mark: String::new() },
            Event::MergeGroup => {
                let base = base()?;
                let branch = self.branch.clone().unwrap_or_else(|| format!("gh-readonly-queue/{base}/pr-{}", self.pr));
                TriggerKind::MergeGroup { branch, base, base_sha: String::new() }
            }
            Event::Release => TriggerKind::Release { tag: tag()?, name: self.release.clone(), prerelease: false },
            Event::Comment => TriggerKind::Comment { number: self.pr, comment: 1, text: self.comment.clone() },
            Event::Cron => TriggerKind::Cron { branch: tip(), section: name, due: Timestamp::UNIX_EPOCH },
            Event::Manual => {
                let given = self.parameters.iter().map(|(name, value)| (name.clone(), Value::from(value.as_str())));
                match section
                    .map(|section| section.params.check(&given.collect()))
                    .unwrap_or_else(|| Ok(Default::default()))
                {
                    Ok(parameters) => {
                        TriggerKind::Manual { branch: tip(), section: name, parameters, request: String::new() }
                    }
                    Err(problems) => {
                        let words: Vec<String> = problems.iter().map(ToString::to_string).collect();
                        return Ok(Err(Still { section: name, reason: format!("parameter {}", words.join("; ")) }));
                    }
                }
            }
        };
        Ok(Ok(Trigger {
            host: "github.com".to_owned(),
            repository: Repository { id: 0, full_name: "owner/repository".to_owned(), default_branch: Some(tip()) },
            sha: "0".repeat(40),
            kind,
            title: String::new(),
            sender: self.user.clone(),
        }))
    }
}

fn needed(event: Event, flag: &str, value: Option<&String>) -> Result<String, Failure> {
    value.cloned().ok_or_else(|| Failure::usage(anyhow!("{} needs {flag}", event.words())))
}

fn show(answer: &Answer, printer: &mut Printer) -> std::io::Result<()> {
    let Answer { described, launching, still } = answer;
    let names = launching.iter().map(|(name, _)| name).chain(still.iter().map(|still| &still.section));
    let width = names.map(|name| name.chars().count()).max().unwrap_or_default();
    if launching.is_empty() {
        printer.line(&format!("{described} would launch nothing"))?;
    } else {
        printer.line(&format!("{described} would launch"))?;
    }
    for (name, pipeline) in launching {
        printer.line(&format!("  {name:<width$}  {pipeline}"))?;
    }
    if !still.is_empty() {
        printer.line("these sections stay still")?;
    }
    for Still { section, reason } in still {
        printer.line(&format!("  {section:<width$}  {reason}"))?;
    }
    Ok(())
}

fn event(text: &str) -> Result<Event, String> {
    Event::named(text).ok_or_else(|| {
        let names: Vec<&str> = Event::ALL.iter().map(|event| event.name()).collect();
        let near = definition::nearest(text, names.iter().copied());
        near.map_or_else(|| format!("the events are {}", names.join(", ")), |near| format!("did you mean {near}?"))
    })
}
