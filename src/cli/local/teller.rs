//! Says what happens in a pipeline while it happens: live on a terminal, a line for each thing elsewhere, or as JSON. Starts and
//! stops nothing.

use std::{
    collections::{BTreeMap, HashMap},
    io,
};

use jiff::{Timestamp, tz::TimeZone};
use serde_json::{Value, json};

use super::{args::Ui, region::Region, summary};
use crate::{
    cli::printer::Printer,
    dispatch::view::{NodeView, PipelineView},
    model::State,
    present::{Ink, Size, attempt_outcome, cut, frame, glyph, plain_glyphs, plain_text, shell_word, tail, took},
};

/// After so many nodes that failed, the others get one line each, without the end of their log.
const MOST_TAILS: usize = 50;

/// After so many seconds without a line, a plain run says that it still goes on.
const HEARTBEAT: i64 = 30;

/// Version of the JSON lines. Fields may be added to it.
const VERSION: u32 = 1;

/// How things are said.
#[derive(Debug)]
pub(super) enum Mode {
    Live(Region),
    Plain,
    Quiet,
    Json,
}

/// What the terminal is like.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terminal {
    pub(super) ink: Ink,
    /// Whether it shows more than ASCII.
    pub(super) is_utf8: bool,
}

/// A thing that happened to a leaf.
struct News<'a> {
    node: &'a NodeView,
    /// The end of its log, where it failed; nothing where that is not shown.
    log: Option<String>,
}

/// Says what happens in one pipeline.
pub(super) struct Teller {
    mode: Mode,
    terminal: Terminal,
    tail: usize,
    /// The attempt and the state that were last told of each leaf.
    told: HashMap<String, (usize, State)>,
    /// Last line that each leaf printed that failed.
    last_words: BTreeMap<String, String>,
    last_line: Timestamp,
    tails: usize,
    seq: u64,
}

impl Mode {
    /// Chooses, by what is asked for and where it goes.
    pub(super) fn of(ui: Ui, json: bool, is_terminal: bool) -> Self {
        match ui {
            _ if json => Self::Json,
            Ui::Quiet => Self::Quiet,
            Ui::Live => Self::Live(Region::default()),
            Ui::Auto if is_terminal => Self::Live(Region::default()),
            Ui::Auto | Ui::Plain => Self::Plain,
        }
    }
}

impl Teller {
    pub(super) fn new(mode: Mode, terminal: Terminal, tail: usize, now: Timestamp) -> Self {
        Self {
            mode,
            terminal,
            tail,
            told: HashMap::new(),
            last_words: BTreeMap::new(),
            last_line: now,
            tails: 0,
            seq: 0,
        }
    }

    /// Says what it is that begins.
    pub(super) fn begin(&mut self, pipeline: &PipelineView, changed: usize, printer: &mut Printer) -> io::Result<()> {
        let summary = &pipeline.summary;
        if matches!(self.mode, Mode::Json) {
            let about = json!({"pipeline": summary.id, "repository": summary.repository, "trigger": summary.trigger,
                "section": summary.section, "sha": summary.sha, "changed_files": changed, "executor": pipeline.executor});
            return self.json("run.start", about, summary.created_at, printer);
        }
        if matches!(self.mode, Mode::Quiet) {
            return Ok(());
        }
        let sha = summary.sha.get(..7).unwrap_or(&summary.sha);
        let changes = match changed {
            0 => String::new(),
            1 => ", 1 changed file".to_owned(),
            count => format!(", {count} changed files"),
        };
        let id = self.terminal.ink.bold(&summary.id);
        self.say(&format!("{id}  {} {} {sha}{changes}", summary.repository, summary.trigger), printer)?;
        if !pipeline.isolated {
            self.say("nodes run as plain processes on this machine: no isolation", printer)?;
        }
        Ok(())
    }

    /// Returns the leaves whose log is wanted before what happened can be told.
    pub(super) fn wants_logs<'p>(&self, pipeline: &'p PipelineView) -> Vec<&'p NodeView> {
        let failed = self.changed(pipeline).filter(|node| node.state.is_failed());
        failed.take(MOST_TAILS.saturating_sub(self.tails)).collect()
    }

    /// Tells what is new. `logs` has the ends of the logs that were wanted.
    pub(super) fn see(
        &mut self,
        pipeline: &PipelineView,
        mut logs: HashMap<String, Vec<u8>>,
        now: Timestamp,
        printer: &mut Printer,
    ) -> io::Result<()> {
        let news: Vec<News<'_>> = self
            .changed(pipeline)
            .map(|node| News { node, log: logs.remove(&node.path).map(|log| plain_text(&log)) })
            .collect();
        let mut above = Vec::new();
        for News { node, log } in &news {
            self.told.insert(node.path.clone(), (node.attempts.len(), node.state));
            if let Some(log) = log {
                self.tails += 1;
                let last = log.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
                self.last_words.insert(node.path.clone(), last.to_owned());
            }
            match &self.mode {
                Mode::Live(_) if node.state.is_failed() => {
                    above.extend(self.failure(&pipeline.summary.id, node, log.as_deref(), now));
                }
                Mode::Plain => {
                    self.say(&self.plain(node, now), printer)?;
                    self.last_line = now;
                    if let Some(log) = log.as_deref().filter(|_| node.state.is_failed()) {
                        for line in self.log_lines(&pipeline.summary.id, node, log) {
                            self.say(&line, printer)?;
                        }
                    }
                }
                Mode::Json => {
                    let attempt = node.attempts.last();
                    let about = json!({"node": node.path, "attempt": node.attempts.len(), "state": node.state,
                        "cause": node.cause, "exit_code": attempt.and_then(|attempt| attempt.exit_code)});
                    self.json("node.state", about, now, printer)?;
                }
                _ => {}
            }
        }
        if matches!(self.mode, Mode::Plain) && now.duration_since(self.last_line).as_secs() >= HEARTBEAT {
            self.last_line = now;
            self.say(&heartbeat(pipeline, now), printer)?;
        }
        self.draw(pipeline, above, now, printer)
    }

    /// Draws the region again, below lines that stay.
    pub(super) fn draw(
        &mut self,
        pipeline: &PipelineView,
        above: Vec<String>,
        now: Timestamp,
        printer: &mut Printer,
    ) -> io::Result<()> {
        let Terminal { ink, is_utf8 } = self.terminal;
        let Mode::Live(region) = &mut self.mode else { return Ok(()) };
        let glyphs = |line: String| if is_utf8 { line } else { plain_glyphs(&line) };
        let lines = frame(pipeline, size(), now, ink).into_iter().map(glyphs).collect();
        let above: Vec<String> = above.into_iter().map(glyphs).collect();
        printer.draw(&region.draw(&above, lines))
    }

    /// Says something that is no news of a node.
    pub(super) fn remark(&mut self, text: &str, printer: &mut Printer) -> io::Result<()> {
        match &mut self.mode {
            Mode::Live(region) => {
                region.leave();
                printer.remark(text)
            }
            Mode::Plain => printer.remark(text),
            Mode::Quiet | Mode::Json => Ok(()),
        }
    }

    /// Has the last word.
    pub(super) fn end(
        &mut self,
        pipeline: &PipelineView,
        again: &str,
        code: u8,
        now: Timestamp,
        printer: &mut Printer,
    ) -> io::Result<()> {
        if matches!(self.mode, Mode::Json) {
            let summary = &pipeline.summary;
            let about = json!({"pipeline": summary.id, "state": summary.state, "ending": summary.ending,
                "cause": summary.cause, "counts": summary.counts, "exit_code": code});
            return self.json("run.end", about, now, printer);
        }
        if let Mode::Live(region) = &mut self.mode {
            region.leave();
        }
        let columns = matches!(self.mode, Mode::Live(_)).then(|| size().columns);
        for line in summary::lines(pipeline, &self.last_words, again, columns, now, self.terminal.ink) {
            self.say(&line, printer)?;
        }
        Ok(())
    }

    /// Lists the leaves of which something is to be told that was not.
    fn changed<'p>(&self, pipeline: &'p PipelineView) -> impl Iterator<Item = &'p NodeView> {
        pipeline.nodes.iter().filter(|node| {
            let is_news = node.state == State::Running || node.state.is_finished();
            let here = (node.attempts.len(), node.state);
            node.kind == "exec" && !node.attempts.is_empty() && is_news && self.told.get(&node.path) != Some(&here)
        })
    }

    fn say(&self, line: &str, printer: &mut Printer) -> io::Result<()> {
        if self.terminal.is_utf8 { printer.remark(line) } else { printer.remark(&plain_glyphs(line)) }
    }

    fn json(&mut self, kind: &str, about: Value, now: Timestamp, printer: &mut Printer) -> io::Result<()> {
        self.seq += 1;
        let mut line = json!({"v": VERSION, "seq": self.seq, "ts": now.to_string(), "type": kind});
        if let (Value::Object(line), Value::Object(about)) = (&mut line, about) {
            line.extend(about.into_iter().filter(|(_, value)| !value.is_null()));
        }
        printer.line(&line.to_string())
    }

    /// A failure, as it stays above the region: what failed and how, and the end of what it printed.
    fn failure(&self, id: &str, node: &NodeView, log: Option<&str>, now: Timestamp) -> Vec<String> {
        let (ink, columns) = (self.terminal.ink, size().columns);
        let mark = ink.state(node.state, glyph(node.state));
        let attempt = format!("attempt {}", node.attempts.len());
        let words = [outcome(node), time(node, now), attempt].join("  ");
        let path = cut(&node.path, columns / 2);
        let mut lines =
            vec![format!("{mark} {}  {}", ink.bold(&path), cut(&words, columns - path.len().min(columns / 2) - 4))];
        let log = log.map(|log| self.log_lines(id, node, log)).unwrap_or_default();
        lines.extend(log.into_iter().map(|line| ink.dim(&cut(&line, columns))));
        lines
    }

    fn log_lines(&self, id: &str, node: &NodeView, log: &str) -> Vec<String> {
        let (end, hidden) = tail(log, self.tail);
        let mut lines: Vec<String> = end.lines().map(|line| format!("    | {}", line.replace('\t', "    "))).collect();
        if hidden > 0 {
            lines.push(format!("    └ {hidden} earlier lines: conducto logs {id} {}", shell_word(&node.path)));
        }
        lines
    }

    /// What happened to a node as one line that can be searched: `10:02:11.204 E /test/unit #1 exit 1 34.2s`.
    fn plain(&self, node: &NodeView, now: Timestamp) -> String {
        let head = format!("{} {} {} #{}", clock_time(now), node.state.letter(), node.path, node.attempts.len());
        match node.state {
            State::Running => format!("{head} started"),
            State::Done => format!("{head} done {}", time(node, now)),
            _ => format!("{head} {} {}", outcome(node), time(node, now)),
        }
    }
}

fn outcome(node: &NodeView) -> String {
    let words = node.cause.clone().or_else(|| node.attempts.last().map(attempt_outcome)).unwrap_or_default();
    plain_text(words.as_bytes())
}

fn time(node: &NodeView, now: Timestamp) -> String {
    let attempt = node.attempts.last();
    attempt.and_then(|attempt| took(attempt.started_at, attempt.finished_at, now)).unwrap_or_default()
}

fn clock_time(now: Timestamp) -> String {
    now.to_zoned(TimeZone::system()).strftime("%H:%M:%S%.3f").to_string()
}

fn heartbeat(pipeline: &PipelineView, now: Timestamp) -> String {
    let counts = &pipeline.summary.counts;
    let running = pipeline.nodes.iter().filter(|node| node.kind == "exec" && node.state == State::Running);
    let names: Vec<String> = running.take(3).map(|node| format!("{} ({})", node.path, time(node, now))).collect();
    let (ended, total, failed) = (counts.finished(), counts.total(), counts.failed());
    format!(
        "{} . {ended}/{total} ended, {failed} failed, {} running: {}",
        clock_time(now),
        counts.running,
        names.join(", ")
    )
}

fn size() -> Size {
    let size = terminal_size::terminal_size_of(io::stderr());
    size.map_or(Size { columns: 80, rows: 24 }, |(columns, rows)| Size {
        columns: usize::from(columns.0).max(20),
        rows: usize::from(rows.0).max(4),
    })
}
