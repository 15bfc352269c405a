//! Texts with `{names}` in braces, as Python's `str.format` reads them. Knows which names exist for which event, not who uses the text.

use std::{collections::BTreeMap, ops::Range, sync::Arc};

use super::{codes, suggest::nearest};
use crate::model::{Trigger, TriggerKind};

/// A name that may stand in braces.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Name {
    /// Branch the code is on.
    Branch,
    /// Commit.
    Sha,
    /// Address of the repository.
    Url,
    /// Branch a pull request wants to go to.
    Base,
    /// Tag.
    Tag,
    /// Number of a pull request.
    PrNumber,
    /// The same, shorter.
    Pr,
    /// Login of the person who caused the event.
    User,
    /// The same, in GitHub's word.
    Actor,
    /// Name of the event, as sections are called.
    Event,
    /// Name of a release.
    Release,
    /// Text of a comment.
    Comment,
    /// A parameter that a section for requests declares.
    Parameter(Arc<str>),
}

/// Names with their values for one event.
pub type Values = BTreeMap<Name, String>;

impl Name {
    const ALL: [Self; 12] = [
        Self::Branch,
        Self::Sha,
        Self::Url,
        Self::Base,
        Self::Tag,
        Self::PrNumber,
        Self::Pr,
        Self::User,
        Self::Actor,
        Self::Event,
        Self::Release,
        Self::Comment,
    ];

    /// Returns the name as it stands in braces.
    pub fn word(&self) -> &str {
        match self {
            Self::Branch => "branch",
            Self::Sha => "sha",
            Self::Url => "url",
            Self::Base => "base",
            Self::Tag => "tag",
            Self::PrNumber => "pr_number",
            Self::Pr => "pr",
            Self::User => "user",
            Self::Actor => "actor",
            Self::Event => "event",
            Self::Release => "release",
            Self::Comment => "comment",
            Self::Parameter(name) => name,
        }
    }
}

/// Names that exist for every event.
pub(crate) const ALWAYS: &[Name] = &[Name::Sha, Name::Url, Name::User, Name::Actor, Name::Event];

/// Returns the values of an event's names.
pub fn values(trigger: &Trigger) -> Values {
    let mut values = Values::from([
        (Name::Sha, trigger.sha.clone()),
        (Name::Url, format!("https://{}/{}", trigger.host, trigger.repository.full_name)),
        (Name::User, trigger.sender.clone()),
        (Name::Actor, trigger.sender.clone()),
        (Name::Event, trigger.event_name().to_owned()),
    ]);
    match &trigger.kind {
        TriggerKind::Push { branch, .. }
        | TriggerKind::BranchCreated { branch }
        | TriggerKind::BranchDeleted { branch, .. }
        | TriggerKind::Cron { branch, .. } => {
            values.insert(Name::Branch, branch.clone());
        }
        TriggerKind::Tag { tag } | TriggerKind::TagDeleted { tag, .. } => {
            values.insert(Name::Tag, tag.clone());
        }
        TriggerKind::Release { tag, name, .. } => {
            values.insert(Name::Tag, tag.clone());
            values.insert(Name::Release, name.clone());
        }
        TriggerKind::MergeGroup { branch, base, .. } => {
            values.insert(Name::Branch, branch.clone());
            values.insert(Name::Base, base.clone());
        }
        TriggerKind::Comment { number, text, .. } => {
            values.insert(Name::PrNumber, number.to_string());
            values.insert(Name::Pr, number.to_string());
            values.insert(Name::Comment, text.clone());
        }
        TriggerKind::Manual { branch, parameters, .. } => {
            values.insert(Name::Branch, branch.clone());
            let given = parameters.iter();
            values.extend(given.map(|(name, value)| (Name::Parameter(name.as_str().into()), value.clone())));
        }
        TriggerKind::PullRequest { number, branch, base, .. } => {
            values.insert(Name::Branch, branch.clone());
            values.insert(Name::Base, base.clone());
            values.insert(Name::PrNumber, number.to_string());
            values.insert(Name::Pr, number.to_string());
        }
    }
    values
}

/// A mistake inside one value; its range counts from the value's first character.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) code: &'static str,
    pub(crate) is_warning: bool,
    pub(crate) range: Range<usize>,
    pub(crate) message: String,
    pub(crate) label: String,
    pub(crate) help: String,
}

/// A text with names in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Template(Vec<(Piece, Range<usize>)>);

/// A part of it, as it is or to be replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    Literal(String),
    Name(Name),
}

impl Template {
    /// Reads a part of a text; every wrong brace and name is added to the faults.
    pub(crate) fn parse(text: &str, range: Range<usize>, known: &[Name], faults: &mut Vec<Fault>) -> Self {
        let mut pieces = Vec::new();
        let mut literal = String::new();
        let (mut at, mut began) = (range.start, range.start);
        while let Some(next) = text[at..range.end].chars().next() {
            let rest = &text[at..range.end];
            if rest.starts_with("{{") || rest.starts_with("}}") {
                literal.push(next);
                at += 2;
            } else if next == '{' {
                let Some(close) = rest.find('}') else {
                    faults.push(lone_brace(at..range.end, "this brace is never closed"));
                    break;
                };
                if !literal.is_empty() {
                    pieces.push((Piece::Literal(std::mem::take(&mut literal)), began..at));
                }
                let place = at..at + close + 1;
                match find(&rest[1..close], place.clone(), known) {
                    Ok(name) => pieces.push((Piece::Name(name), place)),
                    Err(fault) => faults.push(*fault),
                }
                at += close + 1;
                began = at;
            } else if next == '}' {
                faults.push(lone_brace(at..at + 1, "no brace was opened before it"));
                at += 1;
            } else {
                literal.push(next);
                at += next.len_utf8();
            }
        }
        if !literal.is_empty() {
            pieces.push((Piece::Literal(literal), began..range.end));
        }
        Self(pieces)
    }

    /// Puts the values in. A name without a value becomes nothing; names were checked when the text was read.
    pub(crate) fn fill(&self, values: &Values) -> String {
        self.0
            .iter()
            .map(|(piece, _)| match piece {
                Piece::Literal(text) => text.as_str(),
                Piece::Name(name) => values.get(name).map_or("", String::as_str),
            })
            .collect()
    }

    /// Returns its parts, each with its place in the text that was read.
    pub(crate) fn pieces(&self) -> impl Iterator<Item = (&Piece, &Range<usize>)> {
        self.0.iter().map(|(piece, range)| (piece, range))
    }

    /// Returns the names in it.
    pub(crate) fn names(&self) -> impl Iterator<Item = Name> + '_ {
        self.0.iter().filter_map(|(piece, _)| match piece {
            Piece::Name(name) => Some(name.clone()),
            Piece::Literal(_) => None,
        })
    }
}

fn lone_brace(range: Range<usize>, label: &str) -> Fault {
    Fault {
        code: codes::FILTER_BAD_BRACES,
        is_warning: false,
        range,
        message: "unpaired brace".to_owned(),
        label: label.to_owned(),
        help: "names stand in braces, as in `{branch}`; a brace itself is written twice".to_owned(),
    }
}

fn find(word: &str, range: Range<usize>, known: &[Name]) -> Result<Name, Box<Fault>> {
    if let Some(name) = known.iter().find(|name| name.word() == word) {
        return Ok(name.clone());
    }
    let words = known.iter().map(|name| name.word());
    let elsewhere = Name::ALL.iter().any(|name| name.word() == word);
    let help = match nearest(word, words.clone()) {
        Some(near) if !elsewhere => format!("a similar name exists: `{{{near}}}`"),
        _ => format!("the names are {}", words.map(|word| format!("`{{{word}}}`")).collect::<Vec<_>>().join(", ")),
    };
    let label = if elsewhere { "other events have it, this one does not" } else { "no event has this name" };
    Err(Box::new(Fault {
        code: codes::FILTER_UNKNOWN_NAME,
        is_warning: false,
        range,
        message: format!("`{{{word}}}` has no value in this section"),
        label: label.to_owned(),
        help,
    }))
}
