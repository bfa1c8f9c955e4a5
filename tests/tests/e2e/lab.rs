//! The lab itself: what pods on real nodes may rely on.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use casskop_lab::images::cassandra::Release;
use casskop_lab::wait::{Answer, until};
use casskop_tests::ground::Ground;
use serde_json::json;

use crate::NODES;

/// How long two small pods may take to run.
const START: Duration = Duration::from_mins(3);

/// A headless Service that publishes pods before they are ready, as Cassandra's does, and a StatefulSet of two behind it.
fn peers() -> serde_json::Value {
    let labels = json!({ "app": "peers" });
    json!({ "apiVersion": "v1", "kind": "List", "items": [
        { "apiVersion": "v1", "kind": "Service", "metadata": { "name": "peers" }, "spec": {
            "clusterIP": "None", "publishNotReadyAddresses": true, "selector": labels,
            "ports": [{ "name": "cql", "port": 9042 }] } },
        { "apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": { "name": "peers" }, "spec": {
            "serviceName": "peers", "replicas": 2, "podManagementPolicy": "Parallel",
            "selector": { "matchLabels": labels },
            "template": { "metadata": { "labels": labels }, "spec": {
                "terminationGracePeriodSeconds": 0,
                "securityContext": { "runAsUser": 999, "runAsNonRoot": true },
                "containers": [{
                    "name": "peer", "image": Release::V5_0.image(), "imagePullPolicy": "Never",
                    "command": ["bash", "-c", "touch /data/mine && echo here I am; exec sleep infinity"],
                    // Never ready: what is found by name is found all the same.
                    "readinessProbe": { "exec": { "command": ["false"] } },
                    "volumeMounts": [{ "name": "data", "mountPath": "/data" }],
                }],
            } },
            "volumeClaimTemplates": [{ "metadata": { "name": "data" }, "spec": {
                "accessModes": ["ReadWriteOnce"], "resources": { "requests": { "storage": "1Gi" } } } }],
        } },
    ] })
}

#[tokio::test]
async fn pods_have_names_volumes_the_api_and_no_way_out() -> Result<()> {
    let ground = Ground::new(NODES).await?;
    let applied = ground
        .kubectl()?
        .arguments(["apply", "-f", "-"])
        .input(peers().to_string())
        .run()?;
    ensure!(applied.success, "{}", applied.stderr);
    until("two pods run and write to their volumes", START, async || {
        for pod in ["peers-0", "peers-1"] {
            let log = ground.kubectl()?.arguments(["logs", pod]).run()?;
            if !log.stdout.contains("here I am") {
                return Ok(Answer::not_yet(format!("{pod}: {}{}", log.stdout, log.stderr)));
            }
        }
        Ok(Answer::Yes(()))
    })
    .await?;

    let inside = |script: &str| -> Result<String> {
        let command = ["exec", "peers-0", "--", "bash", "-c", script];
        let outcome = ground.kubectl()?.arguments(command).run()?;
        ensure!(outcome.success, "{script}: {}{}", outcome.stdout, outcome.stderr);
        Ok(outcome.stdout)
    };
    let name = format!("peers-1.peers.{}", ground.namespace);
    until("the other pod is found by name", START, async || {
        // The kubelet, which the log comes from, knows of it before the API server does.
        let address = ["get", "pod", "peers-1", "-o", "jsonpath={.status.podIP}"];
        let address = ground.kubectl()?.arguments(address).run()?.stdout;
        Ok(match inside(&format!("getent hosts {name}")) {
            Ok(line) if line.split_whitespace().next() == Some(&address) => Answer::Yes(()),
            Ok(line) => Answer::not_yet(format!("{line:?}, not {address:?}")),
            Err(error) => Answer::not_yet(error),
        })
    })
    .await?;

    let ask = "cd /var/run/secrets/kubernetes.io/serviceaccount && \
               curl --silent --show-error --fail --cacert ca.crt -H \"Authorization: Bearer $(cat token)\" \
               https://kubernetes.default.svc/version";
    // Names and Service addresses follow on what the API server has.
    let version = until("the API server is reached by name", START, async || {
        Ok(match inside(ask) {
            Ok(version) => Answer::Yes(version),
            Err(error) => Answer::not_yet(error),
        })
    })
    .await?;
    let version: serde_json::Value = serde_json::from_str(&version).context("the API server's version")?;
    assert_eq!(version["gitVersion"], casskop_lab::components::KUBERNETES_VERSION);

    // 192.0.2.1 is set aside for documentation. A network with a way out would try it until the time is up.
    let outside = inside("curl --silent --max-time 5 http://192.0.2.1; echo code $?")?;
    assert_eq!(outside.trim(), "code 7", "a pod reached beyond the lab");
    Ok(())
}
