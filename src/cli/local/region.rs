//! Lines that stay, and below them a region that is drawn again in place, as the bytes for a terminal. Knows no pipeline and
//! writes nothing itself.
//!
//! A frame is one text, to be written in one go; of a frame like the one before only what differs is drawn. Nothing of the
//! terminal is switched, so nothing has to be switched back, however the process ends.

use std::mem;

/// Asks the terminal to show nothing until the frame is complete; those that do not know it ignore it.
const BEGIN: &str = "\u{1b}[?2026h";
const END: &str = "\u{1b}[?2026l";

/// The region, as it was last drawn.
#[derive(Debug, Default)]
pub(super) struct Region {
    drawn: Vec<String>,
}

impl Region {
    /// Draws the region, after lines that are to stay above it. It never gets smaller: nothing jumps.
    pub(super) fn draw(&mut self, above: &[String], mut lines: Vec<String>) -> String {
        lines.resize(lines.len().max(self.drawn.len()), String::new());
        let before = mem::replace(&mut self.drawn, lines);
        let mut frame = String::from(BEGIN);
        if !before.is_empty() {
            frame.push_str(&format!("\u{1b}[{}A\r", before.len()));
        }
        if above.is_empty() && before.len() == self.drawn.len() {
            for (old, new) in before.iter().zip(&self.drawn) {
                if old != new {
                    frame.push_str("\u{1b}[2K");
                    frame.push_str(new);
                }
                frame.push_str("\r\n");
            }
        } else {
            frame.push_str("\u{1b}[J");
            for line in above.iter().chain(&self.drawn) {
                frame.push_str(line);
                frame.push_str("\r\n");
            }
        }
        frame.push_str(END);
        frame
    }

    /// Leaves what is drawn where it is; the next frame begins below.
    pub(super) fn leave(&mut self) {
        self.drawn.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn screen(parser: &vt100::Parser) -> String {
        parser.screen().contents()
    }

    fn lines(text: &[&str]) -> Vec<String> {
        text.iter().map(|line| (*line).to_owned()).collect()
    }

    #[test]
    fn lines_that_stay_push_the_region_down_and_are_never_drawn_over() {
        let mut parser = vt100::Parser::new(8, 20, 100);
        let mut region = Region::default();
        parser.process(region.draw(&[], lines(&["a 1", "b 1"])).as_bytes());
        parser.process(region.draw(&[], lines(&["a 2", "b 1"])).as_bytes());
        assert_eq!(screen(&parser), "a 2\nb 1");
        parser.process(region.draw(&lines(&["stays"]), lines(&["a 3", "b 2"])).as_bytes());
        assert_eq!(screen(&parser), "stays\na 3\nb 2");
        parser.process(region.draw(&[], lines(&["a 4"])).as_bytes());
        assert_eq!(screen(&parser), "stays\na 4");
        for number in 0..20 {
            parser.process(region.draw(&[format!("line {number}")], lines(&["a", "b"])).as_bytes());
        }
        assert_eq!(screen(&parser), "line 15\nline 16\nline 17\nline 18\nline 19\na\nb");
        region.leave();
        parser.process(region.draw(&[], lines(&["new"])).as_bytes());
        assert!(screen(&parser).ends_with("line 19\na\nb\nnew"));
    }

    #[test]
    fn of_a_frame_like_the_one_before_only_what_differs_is_drawn() {
        let mut region = Region::default();
        region.draw(&[], lines(&["one", "two"]));
        let frame = region.draw(&[], lines(&["one", "three"]));
        assert!(!frame.contains("one") && frame.contains("three"), "{frame:?}");
    }
}
