//! From Cassandra 4.1 to 5.0.

use anyhow::{Result, ensure};
use casskop_lab::images::cassandra::Release;
use casskop_lab::wait::{Answer, until};
use casskop_tests::site::{PATIENCE, Site};
use casskop_types::labels::{OPERATION_NAME, OPERATION_STATUS};
use casskop_types::operation::{OperationName, OperationStatus};
use casskop_types::status::ClusterAction;
use serde_json::json;

use super::{KEYSPACE, Life, racks, status_is};

/// Every node runs the new release afterwards, and no file has the old format any more.
pub(super) async fn to_the_next_major_release(life: &Life) -> Result<usize> {
    for pod in &life.pods {
        life.site.inside(pod, &["nodetool", "flush", KEYSPACE])?;
        let formats = formats(&life.site, pod)?;
        ensure!(formats == ["nb"], "{pod} writes {formats:?}");
    }
    life.change(&json!({
        "cassandraImage": Release::V5_0.image(),
        "config": { "cassandra-yaml": { "storage_compatibility_mode": "NONE" } },
    }))?;
    let racks = racks();
    life.action_done(
        &racks.each_ref().map(String::as_str),
        ClusterAction::UpdateDockerImage,
    )
    .await?;
    status_is(&life.site, "every rack runs the new release", |status| {
        racks.iter().all(|rack| {
            let release = status.cassandra_rack_status[rack].release_version.as_deref();
            release == Some(Release::V5_0.version)
        })
    })
    .await?;
    for pod in &life.pods {
        suggested(&life.site, pod).await?;
    }
    life.site
        .typed("kubectl casskop task create upgradesstables --crd life --name upgraded")?;
    life.site.kill_the_operator()?;
    life.site
        .typed("kubectl casskop task wait upgraded --timeout 5m")?;
    // From here on nobody has to be asked.
    life.change(&json!({ "autoPilot": true }))?;
    for pod in &life.pods {
        // What the client wrote since is in the new format anyway.
        ensure!(
            !formats(&life.site, pod)?.iter().any(|format| format == "nb"),
            "{pod} has files of 4.1"
        );
    }
    life.intact().await
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

/// Formats of a node's data files, as their names have them: `nb` of 4.x, `oa` of 5.0.
fn formats(site: &Site, pod: &str) -> Result<Vec<String>> {
    let directory = format!("/var/lib/cassandra/data/{KEYSPACE}");
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
