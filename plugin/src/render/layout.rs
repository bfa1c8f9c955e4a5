//! How much room there is, and what may be put in it.

use jiff::Timestamp;

use super::printable;
use crate::printer::{Ink, Tone};

/// What a text is laid out for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Layout {
    /// Columns of the terminal. A pipe has none: nothing is wrapped or left out for it.
    pub(crate) width: Option<usize>,
    /// Whether to color.
    pub(crate) ink: Ink,
    /// How much is told.
    pub(crate) detail: Detail,
    /// The time, for ages.
    pub(crate) now: Timestamp,
}

/// How much is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Detail {
    /// What fits a screen: of many pods only those that need looking at.
    Brief,
    /// Every pod.
    Pods,
    /// Also what has ended, and ids in full.
    Everything,
}

impl Detail {
    /// As often as `-v` was given.
    pub(crate) fn of(verbose: u8) -> Self {
        match verbose {
            0 => Self::Brief,
            1 => Self::Pods,
            _ => Self::Everything,
        }
    }
}

impl Layout {
    /// A text in the color of its meaning.
    pub(crate) fn paint(&self, tone: Tone, text: &str) -> String {
        self.ink.paint(tone, text)
    }

    /// A text from a column on, wrapped between words where the terminal ends; the first line is not indented.
    pub(crate) fn wrapped(&self, text: &str, column: usize) -> Vec<String> {
        let room = self
            .width
            .map_or(usize::MAX, |width| width.saturating_sub(column).max(20));
        let mut lines: Vec<String> = Vec::new();
        let mut line = String::new();
        for word in printable(text).split_whitespace() {
            if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > room {
                lines.push(std::mem::take(&mut line));
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        lines.push(line);
        let indent = " ".repeat(column);
        let mut lines = lines.into_iter();
        let first = lines.next();
        first
            .into_iter()
            .chain(lines.map(|line| format!("{indent}{line}")))
            .collect()
    }
}
