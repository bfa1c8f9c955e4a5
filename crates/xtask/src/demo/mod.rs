//! `cargo xtask demo`: the main job end to end, told as it happens. A ring of three racks comes up, one rack restarts and
//! the nodes clean up, through the real `kubectl` and the plugin. Then what was promised is checked: the rows are intact,
//! only the restarted pod is a new one, and never were two nodes down.

mod ground;
mod kubectl;
mod manifests;
mod ring;
mod rows;
mod watch;

use std::process::ExitCode;

use anyhow::{Result, bail};
use casskop_lab::progress::Progress;

use crate::cli::DemoOptions;
use crate::printer::Printer;
use ground::Ground;
use ring::{Ring, Uids};
use rows::Rows;
use watch::Watch;

/// How long one request may take, on real Cassandra on a busy machine.
const PATIENCE: &str = "10m";

/// The pods: one in each rack.
const PODS: [&str; 3] = ["demo-dc1-rack1-0", "demo-dc1-rack2-0", "demo-dc1-rack3-0"];

/// The pod of the rack that is restarted.
const RESTARTED: &str = PODS[0];

pub(crate) async fn run(options: &DemoOptions, printer: &Printer) -> Result<ExitCode> {
    let mut ground = Ground::prepare(options, printer).await?;
    let outcome = play(&mut ground, printer).await;
    // Ctrl-C ends kubectl too. Who waits for it, in `main`, is to see it before the lab is left to itself.
    tokio::task::yield_now().await;
    let words = ground.leave()?;
    if let Err(error) = outcome {
        printer.note(&format!(
            "all is left as it is, to look around:\n\n{}",
            words.to_look
        ));
        return Err(error);
    }
    printer.result(&words.to_go_on);
    Ok(ExitCode::SUCCESS)
}

async fn play(ground: &mut Ground, printer: &Printer) -> Result<()> {
    ground.install(printer).await?;
    let ring = Ring::create(ground, printer)?;
    ring.await_running(printer).await?;
    let kubectl = ground.kubectl();
    kubectl.show(printer, &["get", "cassandraclusters,pods"]).await?;
    let rows = Rows::write(ground, printer)?;
    let before = ring.uids()?;

    let watch = Watch::start(kubectl);
    let restart = ["casskop", "restart", "--crd", "demo", "--rack", "dc1.rack1"];
    let wait = ["--wait", "--timeout", PATIENCE];
    kubectl.show(printer, &[&restart[..], &wait].concat()).await?;
    kubectl
        .show(printer, &[&["casskop", "cleanup", "start"][..], &wait].concat())
        .await?;
    let seen = watch.end()?;
    kubectl.show(printer, &["casskop", "cleanup", "status"]).await?;

    let after = ring.uids()?;
    printer.result("\nWhat happened");
    rows.read_back(ground, printer)?;
    printer.result(&ring::comparison(&before, &after));
    printer.result(&seen.to_string());
    check(&before, &after, seen.most_down())?;
    printer.result(&format!(
        "Only {RESTARTED} is a new pod, and never were two nodes down.\n"
    ));
    Ok(())
}

/// Fails unless exactly the pod of the restarted rack is another one, and at most one node was down at once.
fn check(before: &Uids, after: &Uids, most_down: usize) -> Result<()> {
    let renewed: Vec<&str> = before
        .iter()
        .filter(|(pod, uid)| after.get(*pod) != Some(uid))
        .map(|(pod, _)| pod.as_str())
        .collect();
    if renewed != [RESTARTED] || before.len() != after.len() {
        bail!(
            "only {RESTARTED} was to be a new pod, and these are: {}",
            renewed.join(", ")
        );
    }
    if most_down > 1 {
        bail!("{most_down} nodes were down at once");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uids(of_rack1: &str, of_rack2: &str) -> Uids {
        [(RESTARTED, of_rack1), ("demo-dc1-rack2-0", of_rack2)]
            .map(|(pod, uid)| (pod.to_owned(), uid.to_owned()))
            .into()
    }

    #[test]
    fn exactly_the_restarted_pod_is_new() {
        let before = uids("a", "b");
        check(&before, &uids("c", "b"), 1).unwrap();
        assert!(check(&before, &uids("a", "b"), 0).is_err());
        assert!(check(&before, &uids("c", "d"), 1).is_err());
        assert!(check(&before, &uids("c", "b"), 2).is_err());
    }
}
