//! Waiting for the end of what was asked for: watches feed a picture of the namespace, the picture makes views, a goal
//! looks at the views. Waiting changes nothing, so it can be stopped at any moment.

mod changes;
mod feed;
mod goal;
mod leaving;
mod live;
mod outliving;
mod picture;
mod screen;
#[cfg(test)]
mod tests;
mod watch;

use std::time::Duration;

use futures::future;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

pub(crate) use changes::Changes;
pub(crate) use feed::{Change, Feed};
use goal::Verdict;
pub(crate) use goal::{Goal, PodGoal, RackGoal, Until};
pub(crate) use leaving::LeavingGoal;
pub(crate) use live::{Alternate, Size};
pub(crate) use outliving::OutlivingGoal;
pub(crate) use picture::Picture;
pub(crate) use screen::{elapsed, in_words};
pub(crate) use watch::{News, Watch};

use crate::failure::Failure;
use crate::kube_access::Access;
use crate::printer::Printer;
use screen::Screen;

/// From where to watch, and what of the namespace.
pub(crate) struct From {
    /// Version after which clusters are watched.
    pub(crate) clusters: String,
    /// Version after which pods are watched.
    pub(crate) pods: String,
    /// Only this cluster, or all.
    pub(crate) cluster: Option<String>,
    /// Pods that matter.
    pub(crate) pod_labels: String,
}

/// Between two drawings of the live view: often enough to look alive, rarely enough to be read.
pub(crate) const REDRAW: Duration = Duration::from_millis(250);

/// Waits until a goal is reached or cannot be.
///
/// # Errors
/// The goal cannot be reached, the time is over, a signal came, or the API server refuses to be watched.
pub(crate) async fn follow(
    access: &Access,
    printer: &mut Printer<'_>,
    picture: Picture,
    mut goal: Goal,
    from: From,
    timeout: Option<Duration>,
) -> Result<(), Failure> {
    let mut watch = Watch::open(access, picture, from)?;
    let end = timeout.map(|timeout| Instant::now() + timeout);
    let mut redraw = interval(REDRAW);
    redraw.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut screen = Screen::open(printer);
    loop {
        let progress = goal.look(&watch.views());
        screen.show(&progress);
        match progress.verdict() {
            Verdict::Wait => {}
            Verdict::Done => return Ok(()),
            Verdict::Failed(why) => return Err(Failure::Ended(why)),
        }
        let next = || goal.next(&access.place().namespace);
        let stopped = |status| Failure::Stopped {
            on: progress.open(),
            next: next(),
            status,
        };
        tokio::select! {
            news = watch.next() => match news? {
                News::Changed => {}
                News::Lost(why) => screen.lost(&why),
                News::Stopped(status) => return Err(stopped(status)),
            },
            _ = redraw.tick(), if screen.is_live() => screen.tick(),
            () = at(end) => {
                let after = timeout.unwrap_or_default();
                return Err(Failure::TimedOut { after, on: progress.open(), next: next() });
            }
        }
    }
}

async fn at(end: Option<Instant>) {
    match end {
        Some(end) => sleep_until(end).await,
        None => future::pending().await,
    }
}
