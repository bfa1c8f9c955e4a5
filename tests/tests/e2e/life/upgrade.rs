//! From Cassandra 4.1 to 5.0.

use anyhow::{Context, Result, ensure};
use casskop_lab::images::cassandra::Release;
use casskop_lab::wait::{Answer, until};
use casskop_tests::site::{PATIENCE, Site};
use casskop_types::labels::{OPERATION_NAME, OPERATION_STATUS};
use casskop_types::operation::{OperationName, OperationStatus};
use casskop_types::status::ClusterAction;
use casskop_types::task::K8ssandraTask;
use k8s_openapi::jiff::Timestamp;
use kube::Api;
use serde_json::json;

use super::{KEYSPACE, Life, NAME, NAMESPACE, OTHER_DC, create_table, racks, status_is};

/// Another keyspace, whose files are rewritten later.
const LEDGER: &str = "ledger";

/// Every node of both datacenters runs the new release afterwards, and no file has the old format any more.
pub(super) async fn to_the_next_major_release(life: &Life) -> Result<usize> {
    let pods: Vec<&str> = life.pods.iter().map(String::as_str).chain([OTHER_DC]).collect();
    create_table(&life.site, &pods, LEDGER, "'dc1': 3, 'dc2': 1").await?;
    for pod in &pods {
        for keyspace in [KEYSPACE, LEDGER] {
            life.site.inside(pod, &["nodetool", "flush", keyspace])?;
            let formats = formats(&life.site, pod, keyspace)?;
            ensure!(formats == ["nb"], "{pod} writes {formats:?}");
        }
    }
    life.change(&json!({
        "autoPilot": false,
        "cassandraImage": Release::V5_0.image(),
        "config": { "cassandra-yaml": { "storage_compatibility_mode": "NONE" } },
    }))?;
    let [rack1, rack2, rack3] = racks();
    let racks = [rack1.as_str(), &rack2, &rack3, "dc2-rack1"];
    life.action_done(&racks, ClusterAction::UpdateDockerImage).await?;
    status_is(&life.site, "every rack runs the new release", |status| {
        racks.iter().all(|rack| {
            let release = status.cassandra_rack_status[*rack].release_version.as_deref();
            release == Some(Release::V5_0.version)
        })
    })
    .await?;
    for pod in &pods {
        suggested(&life.site, pod).await?;
    }
    rewrite(life, &pods).await?;
    life.site.cql(pods[0], &format!("DROP KEYSPACE {LEDGER};"))?;
    // From here on nobody has to be asked.
    life.change(&json!({ "autoPilot": true }))?;
    life.intact().await
}

/// One keyspace in one datacenter after the other, and then everything that is left in both at once.
async fn rewrite(life: &Life, pods: &[&str]) -> Result<()> {
    let create = format!("kubectl casskop task create upgradesstables --crd {NAME}");
    life.site.typed(&format!(
        "{create} --dc dc2 dc1 --keyspace {KEYSPACE} --name in-turn"
    ))?;
    let [first, second] = times_of(life, "in-turn", ["dc2", "dc1"]).await?;
    ensure!(first.end <= second.begin, "not in turn: {first:?} {second:?}");
    for pod in pods {
        loses_old_files(life, pod, KEYSPACE).await?;
        ensure!(
            has_old_files(life, pod, LEDGER)?,
            "{pod} rewrote what nobody asked for"
        );
    }
    life.site.typed(&format!("{create} --together --name at-once"))?;
    let [one, other] = times_of(life, "at-once", ["dc1", "dc2"]).await?;
    ensure!(
        one.begin <= other.end && other.begin <= one.end,
        "not at once: {one:?} {other:?}"
    );
    for pod in pods {
        loses_old_files(life, pod, LEDGER).await?;
    }
    Ok(())
}

/// When the task began and ended in a datacenter, in whole seconds: that datacenters run in turn, or beside each other, is seen to
/// the call on simulated nodes (`sim/tasks/cluster_wide.rs`).
#[derive(Debug)]
struct Times {
    begin: Timestamp,
    end: Timestamp,
}

/// The operator dies, and the task ends in both datacenters all the same.
async fn times_of(life: &Life, task: &str, datacenters: [&str; 2]) -> Result<[Times; 2]> {
    let _unseen = life.site.nobody_looks_at_the_operator().await;
    life.site.kill_the_operator()?;
    life.site
        .typed(&format!("kubectl casskop task wait {task} --timeout 5m"))?;
    let tasks = Api::<K8ssandraTask>::namespaced(life.site.client.clone(), NAMESPACE);
    let status = tasks.get(task).await?.status.context("the task has no status")?;
    let times = |dc: &str| {
        let part = status.datacenters.get(dc)?;
        let begin = part.start_time.as_ref()?.0;
        let end = part.completion_time.as_ref()?.0;
        Some(Times { begin, end })
    };
    let [one, other] = datacenters.map(times);
    one.zip(other)
        .map(<[Times; 2]>::from)
        .with_context(|| format!("{task}: {status:?}"))
}

/// Waits until the operator says on a pod that its files are to be rewritten, which it leaves to its users.
async fn suggested(site: &Site, pod: &str) -> Result<()> {
    until(&format!("{pod} says what it lacks"), PATIENCE, async || {
        let labels = site.pod(pod).await?.metadata.labels.unwrap_or_default();
        let label = |name: &str| labels.get(name).map(String::as_str);
        let is_it = label(OPERATION_NAME) == Some(OperationName::UpgradeSstables.as_str())
            && label(OPERATION_STATUS) == Some(OperationStatus::Manual.as_str());
        Ok(if is_it {
            Answer::Yes(())
        } else {
            Answer::not_yet(json!(labels))
        })
    })
    .await
}

/// Waits until a node has no data files in the format of 4.x: it deletes what it has rewritten a moment after its work has ended.
async fn loses_old_files(life: &Life, pod: &str, keyspace: &str) -> Result<()> {
    until(&format!("{pod} has no files of 4.1"), PATIENCE, async || {
        Ok(if has_old_files(life, pod, keyspace)? {
            Answer::not_yet(keyspace)
        } else {
            Answer::Yes(())
        })
    })
    .await
}

/// Whether a node has data files in the format of 4.x. What the client wrote since is in the new one anyway.
fn has_old_files(life: &Life, pod: &str, keyspace: &str) -> Result<bool> {
    Ok(formats(&life.site, pod, keyspace)?
        .iter()
        .any(|format| format == "nb"))
}

/// Formats of a node's data files, as their names have them: `nb` of 4.x, `oa` of 5.0.
fn formats(site: &Site, pod: &str, keyspace: &str) -> Result<Vec<String>> {
    let directory = format!("/var/lib/cassandra/data/{keyspace}");
    let files = site.inside(
        pod,
        &["find", &directory, "-name", "*-Data.db", "-printf", "%f\\n"],
    )?;
    let mut formats: Vec<_> = files
        .lines()
        .filter_map(|file| file.split('-').next())
        .map(str::to_owned)
        .collect();
    formats.sort();
    formats.dedup();
    Ok(formats)
}
