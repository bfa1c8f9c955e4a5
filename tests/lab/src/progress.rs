//! How the lab tells what it is doing. It never prints: whoever calls decides where it goes.

use std::time::Duration;

/// Where progress is shown.
pub trait Progress: Send + Sync {
    /// A step begins; it is the one in progress until [`Progress::done`] or the next step.
    fn start(&self, step: &str);

    /// The step in progress goes on; `spent` is how long it has taken. Called a few times a second.
    fn tick(&self, spent: Duration);

    /// The step in progress ended well.
    fn done(&self, step: &str, spent: Duration);

    /// Something to know that is not a step.
    fn note(&self, text: &str);
}

/// Shows nothing: for tests.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Progress for Silent {
    fn start(&self, _step: &str) {}
    fn tick(&self, _spent: Duration) {}
    fn done(&self, _step: &str, _spent: Duration) {}
    fn note(&self, _text: &str) {}
}

/// Runs one step and reports its beginning and its end.
pub fn step<T>(
    progress: &dyn Progress,
    name: &str,
    work: impl FnOnce() -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let began = std::time::Instant::now();
    progress.start(name);
    let outcome = work()?;
    progress.done(name, began.elapsed());
    Ok(outcome)
}
