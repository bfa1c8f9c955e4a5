//! The ring of the demo: made, and waited for.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use casskop_lab::progress::Progress;
use serde_json::Value;

use super::PODS;
use super::ground::Ground;
use super::kubectl::Kubectl;
use super::manifests;
use crate::printer::Printer;

/// How long three nodes may take to form a ring, images pulled on the way.
const FORMATION: Duration = Duration::from_mins(15);

/// Time between two looks at the status.
const EVERY: Duration = Duration::from_millis(500);

/// The uids of pods by their names.
pub(super) type Uids = BTreeMap<String, String>;

/// The cluster `demo`.
pub(super) struct Ring {
    kubectl: Kubectl,
}

impl Ring {
    pub(super) fn create(ground: &Ground, printer: &Printer) -> Result<Self> {
        let kubectl = ground.kubectl().clone();
        kubectl.apply(&manifests::ring(ground.kind(), ground.images()).to_string())?;
        printer.note("created CassandraCluster demo: Cassandra 5.0, one datacenter, three racks of one node");
        Ok(Self { kubectl })
    }

    /// Waits until all nodes are up and nothing is under way, telling what the status says.
    pub(super) async fn await_running(&self, printer: &Printer) -> Result<()> {
        let step = "the ring is up";
        let began = Instant::now();
        let mut last = String::new();
        loop {
            let cluster = self.kubectl.get(&["cassandracluster", "demo"])?;
            let status = &cluster["status"];
            let text = |key: &str| status[key].as_str().unwrap_or("-").to_owned();
            if text("phase") == "Running"
                && text("lastClusterActionStatus") == "Done"
                && text("nodesReady") == format!("{0}/{0}", PODS.len())
            {
                printer.done(step, began.elapsed());
                return Ok(());
            }
            let now = format!("{}, {} nodes ready", text("phase"), text("nodesReady"));
            if now != last {
                printer.note(&format!("{:>5} s  {now}", began.elapsed().as_secs()));
                printer.start("the ring comes up");
                last = now;
            }
            if began.elapsed() > FORMATION {
                bail!(
                    "the ring is not up after {} min: {last}; `{}` says why",
                    FORMATION.as_secs() / 60,
                    self.kubectl.line(&["describe", "cassandracluster", "demo"])
                );
            }
            tokio::time::sleep(EVERY).await;
        }
    }

    pub(super) fn uids(&self) -> Result<Uids> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        Ok(pods(&self.kubectl)?
            .iter()
            .map(|pod| (text(&pod["metadata"]["name"]), text(&pod["metadata"]["uid"])))
            .collect())
    }
}

/// Its pods as they are now.
pub(super) fn pods(kubectl: &Kubectl) -> Result<Vec<Value>> {
    let mut list = kubectl.get(&["pods", "--selector=cassandracluster=demo"])?;
    match list["items"].take() {
        Value::Array(pods) => Ok(pods),
        _ => bail!("kubectl listed no pods"),
    }
}

/// The uids before and after, a pod a line.
pub(super) fn comparison(before: &Uids, after: &Uids) -> String {
    let mut lines = vec!["  pods, by uid before and after:".to_owned()];
    for (pod, old) in before {
        let new = after.get(pod).map_or("gone", String::as_str);
        let verdict = if new == old { "the same" } else { "a new pod" };
        lines.push(format!("    {pod}  {old}  {new}  {verdict}"));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uids_are_compared_pod_by_pod() {
        let of = |uids: [&str; 2]| -> Uids {
            ["a", "b"]
                .into_iter()
                .zip(uids)
                .map(|(pod, uid)| (pod.to_owned(), uid.to_owned()))
                .collect()
        };
        assert_eq!(
            comparison(&of(["1", "2"]), &of(["3", "2"])),
            "  pods, by uid before and after:\n    a  1  3  a new pod\n    b  2  2  the same"
        );
    }
}
