//! `status --watch`.

use casskop_core::view::ClusterView;
use serde_json::json;
use tokio::time::{MissedTickBehavior, interval};

use super::{Args, show};
use crate::cli::OutputFormat;
use crate::exit::ExitStatus;
use crate::failure::Failure;
use crate::follow::{Alternate, Changes, From, News, Picture, REDRAW, Size, Watch};
use crate::host::Screen;
use crate::kube_access::Access;
use crate::printer::{Printer, Tone};
use crate::render::{self, Layout, Paces};
use crate::request::{self, Namespace};

/// Under the live view.
const HINT: &str = "Ctrl-C ends this view; nothing else.";

/// Shows what was read, and then what changes, until a signal comes.
pub(super) async fn run(
    args: &Args,
    namespace: Namespace,
    access: &Access,
    printer: &mut Printer<'_>,
) -> Result<ExitStatus, Failure> {
    let from = From {
        clusters: namespace.clusters_version,
        pods: namespace.pods_version,
        cluster: args.cluster().map(str::to_owned),
        pod_labels: request::selector(args.cluster()),
    };
    let picture = Picture::new(namespace.clusters, namespace.pods);
    let watch = Watch::open(access, picture, from)?;
    match (printer.format(), printer.out_screen()) {
        (OutputFormat::Text | OutputFormat::Wide, Screen::Terminal) => {
            on_terminal(args, watch, access, printer).await
        }
        (OutputFormat::Text | OutputFormat::Wide, Screen::Plain) => in_lines(args, watch, printer).await,
        _ => as_objects(args, watch, printer).await,
    }
}

/// The whole screen, drawn anew at most four times a second and only if it says something else.
async fn on_terminal(
    args: &Args,
    mut watch: Watch<'_>,
    access: &Access,
    printer: &mut Printer<'_>,
) -> Result<ExitStatus, Failure> {
    let mut redraw = interval(REDRAW);
    redraw.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut paces = Paces::default();
    let mut views: Option<Vec<ClusterView>> = None;
    let mut lost: Option<String> = None;
    let mut lines = Vec::new();
    let mut screen = Alternate::enter(printer);
    let status = loop {
        tokio::select! {
            news = watch.next() => match news? {
                News::Changed => (views, lost) = (None, None),
                News::Lost(why) => lost = Some(why),
                News::Stopped(status) => break status,
            },
            _ = redraw.tick() => {
                let layout = screen.layout();
                if views.is_none() {
                    let shown = args.shown(watch.views())?;
                    paces.observe(&shown, layout.now);
                    views = Some(shown);
                }
                let shown = views.as_deref().unwrap_or_default();
                lines = if shown.is_empty() {
                    vec![args.nothing(access)]
                } else {
                    render::status(shown, &paces, &layout)
                };
                screen.draw(&framed(&lines, lost.as_deref(), &layout), Size::now());
            }
        }
    };
    drop(screen);
    // What was seen last stays.
    lines.iter().try_for_each(|line| printer.line(line))?;
    Ok(status)
}

/// The lines of a view, with what goes with all of them.
pub(super) fn framed(lines: &[String], lost: Option<&str>, layout: &Layout) -> Vec<String> {
    let mut framed = Vec::new();
    if let Some(why) = lost {
        framed.push(layout.paint(Tone::Busy, &format!("warning: {why}; trying again")));
    }
    framed.extend_from_slice(lines);
    framed.push(String::new());
    framed.push(layout.paint(Tone::Quiet, HINT));
    framed
}

/// All there is, and then a line for each change, with its time.
async fn in_lines(
    args: &Args,
    mut watch: Watch<'_>,
    printer: &mut Printer<'_>,
) -> Result<ExitStatus, Failure> {
    let mut changes = Changes::default();
    let views = args.shown(watch.views())?;
    changes.since_last(&views);
    show(&views, &[], printer)?;
    printer.flush()?;
    loop {
        match watch.next().await? {
            News::Changed => {
                let time = printer.now().strftime("%H:%M:%SZ");
                for line in changes.since_last(&args.shown(watch.views())?) {
                    printer.line(&format!("{time} {line}"))?;
                }
                printer.flush()?;
            }
            News::Lost(why) => printer.warning(&format!("{why}; trying again")),
            News::Stopped(status) => return Ok(status),
        }
    }
}

/// The objects, whenever they are other ones.
async fn as_objects(
    args: &Args,
    mut watch: Watch<'_>,
    printer: &mut Printer<'_>,
) -> Result<ExitStatus, Failure> {
    let mut last = None;
    loop {
        let views = args.shown(watch.views())?;
        let now = json!({ "clusters": views });
        if last.as_ref() != Some(&now) {
            if printer.format() == OutputFormat::Yaml {
                printer.line("---")?;
            }
            show(&views, &[], printer)?;
            printer.flush()?;
            last = Some(now);
        }
        match watch.next().await? {
            News::Changed => {}
            News::Lost(why) => printer.warning(&format!("{why}; trying again")),
            News::Stopped(status) => return Ok(status),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;
    use std::path::Path;

    use jiff::{SignedDuration, Timestamp};

    use super::*;
    use crate::printer::Ink;
    use crate::render::{Detail, fixtures};

    const COLUMNS: usize = 80;

    /// Everything the live view draws during a restart and a cleanup, screen after screen.
    fn recording() -> String {
        let began: Timestamp = "2026-11-21T08:05:55Z".parse().unwrap();
        let mut text = format!(
            "What `kubectl casskop status demo --watch` shows during a rolling restart and a cleanup, on a terminal of {COLUMNS}\n\
             columns: each screen under the second it was drawn in. Written and checked by the plugin's own tests.\n"
        );
        let mut paces = Paces::default();
        for (second, view) in fixtures::maintenance() {
            let layout = Layout {
                width: Some(COLUMNS),
                ink: Ink::Plain,
                detail: Detail::Brief,
                now: began + SignedDuration::from_secs(second),
            };
            let views = [view];
            paces.observe(&views, layout.now);
            let lines = framed(&render::status(&views, &paces, &layout), None, &layout);
            let _ = write!(text, "\n======== {second} s\n{}\n", lines.join("\n"));
        }
        text
    }

    /// Set `INSTA_UPDATE=always` to write it anew.
    #[test]
    fn the_recording_in_the_docs_is_what_is_drawn() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/plugin/status-live.txt");
        let recording = recording();
        if std::env::var_os("INSTA_UPDATE").is_some_and(|update| update == "always") {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, &recording).unwrap();
        }
        assert!(
            std::fs::read_to_string(&path).unwrap() == recording,
            "{} is not what is drawn now:\n{recording}",
            path.display()
        );
    }

    #[test]
    fn a_pipe_is_told_each_change_once() {
        let mut changes = Changes::default();
        let told: Vec<String> = fixtures::maintenance()
            .into_iter()
            .map(|(second, view)| format!("{second} s\n  {}", changes.since_last(&[view]).join("\n  ")))
            .collect();
        insta::assert_snapshot!("changes", told.join("\n"));
    }
}
