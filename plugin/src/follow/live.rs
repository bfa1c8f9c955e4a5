//! The live view: the whole screen of a terminal, drawn anew when what it shows has changed.

use crate::printer::Printer;
use crate::render::Layout;

/// The alternate screen, without a cursor.
const ENTER: &str = "\u{1b}[?1049h\u{1b}[?25l";
/// The screen as it was, with its cursor.
const LEAVE: &str = "\u{1b}[?25h\u{1b}[?1049l";
/// The first column of the first line.
const HOME: &str = "\u{1b}[H";
/// Clears what is left of a line, and of the screen.
const CLEAR_LINE: &str = "\u{1b}[K";
const CLEAR_BELOW: &str = "\u{1b}[J";

/// Rows and columns of a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Size {
    pub(crate) rows: usize,
    pub(crate) columns: usize,
}

impl Size {
    /// Of the terminal of this process; some terminals do not tell.
    pub(crate) fn now() -> Self {
        terminal_size::terminal_size().map_or(
            Self {
                rows: 24,
                columns: 80,
            },
            |(columns, rows)| Self {
                rows: usize::from(rows.0),
                columns: usize::from(columns.0),
            },
        )
    }
}

/// What a terminal shows.
#[derive(Debug, Default)]
struct Frames {
    shown: Option<(Size, Vec<String>)>,
}

impl Frames {
    /// What is to be written to show lines, unless they are shown already.
    fn next(&mut self, lines: &[String], size: Size) -> Option<String> {
        let shown = (size, lines.to_vec());
        if self.shown.as_ref() == Some(&shown) {
            return None;
        }
        let mut text = String::from(HOME);
        for (index, line) in fitting(lines, size).iter().enumerate() {
            if index > 0 {
                text.push_str("\r\n");
            }
            text.push_str(line);
            text.push_str(CLEAR_LINE);
        }
        text.push_str(CLEAR_BELOW);
        self.shown = Some(shown);
        Some(text)
    }
}

/// The terminal at standard output in its alternate screen, which it leaves on every way out.
pub(crate) struct Alternate<'a, 'b> {
    printer: &'a mut Printer<'b>,
    frames: Frames,
}

impl<'a, 'b> Alternate<'a, 'b> {
    /// Enters it.
    pub(crate) fn enter(printer: &'a mut Printer<'b>) -> Self {
        let mut screen = Self {
            printer,
            frames: Frames::default(),
        };
        screen.write(ENTER);
        screen
    }

    /// How it is laid out now.
    pub(crate) fn layout(&self) -> Layout {
        self.printer.layout()
    }

    /// Shows lines.
    pub(crate) fn draw(&mut self, lines: &[String], size: Size) {
        if let Some(text) = self.frames.next(lines, size) {
            self.write(&text);
        }
    }

    fn write(&mut self, text: &str) {
        let out = self.printer.out_canvas();
        // Whoever looks has gone, if it cannot be written.
        let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    }
}

impl Drop for Alternate<'_, '_> {
    fn drop(&mut self) {
        self.write(LEAVE);
    }
}

/// As much as the screen holds. A line that wraps, or one too many, would move all others.
fn fitting(lines: &[String], size: Size) -> Vec<String> {
    let rows = size.rows.max(2);
    let mut shown: Vec<String> = lines
        .iter()
        .take(rows)
        .map(|line| super::screen::cut(line, size.columns))
        .collect();
    if lines.len() > rows {
        let more = lines.len() - rows + 1;
        shown.truncate(rows - 1);
        shown.push(format!(
            "... {more} more lines: make the window higher, or choose with --dc or --rack"
        ));
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(count: usize) -> Vec<String> {
        (1..=count).map(|number| format!("line {number}")).collect()
    }

    const SIZE: Size = Size { rows: 3, columns: 80 };

    #[test]
    fn nothing_is_drawn_twice() {
        let mut frames = Frames::default();
        let drawn = frames.next(&lines(2), SIZE).unwrap();
        assert_eq!(drawn, "\u{1b}[Hline 1\u{1b}[K\r\nline 2\u{1b}[K\u{1b}[J");
        assert_eq!(frames.next(&lines(2), SIZE), None);
        assert!(frames.next(&lines(1), SIZE).is_some());
    }

    #[test]
    fn what_does_not_fit_is_counted() {
        assert_eq!(fitting(&lines(3), SIZE), lines(3));
        assert_eq!(
            fitting(&lines(5), SIZE),
            [
                "line 1",
                "line 2",
                "... 3 more lines: make the window higher, or choose with --dc or --rack"
            ]
        );
    }
}
