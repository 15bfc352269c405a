//! The command of a section: a shell script with `{names}` in braces. Knows how a value is put into a script so that it stays
//! one word and runs nothing, whatever is in it: names of branches come from strangers.
//!
//! A value is quoted for the place at which it stands: bare, between single quotes, between double quotes. Where what a
//! shell would make of a quote cannot be told for sure (a substitution within double quotes, backticks, a here-document, a
//! comment), a name is a mistake.

use std::ops::Range;

use super::{
    codes,
    template::{Fault, Name, Piece, Template, Values},
};

/// A script with names in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    text: String,
    template: Template,
    /// How the value of each name is quoted, in the order of the names.
    places: Vec<Place>,
}

/// Where a name stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Bare,
    /// Between `'` and `'`.
    Single,
    /// Between `"` and `"`.
    Double,
}

impl Command {
    /// Reads a script that may use these names. Any fault leaves no command.
    pub(crate) fn parse(text: &str, known: &[Name]) -> (Option<Self>, Vec<Fault>) {
        let mut faults = Vec::new();
        let template = Template::parse(text, 0..text.len(), known, &mut faults);
        for fault in &mut faults {
            fault.code = codes::CFG_BAD_TEMPLATE;
        }
        if !faults.is_empty() {
            return (None, faults);
        }
        let (places, faults) = places(&template);
        let command = faults.is_empty().then(|| Self { text: text.to_owned(), template, places });
        (command, faults)
    }

    /// Puts the values in. A name without a value becomes an empty word.
    pub fn fill(&self, values: &Values) -> String {
        let mut places = self.places.iter();
        let mut script = String::with_capacity(self.text.len());
        for (piece, _) in self.template.pieces() {
            match piece {
                Piece::Literal(text) => script.push_str(text),
                Piece::Name(name) => {
                    let value = values.get(name).map_or("", String::as_str);
                    script.push_str(&quoted(value, places.next().copied().unwrap_or(Place::Bare)));
                }
            }
        }
        script
    }

    /// Returns the script as its author wrote it.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

/// Writes a value so that a shell reads back exactly that. No program can be given a null character: it is left out.
fn quoted(value: &str, place: Place) -> String {
    let value = value.replace('\0', "");
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "@%+=:,./-_".contains(c);
    match place {
        Place::Bare if !value.is_empty() && value.chars().all(is_plain) => value,
        Place::Bare => format!("'{}'", value.replace('\'', "'\\''")),
        Place::Single => value.replace('\'', "'\\''"),
        Place::Double => {
            let mut escaped = String::with_capacity(value.len());
            for c in value.chars() {
                if matches!(c, '$' | '`' | '"' | '\\') {
                    escaped.push('\\');
                }
                escaped.push(c);
            }
            escaped
        }
    }
}

/// What a shell is in the middle of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Bare,
    Single,
    Double,
    /// In `${NAME}` between double quotes.
    Parameter,
    Comment,
    /// What follows is not understood well enough.
    Lost(&'static str),
}

/// Follows a script from its beginning, as far as quotes are concerned.
struct Reader {
    state: State,
    is_escaped: bool,
    /// The character before, as far as it decides what the next one means.
    before: char,
}

impl Reader {
    fn read(&mut self, c: char) {
        if std::mem::take(&mut self.is_escaped) {
            self.before = 'x';
            return;
        }
        self.state = match (self.state, c) {
            (State::Bare | State::Double, '\\') => {
                self.is_escaped = true;
                self.state
            }
            (State::Bare, '`') => State::Lost("behind a backtick"),
            (State::Double, '`') => State::Lost("behind a backtick"),
            (State::Double, '{') if self.before == '$' => State::Parameter,
            (State::Parameter, '}') => State::Double,
            (State::Parameter, c) if c.is_ascii_alphanumeric() || c == '_' => State::Parameter,
            (State::Double | State::Parameter, _) if self.state == State::Parameter || opens(self.before, c) => {
                State::Lost("behind a substitution within double quotes")
            }
            (State::Bare, '<') if self.before == '<' => State::Lost("behind a here-document"),
            (State::Bare, '\'' | '"') if self.before == '$' => State::Lost("behind a quote with a dollar"),
            (State::Bare, '\'') => State::Single,
            (State::Bare, '"') => State::Double,
            (State::Single, '\'') | (State::Double, '"') | (State::Comment, '\n') => State::Bare,
            (State::Bare, '#') if self.before.is_whitespace() || ";&|()".contains(self.before) => State::Comment,
            (state, _) => state,
        };
        self.before = c;
    }
}

/// Says whether a substitution begins with these two.
fn opens(before: char, c: char) -> bool {
    before == '$' && matches!(c, '(' | '[')
}

fn places(template: &Template) -> (Vec<Place>, Vec<Fault>) {
    let mut reader = Reader { state: State::Bare, is_escaped: false, before: '\n' };
    let (mut places, mut faults) = (Vec::new(), Vec::new());
    for (piece, range) in template.pieces() {
        match piece {
            Piece::Literal(text) => text.chars().for_each(|c| reader.read(c)),
            Piece::Name(name) => {
                let trouble = match reader.state {
                    _ if reader.is_escaped => Some("behind a backslash"),
                    State::Bare if reader.before == '$' => Some("behind a dollar"),
                    State::Double if reader.before == '$' => Some("behind a dollar"),
                    State::Comment => Some("in a comment"),
                    State::Lost(place) => Some(place),
                    State::Parameter => Some("within a substitution"),
                    State::Bare | State::Single | State::Double => None,
                };
                if let Some(place) = trouble {
                    faults.push(unsafe_place(name, place, range.clone()));
                }
                places.push(match reader.state {
                    State::Single => Place::Single,
                    State::Double => Place::Double,
                    _ => Place::Bare,
                });
                (reader.is_escaped, reader.before) = (false, 'x');
            }
        }
    }
    (places, faults)
}

fn unsafe_place(name: &Name, place: &str, range: Range<usize>) -> Fault {
    let word = name.word();
    Fault {
        code: codes::CFG_BAD_TEMPLATE,
        is_warning: false,
        range,
        message: format!("`{{{word}}}` stands {place}, where its value could become a command"),
        label: "cannot be quoted safely here".to_owned(),
        help: format!(
            "set a variable first, `{word}={{{word}}}`, and use that: `\"${word}\"`; or use the environment, \
                       such as CONDUCTO_GIT_BRANCH"
        ),
    }
}

#[cfg(test)]
mod tests {
    use std::process;

    use proptest::prelude::*;

    use super::*;

    const NAMES: &[Name] = &[Name::Branch, Name::User];

    fn fill(text: &str, branch: &str) -> String {
        let (command, faults) = Command::parse(text, NAMES);
        assert_eq!(faults, []);
        command.unwrap().fill(&Values::from([(Name::Branch, branch.to_owned())]))
    }

    fn faults(text: &str) -> Vec<String> {
        Command::parse(text, NAMES).1.into_iter().map(|fault| fault.message).collect()
    }

    #[test]
    fn values_stay_one_word_wherever_they_stand() {
        assert_eq!(fill("run --branch={branch} # why not", "feat/x-1"), "run --branch=feat/x-1 # why not");
        assert_eq!(fill("run {branch}", "$(rm -rf x)"), "run '$(rm -rf x)'");
        assert_eq!(fill("run '{branch}'", "it's"), "run 'it'\\''s'");
        assert_eq!(fill("run \"{branch}\"", "`a` $b \"c\" \\d"), "run \"\\`a\\` \\$b \\\"c\\\" \\\\d\"");
        assert_eq!(fill("run {user}", "main"), "run ''");
        assert_eq!(fill("run \"${{HOME}}/{branch}\"", "$x"), "run \"${HOME}/\\$x\"");
        assert_eq!(fill("echo ${{HOME}} $(run {branch}) {branch}", "a b"), "echo ${HOME} $(run 'a b') 'a b'");
    }

    #[test]
    fn where_no_quote_is_safe_a_name_is_a_mistake() {
        for (text, place) in [
            ("echo \"$(run {branch})\"", "behind a substitution within double quotes"),
            ("echo \"${{HOME:-{branch}}}\"", "behind a substitution within double quotes"),
            ("echo `run {branch}`", "behind a backtick"),
            ("cat <<END\n{branch}\nEND", "behind a here-document"),
            ("true # {branch}", "in a comment"),
            ("echo $'{branch}'", "behind a quote with a dollar"),
            ("echo \\{branch}", "behind a backslash"),
            ("echo ${branch}", "behind a dollar"),
        ] {
            assert_eq!(faults(text), [format!("`{{branch}}` stands {place}, where its value could become a command")]);
        }
        assert_eq!(faults("echo {nope} {branch"), ["`{nope}` has no value in this section", "unpaired brace"]);
        assert_eq!(faults("echo a#{branch} \"#\" {branch}"), [""; 0]);
    }

    fn shell(script: &str) -> String {
        let output = process::Command::new("sh").args(["-c", script]).env_clear().output().unwrap();
        assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn a_shell_reads_back_what_was_put_in(branch in "[ -~\n\u{e4}\u{4e2d}]{0,24}") {
            for text in ["printf '%s|' {branch}x", "printf '%s|' '{branch}'x", "printf '%s|' \"{branch}\"x"] {
                prop_assert_eq!(shell(&fill(text, &branch)), format!("{branch}x|"), "{}", text);
            }
            prop_assert_eq!(shell(&fill("printf '%s|' $(printf '%s' {branch} >/dev/null; echo y)", &branch)), "y|");
        }
    }
}
