//! Wildcards as in a shell's `case`, but `*` also matches `/`: `* ? [seq] [!seq]`, case-sensitive. Knows no escapes; there are none.

/// Says whether the whole text matches the pattern.
pub(super) fn is_match(text: &str, pattern: &str) -> bool {
    let text: Vec<char> = text.chars().collect();
    let pattern: Vec<char> = pattern.chars().collect();
    let (mut at, mut rest) = (0, 0);
    // Where to go on when the last star takes one character more.
    let mut retry: Option<(usize, usize)> = None;
    while at < text.len() {
        if pattern.get(rest) == Some(&'*') {
            rest += 1;
            retry = Some((rest, at));
            continue;
        }
        match pattern.get(rest).and_then(|_| one(text[at], &pattern[rest..])) {
            Some(taken) => {
                at += 1;
                rest += taken;
            }
            None => {
                let Some((after_star, from)) = retry else { return false };
                retry = Some((after_star, from + 1));
                (at, rest) = (from + 1, after_star);
            }
        }
    }
    pattern[rest..].iter().all(|left| *left == '*')
}

/// Returns how much of the pattern one character uses up, if it matches there.
fn one(letter: char, pattern: &[char]) -> Option<usize> {
    match pattern[0] {
        '?' => Some(1),
        '[' => match set_end(pattern) {
            Some(end) => is_in_set(letter, &pattern[1..end]).then_some(end + 1),
            None => (letter == '[').then_some(1),
        },
        literal => (letter == literal).then_some(1),
    }
}

/// Finds the bracket that closes a set; without one the opening bracket is an ordinary character.
fn set_end(pattern: &[char]) -> Option<usize> {
    let mut first = 1;
    if pattern.get(first) == Some(&'!') {
        first += 1;
    }
    // A closing bracket in the first place belongs to the set.
    (first + 1..pattern.len()).find(|at| pattern[*at] == ']')
}

fn is_in_set(letter: char, set: &[char]) -> bool {
    let (negated, set) = match set {
        ['!', rest @ ..] => (true, rest),
        _ => (false, set),
    };
    let mut found = false;
    let mut at = 0;
    while at < set.len() {
        if at + 2 < set.len() && set[at + 1] == '-' {
            found |= (set[at]..=set[at + 2]).contains(&letter);
            at += 3;
        } else {
            found |= set[at] == letter;
            at += 1;
        }
    }
    found != negated
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("", "", true)]
    #[case("", "*", true)]
    #[case("", "?", false)]
    #[case("main", "main", true)]
    #[case("main", "MAIN", false)]
    #[case("main", "mai", false)]
    #[case("release/1/2", "release/*", true)]
    #[case("release/1/2", "*/2", true)]
    #[case("release/1/2", "r*/1*2", true)]
    #[case("release/1/2", "r*/3*2", false)]
    #[case("a/b", "a?b", true)]
    #[case("feat-1", "feat-[0-9]", true)]
    #[case("feat-x", "feat-[!0-9]", true)]
    #[case("feat-1", "feat-[!0-9]", false)]
    #[case("]", "[]]", true)]
    #[case("a", "[!]]", true)]
    #[case("-", "[a-]", true)]
    #[case("b", "[z-a]", false)]
    #[case("[x", "[x", true)]
    #[case("x", "[x", false)]
    #[case("[]", "[]", true)]
    #[case("größe", "gr?ß*", true)]
    #[case("aaaaaaaaaaaaaaaaaaaaab", "*a*a*a*a*a*a*c", false)]
    fn wildcards_match_as_in_the_old_product(#[case] text: &str, #[case] pattern: &str, #[case] expected: bool) {
        assert_eq!(is_match(text, pattern), expected);
    }
}
