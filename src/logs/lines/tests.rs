//! Lines by number, from files as they are written.

use super::super::{Found, Logs, Wanted};
use super::*;

async fn write(logs: &Logs, path: &Path, offset: u64, pieces: &[(Stream, &str)]) -> u64 {
    let mut offset = offset;
    for (stream, text) in pieces {
        match stream {
            Stream::Notice => logs.notice(path, Timestamp::UNIX_EPOCH, *text).await.unwrap(),
            _ => {
                logs.output(path, *stream, offset, Timestamp::UNIX_EPOCH, text.as_bytes().to_vec()).await.unwrap();
                offset += text.len() as u64;
            }
        }
    }
    offset
}

fn texts(page: &Page) -> Vec<&str> {
    page.lines.iter().map(|line| line.text.as_str()).collect()
}

#[tokio::test]
async fn lines_are_those_that_a_terminal_shows() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("1.log");
    let logs = Logs::start().unwrap();
    let pieces = [
        (Stream::Stdout, "fir"),
        (Stream::Stderr, "st\nwindows\r\n10 %\r100 %\n\n"),
        (Stream::Stdout, "open"),
        (Stream::Notice, "conducto: a notice"),
        (Stream::Stdout, "last, without an end"),
    ];
    write(&logs, &path, 0, &pieces).await;
    let page = logs.lines(&path, Some(1), 100).await.unwrap();
    let expected = ["first", "windows", "100 %", "", "open", "conducto: a notice", "last, without an end"];
    assert_eq!((texts(&page), page.total), (expected.to_vec(), 7));
    assert_eq!(
        [page.lines[0].stream, page.lines[1].stream, page.lines[5].stream],
        [Stream::Stdout, Stream::Stderr, Stream::Notice]
    );
    let page = logs.lines(&path, None, 2).await.unwrap();
    assert_eq!((page.from, texts(&page)), (6, expected[5..].to_vec()));
    let page = logs.lines(&path, Some(8), 2).await.unwrap();
    assert_eq!((page.total, page.lines.len()), (7, 0));
}

#[tokio::test]
async fn any_window_of_a_log_that_grows_is_what_was_printed_there() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("1.log");
    let logs = Logs::start().unwrap();
    let text: String = (1..=3_000).map(|number| format!("line {number}\n")).collect();
    let mut offset = 0;
    // Pieces that end anywhere, looked at in between.
    for (round, piece) in text.as_bytes().chunks(997).enumerate() {
        offset = write(&logs, &path, offset, &[(Stream::Stdout, std::str::from_utf8(piece).unwrap())]).await;
        if round % 5 == 0 {
            logs.lines(&path, None, 1).await.unwrap();
        }
    }
    assert_eq!(offset, text.len() as u64);
    for (from, count) in [(1, 3), (255, 4), (256, 1), (257, 1), (512, 300), (2_990, 100), (3_000, 1)] {
        let page = logs.lines(&path, Some(from), count).await.unwrap();
        let expected: Vec<String> =
            (from..=(from + count - 1).min(3_000)).map(|number| format!("line {number}")).collect();
        assert_eq!(
            (texts(&page), page.total),
            (expected.iter().map(String::as_str).collect(), 3_000),
            "{from}+{count}"
        );
    }
}

#[tokio::test]
async fn a_page_begins_in_the_colour_that_was_set_before_it() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("1.log");
    let logs = Logs::start().unwrap();
    let text = format!("\x1b[31mred\n{}still red\x1b[0m\nplain\n", "red too\n".repeat(300));
    write(&logs, &path, 0, &[(Stream::Stdout, &text)]).await;
    assert_eq!(logs.lines(&path, Some(1), 1).await.unwrap().style, "");
    assert_eq!(logs.lines(&path, Some(2), 1).await.unwrap().style, "\x1b[31m");
    assert_eq!(logs.lines(&path, Some(302), 1).await.unwrap().style, "\x1b[31m");
    assert_eq!(logs.lines(&path, Some(303), 1).await.unwrap().style, "");
}

#[tokio::test]
async fn a_line_without_end_is_cut_and_says_by_how_much() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("1.log");
    let logs = Logs::start().unwrap();
    write(&logs, &path, 0, &[(Stream::Stdout, &"x".repeat(300_000)), (Stream::Stdout, "\nnext\n")]).await;
    let page = logs.lines(&path, Some(1), 10).await.unwrap();
    assert_eq!((page.lines[0].text.len(), page.lines[0].cut), (LONGEST_SHOWN, 300_000 - LONGEST_SHOWN));
    assert_eq!(page.lines[1].text, "next");
}

#[tokio::test]
async fn a_search_counts_all_lines_and_names_the_first() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("1.log");
    let logs = Logs::start().unwrap();
    let text = "ok\nWarning: one\n\x1b[31mwarn\x1b[0ming: two\nok 10 %\rwarning\r\nopen warning";
    write(
        &logs,
        &path,
        0,
        &[(Stream::Stdout, &text[..20]), (Stream::Stderr, &text[20..]), (Stream::Notice, "warning")],
    )
    .await;
    let search = |text: &'static str, is_pattern, is_exact| {
        let (logs, path) = (logs.clone(), path.clone());
        async move { logs.search(&path, Wanted::parse(text, is_pattern, is_exact).unwrap()).await.unwrap() }
    };
    assert_eq!(search("warning", false, false).await, Found { total: 5, lines: vec![2, 3, 4, 5, 6], searched: 6 });
    assert_eq!(search("Warning", false, true).await.lines, [2]);
    assert_eq!(search("10 %", false, true).await.total, 0);
    assert_eq!(search("^warning: t", true, true).await.lines, [3]);
    assert!(Wanted::parse("(", true, true).is_err());
    let many = "hit\n".repeat(10_050);
    write(&logs, &directory.path().join("2.log"), 0, &[(Stream::Stdout, &many)]).await;
    let found = logs.search(&directory.path().join("2.log"), Wanted::parse("hit", false, true).unwrap()).await.unwrap();
    assert_eq!((found.total, found.lines.len(), found.searched), (10_050, 10_000, 10_050));
}

#[tokio::test]
async fn lines_of_trouble_are_told_from_others() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("1.log");
    let logs = Logs::start().unwrap();
    let text = "0 errors\nerror[E0308]: mismatched types\nthread 'main' panicked at src/a.rs:1\nerrors: none\n\
                /bin/sh: cargoo: command not found\nValueError: x\n";
    write(&logs, &path, 0, &[(Stream::Stdout, text)]).await;
    assert_eq!(logs.search(&path, Wanted::trouble().unwrap()).await.unwrap().lines, [2, 3, 5, 6]);
}
