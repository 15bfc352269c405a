//! Reads a filter by its grammar. Knows no values.
//!
//! ```text
//! expr := or ; or := and ('||' and)* ; and := not ('&&' not)* ; not := '!' not | cmp
//! cmp  := atom (('=='|'!=') atom)* ; atom := text | '(' expr ')'
//! ```

use std::ops::Range;

use super::{
    super::{
        codes,
        template::{Fault, Name, Template},
    },
    expression::{Comparison, Expression},
    token::{Token, split},
};

/// Parentheses deeper than this are nobody's; the limit keeps the recursion bounded.
const MOST_PARENTHESES: usize = 32;

/// Reads a filter. The expression is missing when the text as a whole makes no sense.
pub(super) fn parse(text: &str, known: &[Name], is_old: bool) -> (Option<Expression>, Vec<Fault>) {
    let mut parser = Parser { text, known, is_old, tokens: split(text), at: 0, depth: 0, faults: Vec::new() };
    let parsed = parser.whole();
    let expression = parsed.map_err(|fault| parser.faults.push(*fault)).ok();
    (expression, parser.faults)
}

struct Parser<'t> {
    text: &'t str,
    known: &'t [Name],
    is_old: bool,
    tokens: Vec<(Token, Range<usize>)>,
    at: usize,
    depth: usize,
    faults: Vec<Fault>,
}

/// One side of a comparison, or a condition by itself.
enum Operand {
    Text(Template, Range<usize>),
    Group(Expression, Range<usize>),
}

type Parsed<T> = Result<T, Box<Fault>>;

impl Parser<'_> {
    fn whole(&mut self) -> Parsed<Expression> {
        let operand = self.or()?;
        let expression = self.condition(operand);
        match self.tokens.get(self.at).cloned() {
            None => Ok(expression),
            Some((Token::Close, range)) => Err(self.malformed(range, "no parenthesis was opened before this one")),
            Some((_, range)) => Err(self.malformed(range, "an operator is missing before this")),
        }
    }

    fn or(&mut self) -> Parsed<Operand> {
        self.joined(Token::Or, Self::and, Expression::Any)
    }

    fn and(&mut self) -> Parsed<Operand> {
        self.joined(Token::And, Self::not, Expression::All)
    }

    fn joined(
        &mut self,
        token: Token,
        part: fn(&mut Self) -> Parsed<Operand>,
        join: fn(Vec<Expression>) -> Expression,
    ) -> Parsed<Operand> {
        let first = part(self)?;
        if self.peek() != Some(token) {
            return Ok(first);
        }
        let start = first.range().start;
        let mut parts = vec![self.condition(first)];
        while self.take(token) {
            let next = part(self)?;
            parts.push(self.condition(next));
        }
        Ok(Operand::Group(join(parts), start..self.end()))
    }

    fn not(&mut self) -> Parsed<Operand> {
        let start = self.tokens.get(self.at).map_or(0, |(_, range)| range.start);
        let mut count = 0;
        while self.take(Token::Not) {
            count += 1;
        }
        let compared = self.compare()?;
        if count == 0 {
            return Ok(compared);
        }
        let inner = self.condition(compared);
        let expression = if count % 2 == 0 { inner } else { Expression::Not(Box::new(inner)) };
        Ok(Operand::Group(expression, start..self.end()))
    }

    fn compare(&mut self) -> Parsed<Operand> {
        let first = self.atom()?;
        let start = first.range().start;
        if !matches!(self.peek(), Some(Token::Equal | Token::NotEqual)) {
            return Ok(first);
        }
        let first = self.side(first)?;
        let mut rest = Vec::new();
        loop {
            let comparison = match self.peek() {
                Some(Token::Equal) => Comparison::Equal,
                Some(Token::NotEqual) => Comparison::NotEqual,
                _ => return Ok(Operand::Group(Expression::Compare(first, rest), start..self.end())),
            };
            self.at += 1;
            let atom = self.atom()?;
            self.suspect_side(atom.range());
            rest.push((comparison, self.side(atom)?));
        }
    }

    fn atom(&mut self) -> Parsed<Operand> {
        let Some((token, range)) = self.tokens.get(self.at).cloned() else {
            let end = self.text.len();
            return Err(self.malformed(end..end, "it ends where a text is expected"));
        };
        self.at += 1;
        match token {
            Token::Text => {
                let template = Template::parse(self.text, range.clone(), self.known, &mut self.faults);
                self.suspect_words(&range);
                Ok(Operand::Text(template, range))
            }
            Token::Open => self.parenthesis(range),
            Token::Close | Token::Or | Token::And | Token::Equal | Token::NotEqual | Token::Not => {
                Err(self.malformed(range, "a text is missing before this"))
            }
        }
    }

    fn parenthesis(&mut self, open: Range<usize>) -> Parsed<Operand> {
        if self.depth == MOST_PARENTHESES {
            return Err(Box::new(Fault {
                code: codes::FILTER_TOO_DEEP,
                is_warning: false,
                range: open,
                message: "parentheses nested too deeply".to_owned(),
                label: format!("more than {MOST_PARENTHESES} inside one another"),
                help: "take out the parentheses that change nothing".to_owned(),
            }));
        }
        self.depth += 1;
        let inner = self.or()?;
        self.depth -= 1;
        if !self.take(Token::Close) {
            return Err(self.malformed(open, "a parenthesis is never closed"));
        }
        let whole = open.start..self.end();
        Ok(match inner {
            Operand::Text(template, _) => Operand::Text(template, whole),
            Operand::Group(expression, _) => Operand::Group(expression, whole),
        })
    }

    /// Takes an operand as one side of a comparison.
    fn side(&self, operand: Operand) -> Parsed<Template> {
        match operand {
            Operand::Text(template, _) => Ok(template),
            Operand::Group(_, range) => Err(self.malformed(range, "a condition cannot be compared with a text")),
        }
    }

    /// Takes an operand as a condition. A text by itself would always be true, which nobody means.
    fn condition(&mut self, operand: Operand) -> Expression {
        let (template, range) = match operand {
            Operand::Group(expression, _) => return expression,
            Operand::Text(template, range) => (template, range),
        };
        let text = &self.text[range.clone()];
        let help = match text.split_once('=') {
            Some((left, right)) => {
                format!("one `=` compares nothing; write `{} == {}`", left.trim(), right.trim_matches(['=', ' ']))
            }
            None => {
                format!("compare it with something, as in `{text} == main`; to launch always, leave the filter out")
            }
        };
        self.faults.push(Fault {
            code: codes::FILTER_BARE_TEXT,
            is_warning: self.is_old,
            range,
            message: "a text by itself is no condition of a filter".to_owned(),
            label: "compared with nothing, this would always be true".to_owned(),
            help,
        });
        Expression::Compare(template, Vec::new())
    }

    /// Warns of words that look like operators and are none.
    fn suspect_words(&mut self, range: &Range<usize>) {
        let mut start = range.start;
        for word in self.text[range.clone()].split(' ') {
            let meant = match word {
                "and" | "AND" | "&" => "&&",
                "or" | "OR" | "|" => "||",
                _ => "",
            };
            let is_inside = start > range.start && start + word.len() < range.end;
            if is_inside && !meant.is_empty() {
                let message = format!("`{word}` is taken as part of the text");
                self.suspicious(start..start + word.len(), message, format!("did you mean `{meant}`?"));
            }
            start += word.len() + 1;
        }
    }

    /// Warns of quotes and stray equals signs on the right of a comparison.
    fn suspect_side(&mut self, range: Range<usize>) {
        let text = &self.text[range.clone()];
        let is_quoted = |quote: char| text.len() > 1 && text.starts_with(quote) && text.ends_with(quote);
        if is_quoted('"') || is_quoted('\'') {
            let help = format!("write `{}`", &text[1..text.len() - 1]);
            self.suspicious(range, "quotes inside a filter are compared like any character".to_owned(), help);
        } else if text.starts_with('=') {
            let help = "two `=` are enough".to_owned();
            self.suspicious(range, "this `=` is taken as part of the text".to_owned(), help);
        }
    }

    fn suspicious(&mut self, range: Range<usize>, message: String, help: String) {
        let label = "probably not as meant".to_owned();
        self.faults.push(Fault { code: codes::FILTER_SUSPICIOUS, is_warning: true, range, message, label, help });
    }

    fn malformed(&self, range: Range<usize>, why: &str) -> Box<Fault> {
        Box::new(Fault {
            code: codes::FILTER_MALFORMED,
            is_warning: false,
            range,
            message: format!("malformed filter: {why}"),
            label: String::new(),
            help: "a filter looks like `{branch} == main && !({user} == *bot)`".to_owned(),
        })
    }

    fn peek(&self) -> Option<Token> {
        self.tokens.get(self.at).map(|(token, _)| *token)
    }

    fn take(&mut self, token: Token) -> bool {
        let is_next = self.peek() == Some(token);
        self.at += usize::from(is_next);
        is_next
    }

    fn end(&self) -> usize {
        self.at.checked_sub(1).map_or(0, |last| self.tokens[last].1.end)
    }
}

impl Operand {
    fn range(&self) -> Range<usize> {
        match self {
            Self::Text(_, range) | Self::Group(_, range) => range.clone(),
        }
    }
}
