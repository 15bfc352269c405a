//! Tests of filters: the old product's examples, and a second evaluator written another way.

use proptest::prelude::*;
use rstest::rstest;

use super::{
    super::{
        codes,
        template::{Name, Values},
    },
    Filter,
};

const NAMES: &[Name] = &[Name::Branch, Name::Base, Name::User, Name::Tag];

fn values() -> Values {
    Values::from([
        (Name::Branch, "feat-1".to_owned()),
        (Name::Base, "main".to_owned()),
        (Name::User, "joe".to_owned()),
        (Name::Tag, String::new()),
    ])
}

fn evaluate(text: &str) -> Option<bool> {
    Filter::parse(text, NAMES, false).0.map(|filter| filter.is_true(&values()))
}

fn codes_of(text: &str) -> Vec<&'static str> {
    Filter::parse(text, NAMES, false).1.into_iter().map(|fault| fault.code).collect()
}

// What the old product was seen to do with branch=feat-1, base=main, user=joe.
#[rstest]
#[case("{branch} == feat-*", true)]
#[case("feat-* == {branch}", true)]
#[case("!({user} == joe)", false)]
#[case("! {user} == bot", true)]
#[case("{branch}==FEAT-*", false)]
#[case("{branch} == a || {branch} == feat-1 && {user} == x", false)]
#[case("{branch} == feat-[0-9]", true)]
// What follows from its grammar.
#[case("{branch} != feat-2", true)]
#[case("a == a == b", false)]
#[case("a == a != b", true)]
#[case("{branch} == feat-1 || {user} == x && {user} == y", true)]
#[case("!{user} == joe || {base} == main", true)]
#[case("!!{user} == joe", true)]
#[case("({branch}) == ((feat-1))", true)]
#[case("{tag} == {tag}", true)]
#[case("{tag} != x", true)]
#[case("a{branch}b == afeat-1b", true)]
#[case("{{x}} == {{x}}", true)]
#[case("two words == two  words", false)]
fn filters_say_what_they_said_in_the_old_product(#[case] text: &str, #[case] expected: bool) {
    assert_eq!(evaluate(text), Some(expected));
}

#[rstest]
#[case("{nope} == 1", &[codes::FILTER_UNKNOWN_NAME])]
#[case("{nope} == {nada}", &[codes::FILTER_UNKNOWN_NAME, codes::FILTER_UNKNOWN_NAME])]
#[case("{tag} == ", &[codes::FILTER_MALFORMED])]
#[case("", &[codes::FILTER_MALFORMED])]
#[case("()", &[codes::FILTER_MALFORMED])]
#[case("a == b)", &[codes::FILTER_MALFORMED])]
#[case("(a == b", &[codes::FILTER_MALFORMED])]
#[case("a == || b", &[codes::FILTER_MALFORMED])]
#[case("a == !b", &[codes::FILTER_MALFORMED])]
#[case("(a == b) == c", &[codes::FILTER_MALFORMED])]
#[case("a == b (c)", &[codes::FILTER_MALFORMED])]
#[case("{branch == x", &[codes::FILTER_BAD_BRACES])]
#[case("branch} == x", &[codes::FILTER_BAD_BRACES])]
// In TOML these are mistakes; in the old dialect they were always true.
#[case("main", &[codes::FILTER_BARE_TEXT])]
#[case("{branch} = main", &[codes::FILTER_BARE_TEXT])]
#[case("{branch} == main && {user}", &[codes::FILTER_BARE_TEXT])]
#[case("!x || y", &[codes::FILTER_BARE_TEXT, codes::FILTER_BARE_TEXT])]
// Probably not as meant, but they have a meaning.
#[case("{branch} == \"main\"", &[codes::FILTER_SUSPICIOUS])]
#[case("{branch} === main", &[codes::FILTER_SUSPICIOUS])]
#[case("{branch} == main and {user} == joe", &[codes::FILTER_SUSPICIOUS])]
#[case("{branch} == main | {user} == joe", &[codes::FILTER_SUSPICIOUS])]
fn mistakes_in_filters_have_codes(#[case] text: &str, #[case] expected: &[&str]) {
    assert_eq!(codes_of(text), expected);
}

#[test]
fn operators_inside_a_value_are_harmless() {
    let (filter, _) = Filter::parse("{branch} == main || {user} == joe", NAMES, false);
    let filter = filter.unwrap();
    let mut values = values();
    values.insert(Name::User, "x".to_owned());
    values.insert(Name::Branch, "a || b == b && !(c".to_owned());
    assert!(!filter.is_true(&values));
}

#[test]
fn endless_parentheses_and_negations_are_survived() {
    assert_eq!(codes_of(&"(".repeat(100_000)), [codes::FILTER_TOO_DEEP]);
    assert_eq!(evaluate(&("!".repeat(100_001) + "a == b")), Some(true));
    assert_eq!(evaluate(&("a == a && ".repeat(10_000) + "a == a")), Some(true));
}

/// A second evaluator: cuts strings instead of reading tokens.
mod naive {
    pub(super) fn condition(text: &str) -> Option<bool> {
        let text = text.trim();
        for (operator, is_or) in [("||", true), ("&&", false)] {
            let parts = cut(text, &[operator])?;
            if parts.len() > 1 {
                let parts: Option<Vec<bool>> = parts.iter().map(|(_, part)| condition(part)).collect();
                let parts = parts?;
                return Some(if is_or { parts.contains(&true) } else { !parts.contains(&false) });
            }
        }
        if text.starts_with('!') && !text.starts_with("!=") {
            return condition(&text[1..]).map(|inner| !inner);
        }
        let sides = cut(text, &["==", "!="])?;
        if sides.len() == 1 {
            return condition(parenthesised(text)?);
        }
        let texts: Option<Vec<String>> = sides.iter().map(|(_, side)| plain(side)).collect();
        let texts = texts?;
        Some((1..texts.len()).all(|at| {
            let (left, right) = (&texts[at - 1], &texts[at]);
            (wild(left, right) || wild(right, left)) == (sides[at].0 == "==")
        }))
    }

    fn plain(side: &str) -> Option<String> {
        let side = side.trim();
        if let Some(inner) = parenthesised(side) {
            return plain(inner);
        }
        let has_operator = ["(", ")", "!", "==", "||", "&&"].iter().any(|operator| side.contains(operator));
        (!side.is_empty() && !has_operator).then(|| side.replace("{branch}", "feat-1").replace("{user}", "joe"))
    }

    fn parenthesised(text: &str) -> Option<&str> {
        let inner = text.strip_prefix('(')?.strip_suffix(')')?;
        let mut depth = 0;
        for c in inner.chars() {
            depth += i32::from(c == '(') - i32::from(c == ')');
            if depth < 0 {
                return None;
            }
        }
        (depth == 0).then_some(inner)
    }

    /// Cuts at the operators outside parentheses; each piece with the operator before it.
    fn cut<'t>(text: &'t str, operators: &[&'static str]) -> Option<Vec<(&'static str, &'t str)>> {
        let (mut pieces, mut depth, mut from, mut before, mut at) = (Vec::new(), 0, 0, "", 0);
        while at < text.len() {
            let known = ["||", "&&", "==", "!="].into_iter().find(|operator| text[at..].starts_with(operator));
            match known {
                Some(operator) => {
                    if depth == 0 && operators.contains(&operator) {
                        pieces.push((before, &text[from..at]));
                        (before, from) = (operator, at + 2);
                    }
                    at += 2;
                }
                None => {
                    depth += i32::from(text[at..].starts_with('(')) - i32::from(text[at..].starts_with(')'));
                    if depth < 0 {
                        return None;
                    }
                    at += 1;
                }
            }
        }
        pieces.push((before, &text[from..]));
        (depth == 0).then_some(pieces)
    }

    fn wild(text: &str, pattern: &str) -> bool {
        match pattern.chars().next() {
            None => text.is_empty(),
            Some('*') => (0..=text.len()).any(|at| wild(&text[at..], &pattern[1..])),
            Some('?') => !text.is_empty() && wild(&text[1..], &pattern[1..]),
            Some(c) => text.starts_with(c) && wild(&text[1..], &pattern[1..]),
        }
    }
}

fn pieces() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "a", "b", "*", "a*", "?", "{branch}", "{user}", "feat-1", "joe", " ", "=", "==", "==", "==", "!=", "!", "(",
        ")", "&&", "||", "&&", "||",
    ]);
    prop::collection::vec(piece, 1..14).prop_map(|pieces| pieces.concat())
}

/// Texts that are filters by construction.
fn sound() -> impl Strategy<Value = String> {
    let text = || prop::sample::select(vec!["a", "ab", "a*", "?", "{branch}", "feat-*", "joe", "{user}", "(joe)"]);
    let compare =
        (text(), prop::sample::select(vec!["==", " != "]), text()).prop_map(|(l, op, r)| format!("{l}{op}{r}"));
    compare.prop_recursive(4, 24, 3, |inner| {
        prop_oneof![
            inner.clone().prop_map(|inner| format!("({inner})")),
            inner.clone().prop_map(|inner| format!("! {inner}")),
            (inner.clone(), prop::sample::select(vec![" && ", "||"]), inner)
                .prop_map(|(l, op, r)| format!("{l}{op}{r}")),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn a_second_evaluator_agrees_on_scraps(text in pieces()) {
        prop_assert_eq!(evaluate(&text), naive::condition(&text), "{}", text);
    }

    #[test]
    fn a_second_evaluator_agrees_on_sound_filters(text in sound()) {
        prop_assert!(evaluate(&text).is_some());
        prop_assert_eq!(evaluate(&text), naive::condition(&text), "{}", text);
    }

    #[test]
    fn no_text_makes_the_reader_panic(text in "\\PC*") {
        let (_, faults) = Filter::parse(&text, NAMES, false);
        for fault in faults {
            prop_assert!(text.get(fault.range).is_some());
        }
    }
}
