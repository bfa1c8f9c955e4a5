//! Shows progress on standard error: a view that is drawn anew on a terminal, a line per change elsewhere.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write;

use jiff::{SignedDuration, Timestamp};

use super::goal::{Item, ItemState, Progress};
use crate::host;
use crate::printer::{Printer, Tone};
use crate::render::printable;

/// Where progress is shown.
pub(super) struct Screen<'a, 'b> {
    printer: &'a mut Printer<'b>,
    kind: Kind,
}

enum Kind {
    /// Drawn over and over.
    Live {
        frame: usize,
        drawn: usize,
        last: Option<Progress>,
        lost: Option<String>,
    },
    /// Appended.
    Lines { told: BTreeMap<String, String> },
}

const SPINNER: [&str; 4] = ["|", "/", "-", "\\"];
const HIDE_CURSOR: &str = "\u{1b}[?25l";
const SHOW_CURSOR: &str = "\u{1b}[?25h";
/// Most items that are drawn; a terminal scrolls what is longer, and what has scrolled cannot be drawn over.
const MOST_ITEMS: usize = 15;

impl<'a, 'b> Screen<'a, 'b> {
    /// On standard error.
    pub(super) fn open(printer: &'a mut Printer<'b>) -> Self {
        let kind = match printer.screen() {
            host::Screen::Terminal => Kind::Live {
                frame: 0,
                drawn: 0,
                last: None,
                lost: None,
            },
            host::Screen::Plain => Kind::Lines {
                told: BTreeMap::new(),
            },
        };
        Self { printer, kind }
    }

    /// Whether time passes on it.
    pub(super) fn is_live(&self) -> bool {
        matches!(self.kind, Kind::Live { .. })
    }

    /// Shows how far everything is.
    pub(super) fn show(&mut self, progress: &Progress) {
        match &mut self.kind {
            Kind::Live { last, lost, .. } => {
                if last.as_ref() != Some(progress) {
                    *last = Some(progress.clone());
                    *lost = None;
                    self.draw();
                }
            }
            Kind::Lines { told } => {
                for line in news(told, progress) {
                    self.printer.note(&line);
                }
            }
        }
    }

    /// Says that the API server does not answer.
    pub(super) fn lost(&mut self, why: &str) {
        match &mut self.kind {
            Kind::Live { lost, .. } => *lost = Some(why.to_owned()),
            Kind::Lines { .. } => self.printer.warning(&format!("{why}; trying again")),
        }
    }

    /// Lets time pass.
    pub(super) fn tick(&mut self) {
        if let Kind::Live { frame, .. } = &mut self.kind {
            *frame = frame.wrapping_add(1);
            self.draw();
        }
    }

    fn draw(&mut self) {
        let Kind::Live {
            frame,
            drawn,
            last: Some(progress),
            lost,
        } = &mut self.kind
        else {
            return;
        };
        let now = self.printer.now();
        let mut lines = live(progress, SPINNER[*frame % SPINNER.len()], now, self.printer);
        if let Some(why) = lost {
            lines.push(format!(
                "{} {}; trying again",
                self.printer.paint(Tone::Busy, "warning:"),
                printable(why)
            ));
        }
        let width = terminal_size::terminal_size().map_or(80, |(width, _)| usize::from(width.0));
        let mut text = String::from(HIDE_CURSOR);
        text.push_str(&up(*drawn));
        for line in &lines {
            let _ = writeln!(text, "{}", cut(line, width));
        }
        *drawn = lines.len();
        write_all(self.printer.canvas(), &text);
    }
}

impl Drop for Screen<'_, '_> {
    /// The cursor comes back on every way out; signals come as values, not as the end of the process.
    fn drop(&mut self) {
        if self.is_live() {
            write_all(self.printer.canvas(), SHOW_CURSOR);
        }
    }
}

/// To the first of the lines drawn last, which are taken away.
fn up(drawn: usize) -> String {
    if drawn == 0 {
        String::new()
    } else {
        format!("\u{1b}[{drawn}A\u{1b}[0J")
    }
}

fn write_all(canvas: &mut dyn Write, text: &str) {
    // A view that cannot be drawn is no reason to stop waiting.
    let _ = canvas.write_all(text.as_bytes()).and_then(|()| canvas.flush());
}

/// Lines of the live view.
fn live(progress: &Progress, spinner: &str, now: Timestamp, printer: &Printer<'_>) -> Vec<String> {
    let widest = progress
        .items
        .iter()
        .map(|item| item.what.len())
        .max()
        .unwrap_or(0);
    // What moves is shown first when not everything fits.
    let mut items: Vec<&Item> = progress.items.iter().collect();
    if items.len() > MOST_ITEMS {
        items.sort_by_key(|item| match item.state {
            ItemState::Failed | ItemState::Running => 0,
            ItemState::Asked | ItemState::Queued => 1,
            ItemState::Done => 2,
        });
    }
    let mut lines: Vec<String> = items
        .iter()
        .take(MOST_ITEMS)
        .map(|item| {
            let (mark, tone) = match item.state {
                ItemState::Running => (spinner, Tone::Busy),
                ItemState::Done => ("+", Tone::Good),
                ItemState::Failed => ("x", Tone::Bad),
                ItemState::Asked | ItemState::Queued => (" ", Tone::Quiet),
            };
            let state = printer.paint(tone, &format!("{mark} {:<8}", item.state.word()));
            let elapsed = match (item.state, item.since) {
                (ItemState::Running, Some(since)) => format!("  {}", elapsed(since, now)),
                _ => String::new(),
            };
            let (what, detail) = (printable(&item.what), printable(&item.detail));
            format!("{state} {what:<widest$}  {detail}{elapsed}")
        })
        .collect();
    if progress.items.len() > MOST_ITEMS {
        let done = progress
            .items
            .iter()
            .filter(|item| item.state == ItemState::Done)
            .count();
        lines.push(format!("  {done} of {} done", progress.items.len()));
    }
    lines.extend(
        progress
            .waiting
            .iter()
            .map(|waits| printer.paint(Tone::Quiet, &format!("  {waits}"))),
    );
    lines
}

/// Lines for what has changed since the last ones.
fn news(told: &mut BTreeMap<String, String>, progress: &Progress) -> Vec<String> {
    let items = progress.items.iter().map(|item| {
        let detail = if item.detail.is_empty() {
            String::new()
        } else {
            format!(": {}", item.detail)
        };
        (
            item.what.clone(),
            format!("{} {}{detail}", item.what, item.state.word()),
        )
    });
    let waits = ("waiting".to_owned(), progress.waiting.join("\n"));
    items
        .chain([waits])
        .filter(|(what, line)| {
            let before = told.insert(what.clone(), line.clone());
            before.as_ref() != Some(line) && !line.is_empty()
        })
        .map(|(_, line)| line)
        .collect()
}

/// `1m5s`.
pub(crate) fn elapsed(since: Timestamp, now: Timestamp) -> String {
    in_words(now.duration_since(since))
}

/// A length of time, in its two largest units.
pub(crate) fn in_words(time: SignedDuration) -> String {
    let seconds = time.as_secs().max(0);
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, seconds) => format!("{seconds}s"),
        (0, minutes, seconds) => format!("{minutes}m{seconds}s"),
        (hours, _, _) if hours >= 48 => format!("{}d", hours / 24),
        (hours, minutes, _) => format!("{hours}h{minutes}m"),
    }
}

/// A line that wraps would take two, and the next drawing would begin too low. Colors take no room.
pub(super) fn cut(line: &str, width: usize) -> String {
    let mut room = width;
    let mut escape = false;
    let mut text = String::new();
    for c in line.chars() {
        if c == '\u{1b}' {
            escape = true;
        } else if escape {
            escape = c != 'm';
        } else if room == 0 {
            continue;
        } else {
            room -= 1;
        }
        text.push(c);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(what: &str, state: ItemState, detail: &str) -> Item {
        Item {
            what: what.to_owned(),
            state,
            detail: detail.to_owned(),
            since: None,
        }
    }

    #[test]
    fn a_pipe_gets_each_news_once() {
        let mut told = BTreeMap::new();
        let mut progress = Progress {
            items: vec![item("rack dc1.rack1", ItemState::Queued, "waits for its turn")],
            waiting: vec!["demo waits: pod x is not ready".to_owned()],
        };
        assert_eq!(
            news(&mut told, &progress),
            [
                "rack dc1.rack1 queued: waits for its turn",
                "demo waits: pod x is not ready"
            ]
        );
        assert!(news(&mut told, &progress).is_empty());
        progress.waiting.clear();
        progress.items[0].state = ItemState::Done;
        progress.items[0].detail = String::new();
        assert_eq!(news(&mut told, &progress), ["rack dc1.rack1 done"]);
    }

    #[test]
    fn what_others_wrote_is_drawn_and_not_obeyed() {
        let mut lost = item("pod x", ItemState::Failed, "no\u{1b}[2J room\r");
        lost.what.push('\u{9b}');
        let progress = Progress {
            items: vec![lost],
            waiting: vec!["demo waits: \u{1b}]0;x\u{7}".to_owned()],
        };
        let mut buffers = host::Buffers::default();
        let printer = Printer::plain(host::Host {
            out_screen: host::Screen::Terminal,
            err_screen: host::Screen::Terminal,
            ..buffers.host()
        });
        let lines = live(&progress, "|", Timestamp::UNIX_EPOCH, &printer).join("\n");
        assert!(!lines.chars().any(|c| c.is_control() && c != '\n'), "{lines:?}");
        assert!(lines.contains("no\u{fffd}[2J room"), "{lines:?}");
    }

    #[test]
    fn a_line_is_cut_where_the_terminal_ends_and_keeps_its_color_codes() {
        assert_eq!(cut("\u{1b}[32mabc\u{1b}[0mdef", 4), "\u{1b}[32mabc\u{1b}[0md");
        assert_eq!(cut("\u{1b}[32mabcdef\u{1b}[0m", 2), "\u{1b}[32mab\u{1b}[0m");
    }

    #[test]
    fn time_is_told_as_kubectl_tells_it() {
        let start: Timestamp = "2026-11-21T08:00:00Z".parse().unwrap();
        let after = |seconds: i64| elapsed(start, start + jiff::SignedDuration::from_secs(seconds));
        assert_eq!(
            [after(-5), after(5), after(65), after(3725), after(3 * 86400 + 5)],
            ["0s", "5s", "1m5s", "1h2m", "3d"]
        );
    }
}
