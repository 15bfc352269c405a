//! The terminal of the demo: lines that stay, and one region that is drawn again in place. Knows nothing of pipelines.

use std::io::{self, Write};

use crate::present::Ink;

/// All lines fit into this many columns.
pub(super) const WIDTH: usize = 80;

/// Where the demo writes to.
pub struct Screen {
    out: Box<dyn Write + Send>,
    ink: Ink,
    /// Rows of a terminal on which lines can be drawn again; nothing for files and pipes.
    rows: Option<usize>,
    drawn: usize,
}

impl Screen {
    /// Makes a screen. `size` is that of a terminal (columns, rows), nothing for files and pipes.
    pub fn new(out: Box<dyn Write + Send>, ink: Ink, size: Option<(usize, usize)>) -> Self {
        // A line that wraps would take two rows and spoil the region.
        let rows = size.filter(|(columns, _)| *columns >= WIDTH).map(|(_, rows)| rows);
        Self { out, ink, rows, drawn: 0 }
    }

    /// Returns what texts are painted with.
    pub(super) fn ink(&self) -> Ink {
        self.ink
    }

    /// Says whether a region of so many lines can be drawn again in place.
    pub(super) fn can_redraw(&self, lines: usize) -> bool {
        self.rows.is_some_and(|rows| lines < rows)
    }

    /// Writes a line that stays. What was drawn before stays too.
    pub(super) fn line(&mut self, text: &str) -> io::Result<()> {
        self.drawn = 0;
        writeln!(self.out, "{text}")?;
        self.out.flush()
    }

    /// Draws the region, over what was drawn the last time; in one piece, so that nothing flickers.
    pub(super) fn draw(&mut self, lines: &[String]) -> io::Result<()> {
        let mut frame = String::from("\u{1b}[?2026h");
        if self.drawn > 0 {
            frame.push_str(&format!("\u{1b}[{}A\r", self.drawn));
        }
        for line in lines {
            frame.push_str("\u{1b}[2K");
            frame.push_str(line);
            frame.push('\n');
        }
        frame.push_str("\u{1b}[J\u{1b}[?2026l");
        self.drawn = lines.len();
        self.out.write_all(frame.as_bytes())?;
        self.out.flush()
    }
}

/// Cuts a text to a number of columns.
pub(super) fn cut(text: &str, columns: usize) -> String {
    if text.chars().count() <= columns {
        return text.to_owned();
    }
    let kept: String = text.chars().take(columns.saturating_sub(1)).collect();
    format!("{kept}…")
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Memory(Arc<Mutex<Vec<u8>>>);

    impl Write for Memory {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_region_is_drawn_over_itself_until_a_line_comes() {
        let memory = Memory::default();
        let mut screen = Screen::new(Box::new(memory.clone()), Ink::default(), Some((80, 24)));
        screen.draw(&["a".into(), "b".into()]).unwrap();
        screen.draw(&["c".into(), "d".into()]).unwrap();
        screen.line("e").unwrap();
        screen.draw(&["f".into()]).unwrap();
        let written = String::from_utf8(memory.0.lock().unwrap().clone()).unwrap();
        insta::assert_snapshot!(written.replace('\u{1b}', "ESC").replace('\r', "CR"), @"
        ESC[?2026hESC[2Ka
        ESC[2Kb
        ESC[JESC[?2026lESC[?2026hESC[2ACRESC[2Kc
        ESC[2Kd
        ESC[JESC[?2026le
        ESC[?2026hESC[2Kf
        ESC[JESC[?2026l
        ");
    }

    #[test]
    fn small_terminals_get_plain_lines() {
        let screen = |size| Screen::new(Box::new(io::sink()), Ink::default(), size);
        assert!(screen(Some((80, 24))).can_redraw(12));
        assert!(!screen(Some((79, 24))).can_redraw(12));
        assert!(!screen(Some((80, 12))).can_redraw(12));
        assert!(!screen(None).can_redraw(12));
    }
}
