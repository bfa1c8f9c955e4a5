//! `logs`: of all pods of a selection at once.

use std::time::Duration;

use casskop_core::guard;
use futures::stream::{self, BoxStream};
use futures::{AsyncBufReadExt, StreamExt};
use k8s_openapi::api::core::v1::Pod;
use kube::api::LogParams;

use crate::cli::{Limit, PodTargets, limit};
use crate::exec::CONTAINER;
use crate::exit::ExitStatus;
use crate::failure::Failure;
use crate::kube_access::{Access, Call, CallError, Kind};
use crate::printer::{Printer, Stream};
use crate::request;

/// Show logs of pods, all at once
///
/// Of the container `cassandra`, unless others are chosen; init containers are containers like any other here. Where there are several logs,
/// each line begins with the pod (and the container).
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  # The last lines of every node of the only cluster of the namespace, and what follows
  kubectl casskop logs -f --tail 5
  # What the init container that renders the configuration said on the nodes of a rack
  kubectl casskop logs --crd demo --rack dc1.rack1 -c bootstrap
  # The last hour of every container of a pod, its init containers too
  kubectl casskop logs --pod demo-dc1-rack1-0 --all-containers --since 1h
  # What a node said before it was restarted
  kubectl casskop logs --pod demo-dc1-rack1-0 --previous")]
#[allow(
    clippy::struct_excessive_bools,
    reason = "each is a switch of the command line"
)]
pub(crate) struct Args {
    #[command(flatten)]
    targets: PodTargets,
    /// Container, init containers too [default: cassandra]
    #[arg(short, long, value_name = "NAME", conflicts_with = "all_containers")]
    container: Option<String>,
    /// Every container, init containers first
    #[arg(long)]
    all_containers: bool,
    /// Go on with what is written from now on
    #[arg(short, long, conflicts_with = "previous")]
    follow: bool,
    /// Of the container's last run, which has ended
    #[arg(short, long)]
    previous: bool,
    /// Only so many last lines of each log
    #[arg(long, value_name = "LINES")]
    tail: Option<i64>,
    /// Only what is not older than this
    #[arg(long, value_name = "DURATION", value_parser = limit)]
    since: Option<Limit>,
    /// The time at the beginning of each line
    #[arg(long)]
    timestamps: bool,
    /// Lines of several logs without the pod's name in front
    #[arg(long)]
    no_prefix: bool,
}

/// Logs that are asked for at the same moment.
const AT_ONCE: usize = 16;

/// Logs that can be followed: each holds a connection to the API server.
const FOLLOWED: usize = 200;

/// One log.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Source {
    pod: String,
    container: String,
}

/// Lines of one log, or why there are none.
type Lines = BoxStream<'static, std::io::Result<String>>;

pub(super) async fn run(
    args: &Args,
    access: &Access,
    printer: &mut Printer<'_>,
) -> Result<ExitStatus, Failure> {
    let (namespace, selection) = request::selected(access, args.targets.selection()).await?;
    let views = namespace.views();
    let mut sources = Vec::new();
    for (_, node) in guard::selected(&views, &selection)? {
        let pod = namespace
            .pods
            .iter()
            .find(|pod| pod.metadata.uid.as_deref() == Some(node.uid.as_str()));
        sources.extend(
            pod.map(|pod| args.sources(pod))
                .transpose()?
                .into_iter()
                .flatten(),
        );
    }
    if args.follow && sources.len() > FOLLOWED {
        return Err(Failure::Wrong(format!(
            "{} logs cannot be followed at once, {FOLLOWED} can; choose fewer pods with --rack, --prefix or --pod",
            sources.len()
        )));
    }
    let begins = begins(&sources, args.no_prefix);
    let opened = stream::iter(sources.iter().map(|source| open(access, source, args)));
    let mut opened = opened
        .buffered(AT_ONCE)
        .zip(stream::iter(sources.iter().zip(begins)));
    let mut followed = stream::SelectAll::new();
    let mut reading = Reading {
        printer,
        failed: Vec::new(),
    };
    while let Some((lines, (source, begin))) = opened.next().await {
        match lines {
            Ok(lines) if args.follow => {
                let told = lines.map(move |line| (source, begin.clone(), line));
                followed.push(told.boxed());
            }
            Ok(mut lines) => {
                while let Some(line) = lines.next().await {
                    reading.line(source, &begin, line)?;
                }
            }
            Err(error) => reading.without(source, &error.to_string()),
        }
    }
    while let Some((source, begin, line)) = followed.next().await {
        reading.line(source, &begin, line)?;
    }
    reading.end(&sources)
}

/// Logs being shown.
struct Reading<'a, 'b> {
    printer: &'a mut Printer<'b>,
    /// Those of which not everything could be read.
    failed: Vec<Source>,
}

impl Reading<'_, '_> {
    fn line(&mut self, source: &Source, begin: &str, line: std::io::Result<String>) -> Result<(), Failure> {
        match line {
            Ok(line) => self
                .printer
                .pass(Stream::Out, format!("{begin}{line}\n").as_bytes()),
            Err(error) => {
                self.printer.aside(&format!("{begin}the log broke off: {error}"));
                self.fail(source);
                Ok(())
            }
        }
    }

    /// There is no log.
    fn without(&mut self, source: &Source, why: &str) {
        self.printer.warning(&format!(
            "no log of {} of pod {}: {why}",
            source.container, source.pod
        ));
        self.fail(source);
    }

    fn fail(&mut self, source: &Source) {
        if !self.failed.contains(source) {
            self.failed.push(source.clone());
        }
    }

    fn end(self, sources: &[Source]) -> Result<ExitStatus, Failure> {
        if self.failed.is_empty() {
            return Ok(ExitStatus::Success);
        }
        let failed: Vec<String> = self
            .failed
            .iter()
            .map(|source| format!("{}/{}", source.pod, source.container))
            .collect();
        Err(Failure::Ended(format!(
            "{} of {} logs were read; not read, or not to the end: {}",
            sources.len() - failed.len(),
            sources.len(),
            failed.join(", ")
        )))
    }
}

impl Args {
    /// The logs of a pod that were asked for.
    fn sources(&self, pod: &Pod) -> Result<Vec<Source>, Failure> {
        let name = pod.metadata.name.clone().unwrap_or_default();
        let containers = containers(pod);
        let chosen = if self.all_containers {
            containers
        } else {
            let wanted = self.container.as_deref().unwrap_or(CONTAINER);
            if !containers.iter().any(|known| known == wanted) {
                return Err(Failure::Wrong(format!(
                    "pod `{name}` has no container `{wanted}`; it has {}",
                    containers.join(", ")
                )));
            }
            vec![wanted.to_owned()]
        };
        Ok(chosen
            .into_iter()
            .map(|container| Source {
                pod: name.clone(),
                container,
            })
            .collect())
    }
}

/// Names of a pod's containers in the order in which they start.
fn containers(pod: &Pod) -> Vec<String> {
    let Some(spec) = &pod.spec else {
        return Vec::new();
    };
    let init = spec.init_containers.iter().flatten();
    init.chain(&spec.containers)
        .map(|container| container.name.clone())
        .collect()
}

/// What the lines of each log begin with: as much as tells them apart.
fn begins(sources: &[Source], no_prefix: bool) -> Vec<String> {
    let several_containers = sources
        .iter()
        .any(|source| source.container != sources[0].container);
    sources
        .iter()
        .map(|Source { pod, container }| {
            if no_prefix || sources.len() < 2 {
                String::new()
            } else if several_containers {
                format!("[{pod}/{container}] ")
            } else {
                format!("[{pod}] ")
            }
        })
        .collect()
}

async fn open(access: &Access, source: &Source, args: &Args) -> Result<Lines, CallError> {
    let since: Option<Duration> = args.since.and_then(Limit::get);
    let params = LogParams {
        container: Some(source.container.clone()),
        follow: args.follow,
        previous: args.previous,
        since_seconds: since.and_then(|since| i64::try_from(since.as_secs()).ok()),
        tail_lines: args.tail,
        timestamps: args.timestamps,
        ..LogParams::default()
    };
    let call = Call {
        verb: "get",
        resource: Kind::PodLog,
        name: Some(source.pod.clone()),
    };
    let log = access
        .call(&call, access.pods().log_stream(&source.pod, &params))
        .await?;
    Ok(log.lines().boxed())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::Buffers;

    fn source(pod: &str, container: &str) -> Source {
        Source {
            pod: pod.to_owned(),
            container: container.to_owned(),
        }
    }

    #[test]
    fn a_log_that_breaks_off_is_no_success() {
        let mut buffers = Buffers::default();
        let mut printer = Printer::plain(buffers.host());
        let sources = [source("a-0", "cassandra"), source("a-1", "cassandra")];
        let mut reading = Reading {
            printer: &mut printer,
            failed: Vec::new(),
        };
        reading
            .line(&sources[0], "[a-0] ", Ok("\u{1b}[32mas it is".to_owned()))
            .unwrap();
        let broken = || Err(std::io::Error::other("reset"));
        reading.line(&sources[1], "[a-1] ", broken()).unwrap();
        reading.line(&sources[1], "[a-1] ", broken()).unwrap();
        let failure = reading.end(&sources).unwrap_err();
        assert_eq!(failure.status(), ExitStatus::Failure);
        assert_eq!(
            failure.to_string(),
            "1 of 2 logs were read; not read, or not to the end: a-1/cassandra"
        );
        drop(printer);
        assert_eq!(
            String::from_utf8(buffers.out).unwrap(),
            "[a-0] \u{1b}[32mas it is\n"
        );
        assert!(
            String::from_utf8(buffers.err)
                .unwrap()
                .starts_with("[a-1] the log broke off: reset\n")
        );
    }

    #[test]
    fn lines_begin_with_what_tells_them_apart() {
        let one = [source("a-0", "cassandra")];
        assert_eq!(begins(&one, false), [""]);
        let pods = [source("a-0", "cassandra"), source("a-1", "cassandra")];
        assert_eq!(begins(&pods, false), ["[a-0] ", "[a-1] "]);
        assert_eq!(begins(&pods, true), ["", ""]);
        let containers = [source("a-0", "bootstrap"), source("a-0", "cassandra")];
        assert_eq!(
            begins(&containers, false),
            ["[a-0/bootstrap] ", "[a-0/cassandra] "]
        );
    }
}
