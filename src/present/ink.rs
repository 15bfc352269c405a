//! Colours of a terminal: one for each state, none where none is wanted. Knows no terminal.

use anstyle::{AnsiColor, Color, Style};

use crate::model::State;

/// Paints texts, or leaves them as they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ink {
    is_coloured: bool,
}

impl Ink {
    /// Paints only if `is_coloured`.
    pub fn new(is_coloured: bool) -> Self {
        Self { is_coloured }
    }

    /// Says whether colour is wanted.
    pub fn is_coloured(self) -> bool {
        self.is_coloured
    }

    /// Colours a text the way its state is coloured everywhere.
    pub fn state(self, state: State, text: &str) -> String {
        let color = match state {
            State::Pending => AnsiColor::BrightBlack,
            State::Queued => AnsiColor::Magenta,
            State::Running => AnsiColor::Blue,
            State::Done => AnsiColor::Green,
            State::Error => AnsiColor::Red,
            State::Killed => AnsiColor::Yellow,
        };
        self.style(Style::new().fg_color(Some(Color::Ansi(color))), text)
    }

    /// Makes a text step back.
    pub fn dim(self, text: &str) -> String {
        self.style(Style::new().dimmed(), text)
    }

    /// Makes a text stand out.
    pub fn bold(self, text: &str) -> String {
        self.style(Style::new().bold(), text)
    }

    fn style(self, style: Style, text: &str) -> String {
        if self.is_coloured && !text.is_empty() {
            format!("{}{text}{}", style.render(), style.render_reset())
        } else {
            text.to_owned()
        }
    }
}
