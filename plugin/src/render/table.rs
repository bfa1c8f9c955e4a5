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

/// Rows under a header.
#[derive(Debug, Clone)]
pub(crate) struct Table {
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

    /// The lines, the header first.
    pub(crate) fn lines(&self, layout: &Layout) -> Vec<String> {
        let widths = self.widths();
        let mut shown: Vec<usize> = (0..self.header.len()).collect();
        let mut gap = GAPS[0];
        let total = |shown: &[usize], gap: usize| {
            let text: usize = shown.iter().map(|column| widths[*column]).sum();
            text + gap * shown.len().saturating_sub(1)
        };
        let room = layout.width.unwrap_or(usize::MAX);
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
        std::iter::once(&header)
            .chain(&self.rows)
            .map(|cells| line(cells, &shown, &widths, gap, layout))
            .collect()
    }

    fn widths(&self) -> Vec<usize> {
        let of = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            let widest = cells.map(|cell| cell.text.chars().count()).max().unwrap_or(0);
            widest.max(self.header[column].chars().count())
        };
        (0..self.header.len()).map(of).collect()
    }
}

fn line(cells: &[Cell], shown: &[usize], widths: &[usize], gap: usize, layout: &Layout) -> String {
    let mut text = String::new();
    for column in shown {
        let Some(cell) = cells.get(*column) else { continue };
        let painted = cell
            .tone
            .map_or_else(|| cell.text.clone(), |tone| layout.paint(tone, &cell.text));
        text.push_str(&painted);
        if Some(column) != shown.last() {
            let used = cell.text.chars().count();
            text.push_str(&" ".repeat(widths[*column].saturating_sub(used) + gap));
        }
    }
    text.trim_end().to_owned()
}
