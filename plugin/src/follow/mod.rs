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
mod task;
#[cfg(test)]
mod tests;
mod watch;

use std::time::Duration;

use futures::future;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

pub(crate) use changes::Changes;
pub(crate) use feed::{Change, Feed};
pub(crate) use goal::{Goal, PodGoal, RackGoal, Until};
use goal::{Progress, Verdict};
pub(crate) use leaving::LeavingGoal;
pub(crate) use live::{Alternate, Size};
pub(crate) use outliving::OutlivingGoal;
pub(crate) use picture::Picture;
pub(crate) use screen::{elapsed, in_words};
pub(crate) use task::{TaskRef, follow_task};
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
    goal: Goal,
    from: From,
    timeout: Option<Duration>,
) -> Result<(), Failure> {
    let watch = Watch::open(access, picture, from)?;
    let requests = Requests {
        watch,
        goal,
        namespace: access.place().namespace.clone(),
    };
    until_ended(requests, printer, timeout).await
}

/// Something that goes on elsewhere, and ends.
trait Awaited {
    /// Waits for news. Nothing is lost if the waiting is given up.
    async fn news(&mut self) -> Result<News, Failure>;
    /// How far it is.
    fn look(&mut self) -> Progress;
    /// The command that shows how it goes on.
    fn next(&self) -> String;
}

/// Requests to the operator.
struct Requests<'a> {
    watch: Watch<'a>,
    goal: Goal,
    namespace: String,
}

impl Awaited for Requests<'_> {
    async fn news(&mut self) -> Result<News, Failure> {
        self.watch.next().await
    }

    fn look(&mut self) -> Progress {
        self.goal.look(&self.watch.views())
    }

    fn next(&self) -> String {
        self.goal.next(&self.namespace)
    }
}

async fn until_ended(
    mut awaited: impl Awaited,
    printer: &mut Printer<'_>,
    timeout: Option<Duration>,
) -> Result<(), Failure> {
    let end = timeout.map(|timeout| Instant::now() + timeout);
    let mut redraw = interval(REDRAW);
    redraw.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut screen = Screen::open(printer);
    loop {
        let progress = awaited.look();
        screen.show(&progress);
        match progress.verdict() {
            Verdict::Wait => {}
            Verdict::Done => return Ok(()),
            Verdict::Failed(why) => return Err(Failure::Ended(why)),
        }
        let next = awaited.next();
        let stopped = |status| Failure::Stopped {
            on: progress.open(),
            next: next.clone(),
            status,
        };
        tokio::select! {
            news = awaited.news() => match news? {
                News::Changed => {}
                News::Lost(why) => screen.lost(&why),
                News::Stopped(status) => return Err(stopped(status)),
            },
            _ = redraw.tick(), if screen.is_live() => screen.tick(),
            () = at(end) => {
                let after = timeout.unwrap_or_default();
                return Err(Failure::TimedOut { after, on: progress.open(), next });
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
