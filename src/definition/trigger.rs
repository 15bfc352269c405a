//! Which sections of conducto.cfg an event launches, and why the others stay still. Knows no definition file.

use super::{
    cfg::{Cfg, Dialect, Event, Section},
    template::{Name, Values, values},
};
use crate::model::Trigger;

/// What conducto.cfg says to one event.
#[derive(Clone, Debug)]
pub struct Answer<'c> {
    /// Sections that launch their pipeline, in the order of the file.
    pub launching: Vec<&'c Section>,
    /// Sections that do not.
    pub still: Vec<Still>,
}

/// A section that launches nothing, with the reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Still {
    /// Name of the section.
    pub section: String,
    /// Why, in words.
    pub reason: String,
}

impl std::fmt::Display for Still {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.section, self.reason)
    }
}

/// Asks every section of conducto.cfg about an event. `changed_files` is nothing when they are not known; then every `paths` matches.
pub fn matching<'c>(cfg: &'c Cfg, trigger: &Trigger, changed_files: Option<&[String]>) -> Answer<'c> {
    let values = values(trigger);
    let mut answer = Answer { launching: Vec::new(), still: Vec::new() };
    for section in &cfg.sections {
        let reason = reason_to_stay(section, trigger, &values, changed_files);
        let reason = reason.or_else(|| reason_to_yield(cfg, section, &answer));
        match reason {
            None => answer.launching.push(section),
            Some(reason) => answer.still.push(Still { section: section.name(), reason }),
        }
    }
    answer
}

/// Returns the verdict for an event that launches nothing: `no section of conducto.cfg matches push to docs`.
pub fn no_match_verdict(cfg_name: &str, trigger: &Trigger) -> String {
    format!("no section of {cfg_name} matches {}", trigger.describe())
}

fn reason_to_stay(section: &Section, trigger: &Trigger, values: &Values, changed: Option<&[String]>) -> Option<String> {
    if section.event.name() != trigger.event_name() {
        let happened = Event::named(trigger.event_name()).map_or("something else", Event::words);
        return Some(format!("answers `{}`, and this is {happened}", section.event.name()));
    }
    if let Some(meant) = trigger.only_section()
        && meant != section.name()
    {
        return Some(format!("not meant: this is for `{meant}`"));
    }
    if let Some(filter) = &section.filter
        && !filter.is_true(values)
    {
        let seen = describe(&filter.names(), values);
        return Some(format!("filter `{}` is false{seen}", filter.as_str()));
    }
    if let (Some(paths), Some(files)) = (&section.paths, changed)
        && !files.iter().any(|file| paths.is_match(file))
    {
        return Some(match files.len() {
            0 => "no file changed".to_owned(),
            1 => format!("the only changed file, {}, does not match paths", files[0]),
            count => format!("none of {count} changed files match paths"),
        });
    }
    None
}

/// In the old dialect one event launches one section at most: the bare one, and where there is none the first that matches
/// (`compat.md` §5.5).
fn reason_to_yield(cfg: &Cfg, section: &Section, answer: &Answer<'_>) -> Option<String> {
    if cfg.dialect != Dialect::Ini {
        return None;
    }
    let event = section.event;
    if section.label.is_some() && cfg.sections.iter().any(|other| other.event == event && other.label.is_none()) {
        let name = event.name();
        return Some(format!(
            "`[{name}]` without a label is the only section that counts for this event in this dialect"
        ));
    }
    let first = answer.launching.first()?;
    Some(format!("`{}` has launched; in this dialect one event launches one section", first.name()))
}

/// Returns ` for branch docs and user joe`, or nothing for a filter without names.
fn describe(names: &[Name], values: &Values) -> String {
    let seen: Vec<_> =
        names.iter().map(|name| format!("{} {}", name.word(), values.get(name).map_or("", String::as_str))).collect();
    if seen.is_empty() { String::new() } else { format!(" for {}", seen.join(" and ")) }
}

#[cfg(test)]
mod tests {
    use super::{super::cfg::read_cfg, *};
    use crate::model::{Repository, TriggerKind};

    const CFG: &str = r##"
        [push]
        pipeline = "ci/all.toml"
        [push.release]
        filter = "{branch} == release/* && {user} != *bot"
        pipeline = "ci/release.toml"
        slack_channel = "#releases"
        [push.docs]
        paths = ["docs/**"]
        pipeline = "ci/docs.toml"
        [pr]
        filter = "{base} == main && {pr_number} != 1*"
        pipeline = "ci/pr.toml"
    "##;

    fn cfg() -> Cfg {
        let (cfg, diagnostics) = read_cfg("conducto.cfg", CFG.as_bytes());
        assert!(diagnostics.is_empty(), "{diagnostics:?}");
        cfg.unwrap()
    }

    fn trigger(kind: TriggerKind) -> Trigger {
        Trigger {
            host: "github.com".into(),
            repository: Repository { id: 1, full_name: "acme/shop".into(), default_branch: Some("main".into()) },
            sha: "0123456789abcdef0123456789abcdef01234567".into(),
            kind,
            title: "Mend the till".into(),
            sender: "joe".into(),
        }
    }

    fn push(branch: &str) -> Trigger {
        trigger(TriggerKind::Push { branch: branch.into(), before: None })
    }

    fn pull_request(number: u64, base: &str) -> Trigger {
        trigger(TriggerKind::PullRequest {
            number,
            branch: "feat".into(),
            base: base.into(),
            base_sha: String::new(),
            from_fork: false,
            action: "opened".into(),
        })
    }

    fn answer(trigger: &Trigger, changed: Option<&[&str]>) -> (Vec<String>, Vec<String>) {
        let cfg = cfg();
        let changed: Option<Vec<String>> = changed.map(|files| files.iter().map(ToString::to_string).collect());
        let answer = matching(&cfg, trigger, changed.as_deref());
        (
            answer.launching.iter().map(|section| section.name()).collect(),
            answer.still.iter().map(ToString::to_string).collect(),
        )
    }

    #[test]
    fn every_section_that_matches_launches() {
        let (launching, _) = answer(&push("release/2"), Some(&["docs/a.md", "src/a.rs"]));
        assert_eq!(launching, ["push", "push.release", "push.docs"]);
        let (launching, _) = answer(&pull_request(7, "main"), None);
        assert_eq!(launching, ["pr"]);
    }

    #[test]
    fn unknown_changes_count_as_matching() {
        assert!(answer(&push("main"), None).0.contains(&"push.docs".to_owned()));
    }

    #[test]
    fn sections_that_stay_still_say_why() {
        let (_, still) = answer(&push("docs"), Some(&["a", "b", "c"]));
        assert_eq!(
            still,
            [
                "push.release: filter `{branch} == release/* && {user} != *bot` is false for branch docs and user joe",
                "push.docs: none of 3 changed files match paths",
                "pr: answers `pr`, and this is a push",
            ]
        );
        let (launching, still) = answer(&pull_request(12, "main"), Some(&["a"]));
        assert!(launching.is_empty());
        assert_eq!(
            still.last().unwrap(),
            "pr: filter `{base} == main && {pr_number} != 1*` is false for base main and pr_number 12"
        );
        let (_, still) = answer(&push("main"), Some(&["README.md"]));
        assert!(still.contains(&"push.docs: the only changed file, README.md, does not match paths".to_owned()));
    }

    #[test]
    fn tags_match_nothing_yet_and_the_verdict_says_so() {
        let tag = trigger(TriggerKind::Tag { tag: "v1".into() });
        assert!(answer(&tag, None).0.is_empty());
        assert_eq!(no_match_verdict("conducto.cfg", &tag), "no section of conducto.cfg matches push of tag v1");
    }
}
