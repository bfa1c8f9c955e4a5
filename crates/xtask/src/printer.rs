//! The only place that writes to the terminal: results to standard output, everything else to standard error.

use std::io::{IsTerminal, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use casskop_lab::progress::Progress;
use indicatif::{ProgressBar, ProgressStyle};

/// Without a terminal, how often a long step says that it still goes on.
const SIGN_OF_LIFE: Duration = Duration::from_secs(30);

/// Shows results, progress and errors.
#[derive(Debug)]
pub(crate) struct Printer {
    interactive: bool,
    current: Mutex<Current>,
}

#[derive(Debug, Default)]
struct Current {
    step: String,
    bar: Option<ProgressBar>,
    next_sign: Duration,
}

impl Printer {
    pub(crate) fn new() -> Self {
        Self {
            interactive: std::io::stderr().is_terminal(),
            current: Mutex::default(),
        }
    }

    /// A line of the result. A reader that has gone away (`| head`) is no error.
    pub(crate) fn result(&self, line: &str) {
        self.clear();
        let _reader_gone = writeln!(std::io::stdout().lock(), "{line}");
    }

    /// The error a command ends with, with its causes.
    pub(crate) fn error(&self, error: &anyhow::Error) {
        self.say(&format!("error: {error:#}"));
    }

    /// Takes the progress line away, before another program writes to the terminal.
    pub(crate) fn clear(&self) {
        if let Some(bar) = self.current().bar.take() {
            bar.finish_and_clear();
        }
    }

    fn say(&self, line: &str) {
        self.clear();
        let _reader_gone = writeln!(std::io::stderr().lock(), "{line}");
    }

    fn current(&self) -> MutexGuard<'_, Current> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Progress for Printer {
    fn start(&self, step: &str) {
        self.clear();
        let mut current = self.current();
        step.clone_into(&mut current.step);
        current.next_sign = SIGN_OF_LIFE;
        if self.interactive {
            let bar = ProgressBar::new_spinner();
            if let Ok(style) = ProgressStyle::with_template("  {spinner} {msg} ({elapsed})") {
                bar.set_style(style);
            }
            bar.set_message(step.to_owned());
            bar.enable_steady_tick(Duration::from_millis(200));
            current.bar = Some(bar);
        }
    }

    fn tick(&self, spent: Duration) {
        let mut current = self.current();
        if self.interactive || spent < current.next_sign {
            return;
        }
        current.next_sign = spent + SIGN_OF_LIFE;
        let line = format!("  ... {} ({})", current.step, readable(spent));
        drop(current);
        self.say(&line);
    }

    fn done(&self, step: &str, spent: Duration) {
        self.say(&format!("  {step} ({})", readable(spent)));
    }

    fn note(&self, text: &str) {
        self.say(&format!("  {text}"));
    }
}

/// Seconds with a digit below a minute, minutes and seconds above.
fn readable(spent: Duration) -> String {
    if spent < Duration::from_mins(1) {
        return format!("{:.1} s", spent.as_secs_f64());
    }
    format!("{} min {:02} s", spent.as_secs() / 60, spent.as_secs() % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_readable() {
        assert_eq!(readable(Duration::from_millis(1234)), "1.2 s");
        assert_eq!(readable(Duration::from_secs(350)), "5 min 50 s");
    }
}
