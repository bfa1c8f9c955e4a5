//! What the plugin shows of a real cluster, held against what its nodes and machines say themselves.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use casskop_lab::components::KUBERNETES_VERSION;
use casskop_lab::images::cassandra::Release;
use casskop_tests::ring::{NAME, NODES as ALL, OTHER_DC, Ring};
use serde_json::{Value, json};

use crate::NODES;

/// The value a verb prints for programs.
fn shown(ring: &Ring, line: &str) -> Result<Value> {
    let told = ring.typed(&format!("kubectl casskop {line} -o json"))?;
    serde_json::from_str(&told.stdout).with_context(|| told.stdout.clone())
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

#[tokio::test]
async fn the_ring_and_its_seeds_are_what_the_nodes_say() -> Result<()> {
    let ring = Ring::shared(NODES).await?;
    let [first, second, _] = &ring.pods();
    // State, address, load and its unit, tokens, share, host id, rack.
    let told = ring.inside(second, &["nodetool", "status"])?;
    let status = shown(&ring, &format!("status {NAME} --ring"))?;
    let members = list(&status["clusters"][0]["ring"]["members"]);
    assert_eq!(members.len(), ALL, "{status}");
    let mut pods = BTreeSet::new();
    for member in members {
        assert_eq!(
            (text(&member["liveness"]), text(&member["state"])),
            ("Up", "Normal"),
            "{member}"
        );
        let words = told
            .lines()
            .map(|line| line.split_whitespace().collect::<Vec<_>>());
        let line = words
            .filter(|words| words.first() == Some(&"UN"))
            .find(|words| words.get(1) == Some(&text(&member["address"])))
            .with_context(|| format!("{member} is not in\n{told}"))?;
        for word in [text(&member["hostId"]), &member["tokens"].to_string()] {
            ensure!(line.contains(&word), "{member}: {line:?} lacks {word}");
        }
        // No keyspace of another test needs to have a replica in the second datacenter.
        let owns = member["share"].as_f64().with_context(|| format!("{member}"))?;
        ensure!(owns > 0.0 || text(&member["pod"]) == OTHER_DC, "{member}");
        pods.insert(text(&member["pod"]).to_owned());
    }
    let all: BTreeSet<String> = ring.uids().await?.into_keys().collect();
    assert_eq!(pods, all);

    let seeds = shown(&ring, &format!("seeds --crd {NAME}"))?;
    let seeds = list(&seeds["seeds"]);
    assert!(!seeds.is_empty());
    for seed in seeds {
        // Another node finds it where the plugin says that it is.
        let found = ring.inside(OTHER_DC, &["getent", "hosts", text(&seed["seed"])])?;
        let address = found.split_whitespace().next();
        assert_eq!(address, seed["address"].as_str(), "{seed}");
        assert_eq!(seed["resolvesTo"], json!([address]), "{seed}");
        let member = members.iter().find(|member| member["address"] == seed["address"]);
        ensure!(member.is_some_and(|member| member["seed"] == true), "{seed}");
    }
    let text = ring
        .typed(&format!("kubectl casskop status {NAME} --ring"))?
        .stdout;
    ensure!(
        text.contains(&format!("Ring of {NAME}, as ")) && text.contains(first),
        "{text}"
    );
    Ok(())
}

#[tokio::test]
async fn a_whole_cluster_is_told_to_be_whole_and_by_its_versions() -> Result<()> {
    let ring = Ring::shared(NODES).await?;
    let _operator = ring.the_operator_stays().await;
    ring.typed(&format!("kubectl casskop status {NAME} --exit-code"))?;

    let tree = shown(&ring, &format!("tree --crd {NAME}"))?;
    let mut objects = Vec::new();
    branches(&tree, &mut objects);
    let of_kind = |kind: &str| objects.iter().filter(|object| object["kind"] == kind).count();
    for kind in ["StatefulSet", "Pod", "PersistentVolumeClaim"] {
        assert_eq!(of_kind(kind), ALL, "{kind}: {tree}");
    }
    let not_ready: Vec<_> = objects.iter().filter(|object| object["ready"] == false).collect();
    ensure!(not_ready.is_empty(), "{not_ready:?}");

    let version = shown(&ring, "version")?;
    assert_eq!(version["kubernetes"], KUBERNETES_VERSION);
    assert_eq!(version["operators"][0]["ready"], "1/1", "{version}");
    let racks = list(&version["racks"]);
    let ours: Vec<_> = racks.iter().filter(|rack| rack["cluster"] == NAME).collect();
    assert_eq!(ours.len(), ALL, "{version}");
    for rack in ours {
        assert_eq!(rack["release"], Release::V5_0.version, "{version}");
    }

    let checks = shown(&ring, "check")?;
    // Another test's cluster, which comes and goes, has lines of its own.
    let about_others = |check: &&Value| !text(&check["subject"]).contains("life");
    let checks: Vec<_> = list(&checks["checks"]).iter().filter(about_others).collect();
    ensure!(
        checks
            .iter()
            .any(|check| text(&check["subject"]) == format!("names of {NAME}")),
        "{checks:?}"
    );
    let not_ok: Vec<_> = checks.iter().filter(|check| check["verdict"] != "ok").collect();
    ensure!(not_ok.is_empty(), "{not_ok:?}");
    Ok(())
}

fn branches<'a>(branch: &'a Value, into: &mut Vec<&'a Value>) {
    into.push(branch);
    for child in list(&branch["children"]) {
        branches(child, into);
    }
}

#[tokio::test]
async fn a_report_has_what_every_node_and_the_operator_logged() -> Result<()> {
    let ring = Ring::shared(NODES).await?;
    let _operator = ring.the_operator_stays().await;
    let found = ring.typed(&format!(
        "report=$(mktemp -d)/report\n\
         trap 'rm -r \"$report\"' EXIT\n\
         kubectl casskop report --crd {NAME} --logs --tail 1000000 -f \"$report\" > /dev/null\n\
         cd \"$report\"; cat not-read.txt; find . -type f; grep -rl 'Startup complete' logs | sed 's/^/started /'"
    ))?;
    let lines: BTreeSet<_> = found.stdout.lines().collect();
    ensure!(lines.contains("nothing"), "not read: {found:?}");
    for pod in ring.uids().await?.into_keys() {
        let log = format!("started logs/{pod}/cassandra.log");
        ensure!(lines.contains(log.as_str()), "{log} is not in {lines:?}");
    }
    ensure!(
        lines
            .iter()
            .any(|line| line.starts_with("./logs/casskop-operator-")),
        "{lines:?}"
    );
    Ok(())
}

#[tokio::test]
async fn a_plan_is_made_for_the_cluster_that_runs_and_changes_nothing() -> Result<()> {
    let ring = Ring::shared(NODES).await?;
    let before = ring.cluster().await?;
    let plan = |edited: &Value| -> Result<Value> {
        let asked = ring
            .kubectl()?
            .arguments(["casskop", "plan", "-f", "-", "-o", "json"]);
        let outcome = asked.input(edited.to_string()).run()?;
        ensure!(outcome.success, "{outcome:?}");
        Ok(serde_json::from_str(&outcome.stdout)?)
    };
    let mut edited = json!(before);
    assert_eq!(plan(&edited)?["racks"], json!([]), "nothing was edited");

    edited["spec"]["config"]["cassandra-yaml"] = json!({ "concurrent_reads": 16 });
    let planned = plan(&edited)?;
    let racks = list(&planned["racks"]);
    assert_eq!(racks.len(), ALL, "{planned}");
    for rack in racks {
        assert_eq!(
            (&rack["nodes"], &rack["restarts"]),
            (&json!(1), &json!(1)),
            "{rack}"
        );
        assert_eq!(rack["actions"], json!(["UpdateStatefulSet"]), "{rack}");
    }
    let after = ring.cluster().await?;
    assert_eq!(after.metadata.generation, before.metadata.generation);
    assert_eq!(json!(after.spec), json!(before.spec));
    Ok(())
}
