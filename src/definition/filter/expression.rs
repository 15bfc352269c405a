//! A filter that was understood, and what it says of an event. Knows no syntax.

use super::{
    super::template::{Fault, Name, Template, Values},
    glob, parse,
};

/// An expression that is true or false of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    text: String,
    expression: Expression,
}

/// The tree of an expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Expression {
    /// A text compared with the next, that with the one after it, and so on; all comparisons must hold.
    Compare(Template, Vec<(Comparison, Template)>),
    Not(Box<Self>),
    All(Vec<Self>),
    Any(Vec<Self>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    NotEqual,
}

impl Filter {
    /// Reads a filter that may use these names. Faults that are no warnings leave no filter. The old dialect takes a text by
    /// itself for true, and is warned.
    pub(crate) fn parse(text: &str, known: &[Name], is_old: bool) -> (Option<Self>, Vec<Fault>) {
        let (expression, faults) = parse::parse(text, known, is_old);
        let is_usable = faults.iter().all(|fault| fault.is_warning);
        let filter = expression.filter(|_| is_usable).map(|expression| Self { text: text.to_owned(), expression });
        (filter, faults)
    }

    /// Says whether an event with these values passes.
    pub fn is_true(&self, values: &Values) -> bool {
        self.expression.is_true(values)
    }

    /// Returns the filter as its author wrote it.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns the names it uses, each once, in the order of their first use.
    pub(crate) fn names(&self) -> Vec<Name> {
        let mut names = Vec::new();
        self.expression.add_names(&mut names);
        names
    }
}

impl Expression {
    fn is_true(&self, values: &Values) -> bool {
        match self {
            Self::Compare(first, rest) => {
                let mut left = first.fill(values);
                rest.iter().all(|(comparison, right)| {
                    let right = right.fill(values);
                    let is_equal = glob::is_match(&left, &right) || glob::is_match(&right, &left);
                    left = right;
                    is_equal == (*comparison == Comparison::Equal)
                })
            }
            Self::Not(inner) => !inner.is_true(values),
            Self::All(parts) => parts.iter().all(|part| part.is_true(values)),
            Self::Any(parts) => parts.iter().any(|part| part.is_true(values)),
        }
    }

    fn add_names(&self, names: &mut Vec<Name>) {
        match self {
            Self::Compare(first, rest) => {
                for name in std::iter::once(first).chain(rest.iter().map(|(_, text)| text)).flat_map(Template::names) {
                    if !names.contains(&name) {
                        names.push(name);
                    }
                }
            }
            Self::Not(inner) => inner.add_names(names),
            Self::All(parts) | Self::Any(parts) => parts.iter().for_each(|part| part.add_names(names)),
        }
    }
}
