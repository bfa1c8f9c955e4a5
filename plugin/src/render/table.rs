//! Tables as kubectl prints them: columns apart by spaces, no lines.

use super::layout::Layout;
use super::{NONE, printable};
use crate::printer::Tone;

/// Spaces between columns, and where room is short.
const GAPS: [usize; 2] = [3, 2];

/// A cell: its text, and the color of its meaning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cell {
    text: String,
    tone: Option<Tone>,
}

impl Cell {
    /// In the color of its meaning.
    pub(crate) fn toned(tone: Tone, text: &impl ToString) -> Self {
        Self {
            text: cell(&text.to_string()),
            tone: Some(tone),
        }
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self {
            text: cell(&text),
            tone: None,
        }
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

impl From<Option<String>> for Cell {
    fn from(text: Option<String>) -> Self {
        text.unwrap_or_else(|| NONE.to_owned()).into()
    }
}

/// What may stand in one line of a cell.
fn cell(text: &str) -> String {
    printable(text).replace(['\n', '\t'], " ")
}

/// Rows under a header, or without one.
#[derive(Debug, Clone)]
pub(crate) struct Table {
    /// Empty: none is shown.
    header: Vec<&'static str>,
    /// Places of columns that go, in this order, where they do not fit the terminal.
    spare: Vec<usize>,
    rows: Vec<Vec<Cell>>,
}

impl Table {
    /// A table with these columns.
    pub(crate) fn new(header: &[&'static str]) -> Self {
        Self {
            header: header.to_vec(),
            spare: Vec::new(),
            rows: Vec::new(),
        }
    }

    /// Columns that go first where the terminal is narrow, by their headers.
    #[must_use]
    pub(crate) fn spare(mut self, headers: &[&str]) -> Self {
        let place = |wanted: &&str| self.header.iter().position(|header| header == wanted);
        self.spare = headers.iter().filter_map(place).collect();
        self
    }

    /// One more row, a cell a column.
    pub(crate) fn row(&mut self, cells: Vec<Cell>) {
        self.rows.push(cells);
    }

    /// The lines, the header first, as they fit the terminal.
    pub(crate) fn lines(&self, layout: &Layout) -> Vec<String> {
        self.laid_out(layout.width, |cell| match cell.tone {
            Some(tone) => layout.paint(tone, &cell.text),
            None => cell.text.clone(),
        })
    }

    /// The whole, as kubectl prints it: every column, however wide the terminal is.
    pub(crate) fn whole(&self) -> String {
        self.laid_out(None, |cell| cell.text.clone()).join("\n")
    }

    fn laid_out(&self, room: Option<usize>, paint: impl Fn(&Cell) -> String) -> Vec<String> {
        let widths = self.widths();
        let mut shown: Vec<usize> = (0..widths.len()).collect();
        let mut gap = GAPS[0];
        let total = |shown: &[usize], gap: usize| {
            let text: usize = shown.iter().map(|column| widths[*column]).sum();
            text + gap * shown.len().saturating_sub(1)
        };
        let room = room.unwrap_or(usize::MAX);
        if total(&shown, gap) > room {
            gap = GAPS[1];
        }
        for column in &self.spare {
            if total(&shown, gap) <= room {
                break;
            }
            shown.retain(|kept| kept != column);
        }
        let header: Vec<Cell> = self.header.iter().map(|header| Cell::from(*header)).collect();
        let header = Some(&header).filter(|header| !header.is_empty());
        header
            .into_iter()
            .chain(&self.rows)
            .map(|cells| line(cells, &shown, &widths, gap, &paint))
            .collect()
    }

    fn widths(&self) -> Vec<usize> {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let of = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            let widest = cells.map(|cell| cell.text.chars().count()).max().unwrap_or(0);
            let header = self.header.get(column);
            widest.max(header.map_or(0, |header| header.chars().count()))
        };
        (0..columns.max(self.header.len())).map(of).collect()
    }
}

fn line(
    cells: &[Cell],
    shown: &[usize],
    widths: &[usize],
    gap: usize,
    paint: &impl Fn(&Cell) -> String,
) -> String {
    let mut text = String::new();
    for column in shown {
        let Some(cell) = cells.get(*column) else { continue };
        text.push_str(&paint(cell));
        if Some(column) != shown.last() {
            let used = cell.text.chars().count();
            text.push_str(&" ".repeat(widths[*column].saturating_sub(used) + gap));
        }
    }
    text.trim_end().to_owned()
}
