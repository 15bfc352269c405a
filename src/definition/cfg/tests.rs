//! Tests of conducto.cfg: what is read, and that nothing makes the reader panic.

use proptest::prelude::*;
use rstest::rstest;

use super::{Event, Work, read_cfg};
use crate::model::Diagnostic;

fn sections(text: &str) -> Vec<String> {
    let (cfg, diagnostics) = read_cfg("conducto.cfg", text.as_bytes());
    assert!(!diagnostics.iter().any(Diagnostic::is_error), "{diagnostics:?}");
    cfg.unwrap()
        .sections
        .iter()
        .map(|section| format!("{} {}", section.name(), section.file().map_or("", |(path, _)| path)))
        .collect()
}

fn codes(text: &str) -> Vec<&'static str> {
    read_cfg("conducto.cfg", text.as_bytes()).1.iter().map(|diagnostic| diagnostic.code).collect()
}

#[test]
fn a_bare_section_stands_beside_its_labelled_ones() {
    let text = "[push]\npipeline = \"a\"\n[push.release]\npipeline = \"b\"\n[pr.x_1-y]\npipeline = \"c\"\n";
    assert_eq!(sections(text), ["push a", "push.release b", "pr.x_1-y c"]);
    let (cfg, _) = read_cfg("conducto.cfg", text.as_bytes());
    let sections = cfg.unwrap().sections;
    assert_eq!((sections[1].event, sections[1].label.as_deref()), (Event::Push, Some("release")));
    assert_eq!(sections[1].file().unwrap().1.line_column(), (4, 12));
}

#[test]
fn a_bare_header_without_keys_is_no_section_if_labelled_ones_follow() {
    assert_eq!(sections("[push]\n[push.b]\npipeline = \"b\"\n[push.a]\npipeline = \"a\"\n"), ["push.b b", "push.a a"]);
}

#[test]
fn sections_may_be_written_inline_or_with_dots() {
    assert_eq!(sections("push.release = { pipeline = \"b\" }\npr.pipeline = \"a\"\n"), ["push.release b", "pr a"]);
}

#[rstest]
#[case("", &["cfg::empty"])]
#[case("[push]\n", &["cfg::missing-key"])]
#[case("[[push]]\npipeline = \"a\"\n", &["cfg::stray-key"])]
#[case("[push]\npipeline = \"a\"\n[push.filter]\npipeline = \"b\"\n", &["cfg::bad-label"])]
#[case("[push]\npipeline = \"a\"\n[push.env]\nA = \"b\"\n", &[])]
#[case("[push]\npipeline = \"a\"\ncommand = \"b\"\n", &["cfg::conflict"])]
#[case("[push]\ncommand = \"\"\nduplicate = \"never\"\nmax_time = \"soon\"\n", &["cfg::bad-value", "cfg::bad-value", "cfg::bad-value"])]
#[case("[push]\npipeline = \"a\"\n[push.schedule]\npipeline = \"b\"\n", &["cfg::bad-label"])]
#[case("[push.a.b]\npipeline = \"a\"\n", &["cfg::missing-key", "cfg::unknown-key"])]
#[case("[push]\npipeline = \"a\"\nfilter = \"\"\"\n{branch} == main\"\"\"\n", &[])]
#[case("[push]\npipeline = \"a\"\nfilter = \"\"\"\nfilter = x\n== main\"\"\"\n", &[])]
#[case("\u{feff}[push]\npipeline = \"a\"\n", &[])]
#[case("[push]\r\npipeline = \"a\"\r\n", &[])]
// The old dialect, and slips that only resemble it.
#[case("[.general]\nname = x\n", &["cfg::empty"])]
#[case("[push]\ncommand = python x.py\n", &[])]
#[case("[push main]\ncommand = a\n[pusch x]\ncommand = b\n", &["cfg::unknown-event"])]
#[case("[push main]\ncommand = a\n[push main]\ncommand = b\n", &["cfg::duplicate"])]
#[case("x = 1\n[push main]\ncommand = a\nCommand: b\nnothing\n", &["cfg::stray-key", "cfg::duplicate", "cfg::syntax"])]
#[case("[push main]\ncommand = 100%\n", &["cfg::bad-value"])]
#[case("[push main]\ncommand = a\ncopy_dir = x\nname = y\n", &["cfg::conflict"])]
#[case("[push main]\ncommand = a\nenv = x\n", &["cfg::wrong-type"])]
#[case("[push main]\nfilter = {branch} = main\ncommand = a\n", &["filter::bare-text"])]
#[case("[push main]\ncommand = a {b}\n", &["cfg::bad-template"])]
#[case("[push]\npipeline = ci.toml\nslack_channel = \"x\"\n", &["cfg::unquoted"])]
#[case("[push]\npipeline = \"a\"\npaths = [\n  \"a\"\n  \"b\"\n]\n", &["cfg::syntax"])]
fn texts_and_what_is_said_of_them(#[case] text: &str, #[case] expected: &[&str]) {
    assert_eq!(codes(text), expected);
}

#[test]
fn the_old_dialect_is_read_as_python_reads_it() {
    let text = "# comment\n[DEFAULT]\nflags = --fast\nslack_channel = here\n[pr]\nCommand : python x.py %(flags)s\n  --rate=5%%\n\n  # no part of it\n  --branch={branch}\n\nenv = {\"A\": \"1\"}\n[push  nightly run]\ncommand=a=b:c\nslack_channel=there\n";
    let (cfg, diagnostics) = read_cfg(".conducto.cfg", text.as_bytes());
    assert!(diagnostics.is_empty(), "{diagnostics:?}");
    let sections = cfg.unwrap().sections;
    let command = |at: usize| match &sections[at].work {
        Work::Command(command) => command.as_str().to_owned(),
        Work::File { .. } => String::new(),
    };
    assert_eq!(command(0), "python x.py --fast\n--rate=5%\n\n--branch={branch}");
    assert_eq!((command(1).as_str(), sections[1].name().as_str()), ("a=b:c", "push.nightly run"));
    assert_eq!(sections[0].env["A"], "1");
    let channels: Vec<_> = sections.iter().filter_map(|section| section.slack_channel.as_deref()).collect();
    assert_eq!(channels, ["here", "there"]);
}

#[test]
fn a_few_lines_that_repeat_one_another_fill_no_memory() {
    // Without a limit the first key would have 100^9 times the text of the last.
    let doubling: String = (0..9).map(|at| format!("k{at} = {}\n", format!("%(k{})s", at + 1).repeat(100))).collect();
    let text = format!("[push main]\ncommand = x\n{doubling}k9 = x\n");
    let (cfg, diagnostics) = read_cfg("conducto.cfg", text.as_bytes());
    assert!(cfg.is_none());
    assert!(diagnostics[0].message.ends_with("the values of this file become too long"), "{diagnostics:?}");
    let sections: String = (0..5_000).map(|at| format!("[push {at}]\n")).collect();
    let text = format!("[DEFAULT]\ncommand = {}\n{sections}", "x".repeat(100_000));
    let (cfg, diagnostics) = read_cfg("conducto.cfg", text.as_bytes());
    assert!(cfg.is_none());
    assert_eq!(diagnostics[0].message, "`[DEFAULT]` is too long for so many sections");
}

#[rstest]
#[case::tables("x = ", "{")]
#[case::lists("x = ", "[")]
#[case::both("x = ", "{[}]")]
#[case::behind_texts("x = ", "{\"}\"")]
#[case::of_a_key("[push]\nfilter = ", "{")]
fn what_lies_too_deep_is_a_mistake_and_not_the_end(#[case] before: &str, #[case] cycle: &str) {
    let text = format!("{before}{}", cycle.repeat(40_000));
    let found = read_cfg("conducto.cfg", text.as_bytes()).1;
    assert!(found.iter().any(Diagnostic::is_error), "{found:?}");
}

#[test]
fn faults_of_a_filter_point_into_it_wherever_it_stands() {
    let place = |text: &str| {
        let (_, diagnostics) = read_cfg("conducto.cfg", text.as_bytes());
        diagnostics[0].primary.as_ref().unwrap().span.line_column()
    };
    assert_eq!(place("[push]\npipeline = \"a\"\nfilter = 'ä == b && {nope} == 1'\n"), (3, 21));
    assert_eq!(place("[push]\npipeline = \"a\"\nfilter = '''\na == b &&\n{nope} == 1'''\n"), (5, 1));
    // Behind an escape the whole value is shown.
    assert_eq!(place("[push]\npipeline = \"a\"\nfilter = \"\\u0061 == {nope}\"\n"), (3, 10));
}

const WHOLE: &str = "# all keys\n[push]\npipeline = \"a\"\n[push.release]\nfilter = \"{branch} == x\"\npaths = [\"a\", \
    \"!b/**\"]\npipeline = 'b/c.toml'\nslack_channel = \"#x\"\n[pr]\npipeline = \"c\"\n";

proptest! {
    #[test]
    fn no_bytes_make_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let (_, diagnostics) = read_cfg("conducto.cfg", &bytes);
        super::super::text(&diagnostics, false);
    }

    #[test]
    fn no_damage_to_a_file_makes_the_reader_panic(
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), 0..20_usize), 1..6),
    ) {
        let mut text: Vec<char> = WHOLE.chars().collect();
        for (at, other, edit) in edits {
            let (at, other) = (at.index(text.len()), other.index(text.len()));
            match edit {
                0..4 => text.swap(at, other),
                4..8 => { text.remove(at); }
                _ => text.insert(at, "[]{}\"'=.,\n#ä"[..].chars().nth(edit - 8).unwrap()),
            }
        }
        let text: String = text.into_iter().collect();
        let (cfg, diagnostics) = read_cfg("conducto.cfg", text.as_bytes());
        prop_assert_eq!(cfg.is_none(), diagnostics.iter().any(Diagnostic::is_error));
        super::super::text(&diagnostics, true);
        if let Some(line) = super::super::summary(&diagnostics) {
            prop_assert!(line.chars().count() <= 140);
        }
    }
}
