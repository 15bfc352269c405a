//! Pieces that several pages share: state, time, counts, log, facts.

use jiff::Timestamp;

use super::html::Html;
use crate::{
    dispatch::view::PipelineView,
    model::{Counts, State},
    present::{ago, glyph, tail},
};

/// Adds a state: shape, word and colour.
pub(crate) fn state(html: &mut Html, state: State) {
    html.element("span", &[("class", &format!("state {}", state.word()))], |span| {
        span.words("span", &[("aria-hidden", "true"), ("class", "glyph")], glyph(state));
        span.text(" ");
        span.text(state.word());
    });
}

/// Adds a moment: how long ago in words, the moment itself for those who point at it.
pub(crate) fn time(html: &mut Html, moment: Timestamp, now: Timestamp) {
    let exact = moment.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    html.words("time", &[("datetime", &exact), ("title", &exact)], &ago(moment, now));
}

/// Adds a bar whose pieces are as long as the leaves in each state are many, and says the same in words.
pub(crate) fn counts(html: &mut Html, counts: &Counts) {
    let total = counts.total().max(1);
    html.element(
        "svg",
        &[("class", "counts"), ("viewBox", "0 0 1000 8"), ("preserveAspectRatio", "none"), ("aria-hidden", "true")],
        |svg| {
            let mut start = 0;
            for state in [State::Done, State::Error, State::Killed, State::Running, State::Queued, State::Pending] {
                let end = start + counts.of(state) * 1000 / total;
                if end > start {
                    let (x, width) = (start.to_string(), (end - start).to_string());
                    svg.element(
                        "rect",
                        &[("class", state.word()), ("x", &x), ("width", &width), ("height", "8")],
                        |_| {},
                    );
                }
                start = end;
            }
        },
    );
    let part = |state: State| (counts.of(state) > 0).then(|| format!("{} {}", counts.of(state), state.word()));
    let words: Vec<String> = State::ALL.into_iter().filter_map(part).collect();
    html.words("p", &[("class", "counts-words")], &words.join(", "));
}

/// Adds the end of a log, and says what stands before it.
pub(crate) fn log(html: &mut Html, text: &str, lines: usize, address: &str) {
    let (end, hidden) = tail(text, lines);
    if end.is_empty() {
        html.words("p", &[("class", "quiet")], "It printed nothing.");
        return;
    }
    if hidden > 0 {
        html.element("p", &[("class", "quiet earlier")], |line| {
            line.link(address, &format!("{hidden} or more earlier lines"));
        });
    }
    // A log may be wider than the page: it can be scrolled, by keyboard too.
    html.words("pre", &[("class", "log"), ("tabindex", "0"), ("aria-label", "End of the log")], end);
}

/// Adds a list of facts, without those that have no value.
pub(crate) fn facts(html: &mut Html, facts: &[(&str, Option<String>)]) {
    html.element("dl", &[("class", "facts")], |list| {
        for (name, value) in facts {
            let Some(value) = value else { continue };
            list.element("div", &[], |pair| {
                pair.words("dt", &[], name);
                pair.words("dd", &[], value);
            });
        }
    });
}

/// Says plainly where nodes run without isolation.
pub(crate) fn isolation(html: &mut Html, pipeline: &PipelineView) {
    if !pipeline.isolated {
        let words = "Nodes of this pipeline run as plain processes on the server's machine. That is no isolation.";
        html.words("p", &[("class", "note")], words);
    }
}

/// Writes a node's path as it stands in addresses, without the first slash.
pub(crate) fn node_address(path: &str) -> String {
    let encode = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    };
    path.trim_start_matches('/').bytes().map(encode).collect()
}

/// Returns the address of a node's log.
pub(crate) fn log_address(id: &str, path: &str, attempt: Option<u32>) -> String {
    let node = match node_address(path).as_str() {
        "" => String::new(),
        node => format!("{node}/"),
    };
    let query = attempt.map(|number| format!("?attempt={number}")).unwrap_or_default();
    format!("/api/v1/pipelines/{id}/nodes/{node}log{query}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_safe() {
        assert_eq!(log_address("abc-def", "/", None), "/api/v1/pipelines/abc-def/nodes/log");
        assert_eq!(
            log_address("abc-def", "/lint & style", Some(2)),
            "/api/v1/pipelines/abc-def/nodes/lint%20%26%20style/log?attempt=2"
        );
    }
}
