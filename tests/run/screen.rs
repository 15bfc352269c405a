//! What a run looks like on a terminal.

use std::fmt::Write as _;

use rstest::rstest;

use crate::{
    place::{Place, settled},
    terminal::on_terminal,
};

const TREE: &str = "[\"/build\"]\nexec = \"true\"\n[\"/test\"]\ntype = \"serial\"\nstop_on_error = false\n\
    [\"/test/unit\"]\nexec = \"seq -s ' ' 100; echo; exit 3\"\n[\"/test/lint\"]\nexec = \"true\"\n";

#[rstest]
#[case(80)]
#[case(200)]
fn a_run_on_a_terminal(#[case] columns: u16) {
    let place = Place::with(&[("conducto.cfg", "[push]\npipeline = \"tree.toml\"\n"), ("tree.toml", TREE)]);
    let shown = on_terminal(place.conducto("work", &["run", "--process"]), columns, 30);
    assert_eq!(shown.status.code(), Some(1), "{}", shown.screen);
    insta::assert_snapshot!(format!("a_run_on_{columns}_columns"), settled(&shown.screen));
    let coloured = shown.sent.windows(3).any(|bytes| bytes == b"\x1b[3");
    assert!(coloured);
}

#[test]
fn without_colour_and_without_utf8_the_same_is_said() {
    let place = Place::with(&[("conducto.cfg", "[push]\npipeline = \"tree.toml\"\n"), ("tree.toml", TREE)]);
    let mut command = place.conducto("work", &["run", "--process"]);
    command.env("NO_COLOR", "1").env("LANG", "C");
    let shown = on_terminal(command, 80, 30);
    let sent = String::from_utf8(shown.sent).unwrap();
    assert!(sent.is_ascii() && !sent.contains("\u{1b}[3") && !sent.contains("\u{1b}[1m"), "{sent:?}");
    assert!(shown.screen.contains("x /test/unit"), "{}", shown.screen);
}

#[test]
fn five_thousand_nodes_are_drawn_in_a_third_of_the_terminal_without_clearing_it() {
    let mut tree = String::from("[\"/\"]\ntype = \"parallel\"\n");
    for group in 0..100 {
        write!(tree, "[\"/g{group:02}\"]\ntype = \"serial\"\n").unwrap();
        for leaf in 0..50 {
            write!(tree, "[\"/g{group:02}/n{leaf:02}\"]\nexec = \"true\"\n").unwrap();
        }
    }
    let place = Place::with(&[("conducto.cfg", "[push]\npipeline = \"tree.toml\"\n"), ("tree.toml", &tree)]);
    let shown = on_terminal(place.conducto("work", &["run", "--process", "--only", "/g42"]), 80, 30);
    assert_eq!(shown.status.code(), Some(0), "{}", shown.screen);
    let sent = String::from_utf8_lossy(&shown.sent);
    assert!(!sent.contains("\u{1b}[2J") && !sent.contains("\u{1b}[H"), "a terminal that is cleared flickers");
    let frames: Vec<&str> = sent.split("\u{1b}[?2026h").skip(1).collect();
    let heights: Vec<usize> =
        frames.iter().map(|frame| frame.split("\u{1b}[?2026l").next().unwrap().matches('\n').count()).collect();
    assert!(heights.iter().all(|height| *height == heights[0] && *height <= 10), "{heights:?}");
    assert!(shown.screen.contains("/5000"), "{}", shown.screen);
    assert!(shown.screen.contains("done  50 of 5000 nodes"), "{}", shown.screen);
}
