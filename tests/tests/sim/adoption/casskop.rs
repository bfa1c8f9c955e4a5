//! A cluster as CassKop's operator makes it: its objects written out by hand, from what CassKop generates, and not by way of
//! this repository's own generator, which is what they are a test of.

use anyhow::{Context, Result, ensure};
use casskop_lab::wait::{Answer, until};
use casskop_tests::cluster::PATIENCE;
use casskop_tests::ground::Ground;
use casskop_types::cluster::CassandraCluster;
use k8s_openapi::api::apps::v1::StatefulSet;
use kube::Api;
use kube::api::{Patch, PatchParams, PostParams};
use serde_json::{Value, json};

/// Name of the cluster.
pub(crate) const NAME: &str = "demo";
/// Its racks, in its only datacenter.
pub(crate) const RACKS: [&str; 2] = ["rack1", "rack2"];
/// Nodes of each rack.
pub(crate) const NODES_PER_RACK: usize = 2;

const CASSANDRA: &str = "cassandra:3.11.10";
const BOOTSTRAP: &str = "ghcr.io/cscetbon/casskop-bootstrap:0.1.21";
const CONFIG_BUILDER: &str = "datastax/cass-config-builder:1.0.4";
const ICARUS: &str = "ghcr.io/cscetbon/instaclustr-icarus:1.1.3";

/// The spec, as its user wrote it: CassKop's defaults are in the StatefulSets only, as with whoever applies their manifest anew.
pub(super) fn spec() -> Value {
    let racks = RACKS.map(|rack| json!({ "name": rack }));
    json!({
        "nodesPerRacks": NODES_PER_RACK,
        "dataCapacity": "1Gi",
        "resources": { "requests": { "cpu": "100m", "memory": "512Mi" } },
        "config": { "cassandra-yaml": { "num_tokens": 16, "phi_convict_threshold": 12.0 } },
        "topology": { "dc": [{ "name": "dc1", "rack": racks }] },
    })
}

/// Creates the cluster object and all that CassKop makes of it, rack after rack, and waits until its nodes run.
pub(crate) async fn create(ground: &Ground) -> Result<CassandraCluster> {
    let clusters: Api<CassandraCluster> = Api::namespaced(ground.client.clone(), &ground.namespace);
    let object = serde_json::from_value(json!({
        "apiVersion": "db.orange.com/v2", "kind": "CassandraCluster",
        "metadata": { "name": NAME, "namespace": ground.namespace, "labels": { "team": "storage" } },
        "spec": spec(),
    }))?;
    let made_by = PostParams {
        field_manager: Some("casskop".to_owned()),
        ..PostParams::default()
    };
    let cluster = clusters.create(&made_by, &object).await?;
    let uid = cluster.metadata.uid.as_deref().context("no uid")?;
    let owner = json!([{
        "apiVersion": "db.orange.com/v2", "kind": "CassandraCluster", "name": NAME, "uid": uid, "controller": true,
    }]);
    for mut object in services_and_budget() {
        object["metadata"]["ownerReferences"] = owner.clone();
        apply(ground, &object)?;
    }
    for rack in RACKS {
        let mut set = statefulset(rack, &ground.namespace);
        // What CassKop made comes without owner in its own copy.
        let made = set.to_string();
        set["metadata"]["ownerReferences"] = owner.clone();
        set["metadata"]["annotations"] = json!({ "banzaicloud.com/last-applied": made });
        apply(ground, &set)?;
        ready(ground, rack).await?;
    }
    remember(ground, &clusters).await?;
    Ok(clusters.get(NAME).await?)
}

/// CassKop's copy of the whole object, with what the API server adds to it.
async fn remember(ground: &Ground, clusters: &Api<CassandraCluster>) -> Result<()> {
    let mut copy = serde_json::to_value(clusters.get(NAME).await?)?;
    let metadata = copy["metadata"].as_object_mut().context("no metadata")?;
    metadata.remove("annotations");
    metadata.remove("resourceVersion");
    ensure!(
        metadata.contains_key("managedFields") && metadata.contains_key("uid"),
        "the copy lacks what disturbs: {metadata:?}"
    );
    copy["spec"]["imagePullSecret"] = json!({});
    copy["spec"]["imageJolokiaSecret"] = json!({});
    copy["spec"]["topology"]["dc"][0]["resources"] = json!({});
    copy["status"] = json!({});
    let key = "cassandraclusters.db.orange.com/last-applied-configuration";
    let patch = json!({ "metadata": { "annotations": { key: copy.to_string() } } });
    let patched = Api::<CassandraCluster>::namespaced(ground.client.clone(), &ground.namespace);
    patched
        .patch(NAME, &PatchParams::default(), &Patch::Merge(patch))
        .await?;
    Ok(())
}

/// Writes the status CassKop left: `racks` by name, the cluster's own part from them.
pub(crate) async fn leave(
    ground: &Ground,
    phase: &str,
    action: [&str; 2],
    racks: &[(&str, Value)],
) -> Result<()> {
    let clusters: Api<CassandraCluster> = Api::namespaced(ground.client.clone(), &ground.namespace);
    let racks: serde_json::Map<String, Value> = racks
        .iter()
        .map(|(rack, status)| (format!("dc1-{rack}"), status.clone()))
        .collect();
    let [name, status] = action;
    let status = json!({
        "phase": phase, "lastClusterAction": name, "lastClusterActionStatus": status,
        "seedlist": seeds(&ground.namespace),
        // Entries are never removed, and may be of pods that are gone.
        "cassandraNodeStatus": { "demo-dc1-rack1-5": { "hostId": "11111111-2222-4333-8444-555555555555", "nodeIp": "10.0.0.9" } },
        "cassandraRackStatus": racks,
    });
    let patch = Patch::Merge(json!({ "status": status }));
    clusters
        .patch_status(NAME, &PatchParams::default(), &patch)
        .await?;
    Ok(())
}

/// A backup of the cluster on a schedule, and the definition of its kind as far as it matters.
pub(super) fn schedule_a_backup(ground: &Ground, name: &str) -> Result<()> {
    let definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": { "name": "cassandrabackups.db.orange.com" },
        "spec": {
            "group": "db.orange.com", "scope": "Namespaced",
            "names": { "kind": "CassandraBackup", "plural": "cassandrabackups", "singular": "cassandrabackup" },
            "versions": [{ "name": "v2", "served": true, "storage": true, "schema": { "openAPIV3Schema": {
                "type": "object", "x-kubernetes-preserve-unknown-fields": true,
            } } }],
        },
    });
    let made = ground.kubectl()?.arguments(["create", "-f", "-"]);
    let made = made.input(definition.to_string()).run()?;
    ensure!(
        made.success || made.stderr.contains("AlreadyExists"),
        "{}",
        made.stderr
    );
    ground
        .typed("kubectl wait --for=condition=established crd/cassandrabackups.db.orange.com --timeout=1m")?;
    for (name, spec) in [
        (name, json!({ "cassandraCluster": NAME, "schedule": "@daily" })),
        ("once", json!({ "cassandraCluster": NAME })),
        (
            "of-another-cluster",
            json!({ "cassandraCluster": "another", "schedule": "@daily" }),
        ),
    ] {
        let metadata = json!({ "name": name });
        apply(
            ground,
            &json!({ "apiVersion": "db.orange.com/v2", "kind": "CassandraBackup", "metadata": metadata, "spec": spec }),
        )?;
    }
    Ok(())
}

async fn ready(ground: &Ground, rack: &str) -> Result<()> {
    let sets: Api<StatefulSet> = Api::namespaced(ground.client.clone(), &ground.namespace);
    let name = format!("{NAME}-dc1-{rack}");
    let wanted = Some(i32::try_from(NODES_PER_RACK)?);
    until(&format!("the nodes of {rack} run"), PATIENCE, async || {
        let status = sets.get(&name).await?.status.unwrap_or_default();
        let settled = status.ready_replicas == wanted && status.current_revision == status.update_revision;
        Ok(if settled {
            Answer::Yes(())
        } else {
            Answer::not_yet(json!(status))
        })
    })
    .await
}

fn apply(ground: &Ground, object: &Value) -> Result<()> {
    let made = ground
        .kubectl()?
        .arguments(["create", "-f", "-"])
        .input(object.to_string())
        .run()?;
    ensure!(made.success, "{object}: {}", made.stderr);
    Ok(())
}

fn seeds(namespace: &str) -> Vec<String> {
    ["rack1-0", "rack1-1", "rack2-0"]
        .iter()
        .map(|pod| format!("{NAME}-dc1-{pod}.{NAME}.{namespace}"))
        .collect()
}

fn labels() -> Value {
    json!({ "app": "cassandracluster", "cassandracluster": NAME, "team": "storage" })
}

fn services_and_budget() -> [Value; 3] {
    let mut exporter = labels();
    exporter["k8s-app"] = json!("exporter-cassandra-jmx");
    [
        json!({
            "apiVersion": "v1", "kind": "Service", "metadata": { "name": NAME, "labels": labels() },
            "spec": {
                "type": "ClusterIP", "clusterIP": "None", "publishNotReadyAddresses": true, "selector": labels(),
                "ports": [{ "name": "cql", "port": 9042, "protocol": "TCP" }],
            },
        }),
        json!({
            "apiVersion": "v1", "kind": "Service",
            "metadata": { "name": format!("{NAME}-exporter-jmx"), "labels": exporter },
            "spec": {
                "type": "ClusterIP", "clusterIP": "None", "selector": labels(),
                "ports": [{ "name": "promjmx", "port": 9500, "protocol": "TCP" }],
            },
        }),
        json!({
            "apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": { "name": NAME, "labels": labels() },
            "spec": { "maxUnavailable": 1, "selector": { "matchLabels": labels() } },
        }),
    ]
}

fn statefulset(rack: &str, namespace: &str) -> Value {
    let mut of_rack = labels();
    of_rack["dc-rack"] = json!(format!("dc1-{rack}"));
    of_rack["cassandraclusters.db.orange.com.dc"] = json!("dc1");
    of_rack["cassandraclusters.db.orange.com.rack"] = json!(rack);
    json!({
        "apiVersion": "apps/v1", "kind": "StatefulSet",
        "metadata": { "name": format!("{NAME}-dc1-{rack}"), "namespace": namespace, "labels": of_rack },
        "spec": {
            "serviceName": NAME, "replicas": NODES_PER_RACK,
            "selector": { "matchLabels": of_rack },
            "updateStrategy": { "type": "RollingUpdate", "rollingUpdate": { "partition": 0 } },
            "template": {
                "metadata": { "labels": with(&of_rack, "rolling-restart", "20260102T030405") },
                "spec": pod(namespace),
            },
            "volumeClaimTemplates": [{
                "metadata": { "name": "data", "labels": of_rack },
                "spec": { "accessModes": ["ReadWriteOnce"], "resources": { "requests": { "storage": "1Gi" } } },
            }],
        },
    })
}

fn with(labels: &Value, key: &str, value: &str) -> Value {
    let mut labels = labels.clone();
    labels[key] = json!(value);
    labels
}

fn pod(namespace: &str) -> Value {
    let empty = |name: &str| json!({ "name": name, "emptyDir": {} });
    let volumes = ["bootstrap", "extra-lib", "tools", "log", "tmp"].map(empty);
    json!({
        "affinity": {
            "nodeAffinity": {},
            "podAntiAffinity": { "preferredDuringSchedulingIgnoredDuringExecution": [{
                "weight": 100,
                "podAffinityTerm": { "topologyKey": "kubernetes.io/hostname", "labelSelector": { "matchLabels": labels() } },
            }] },
        },
        "securityContext": { "runAsUser": 999, "runAsNonRoot": true, "fsGroup": 1 },
        "restartPolicy": "Always",
        "terminationGracePeriodSeconds": 1800,
        "serviceAccountName": "cassandra-cluster-node",
        "volumes": volumes,
        "initContainers": init_containers(namespace),
        "containers": [cassandra(), icarus(namespace)],
    })
}

fn init_containers(namespace: &str) -> [Value; 3] {
    let half = json!({ "cpu": "500m", "memory": "512Mi" });
    let container = |name: &str, image: &str| {
        json!({
            "name": name, "image": image, "imagePullPolicy": "Always",
            "resources": { "limits": half, "requests": half },
            "volumeMounts": [{ "name": "bootstrap", "mountPath": "/bootstrap" }],
        })
    };
    let mut base = container("base-config-builder", CASSANDRA);
    base["command"] = json!(["/bin/sh"]);
    base["args"] = json!(["-c", "cp -r /etc/cassandra/* /bootstrap/"]);
    let mut builder = container("config-builder", CONFIG_BUILDER);
    builder["env"] = json!([
        { "name": "CONFIG_FILE_DATA", "value": config(namespace) },
        { "name": "CONFIG_OUTPUT_DIRECTORY", "value": "/bootstrap" },
        of_label("RACK_NAME", "rack"),
        { "name": "PRODUCT_NAME", "value": "cassandra" },
        { "name": "PRODUCT_VERSION", "value": "3.11.10" },
        of_field("POD_IP", "status.podIP"),
        of_field("HOST_IP", "status.hostIP"),
    ]);
    let mut bootstrap = container("bootstrap", BOOTSTRAP);
    bootstrap["env"] = json!(bootstrap_environment(namespace));
    bootstrap["volumeMounts"] = json!([
        { "name": "bootstrap", "mountPath": "/etc/cassandra" },
        { "name": "extra-lib", "mountPath": "/extra-lib" },
        { "name": "tools", "mountPath": "/opt/bin" },
    ]);
    [base, builder, bootstrap]
}

/// As Go writes it: sorted, and a whole number without its fraction.
fn config(namespace: &str) -> String {
    let seeds = seeds(namespace).join(",");
    format!(
        concat!(
            r#"{{"cassandra-yaml":{{"counter_write_request_timeout_in_ms":5000,"num_tokens":16,"phi_convict_threshold":12,"#,
            r#""read_request_timeout_in_ms":5000,"write_request_timeout_in_ms":5000}},"#,
            r#""cluster-info":{{"name":"demo","seeds":"{}"}},"datacenter-info":{{"name":"dc1"}},"#,
            r#""jvm-options":{{"cassandra_ring_delay_ms":30000,"initial_heap_size":"32M","#,
            r#""jmx-connection-type":"remote-no-auth","max_heap_size":"128M"}},"logback-xml":{{"debuglog-enabled":false}}}}"#
        ),
        seeds
    )
}

fn bootstrap_environment(namespace: &str) -> Vec<Value> {
    vec![
        json!({ "name": "CASSANDRA_CLUSTER_NAME", "value": NAME }),
        of_label("CASSANDRA_DC", "dc"),
        json!({ "name": "CASSANDRA_LOG_DIR", "value": "/var/log/cassandra" }),
        of_label("CASSANDRA_RACK", "rack"),
        json!({ "name": "CASSANDRA_SEEDS", "value": seeds(namespace).join(",") }),
        of_field("POD_IP", "status.podIP"),
    ]
}

fn of_label(name: &str, label: &str) -> Value {
    of_field(
        name,
        &format!("metadata.labels['cassandraclusters.db.orange.com.{label}']"),
    )
}

fn of_field(name: &str, path: &str) -> Value {
    json!({ "name": name, "valueFrom": { "fieldRef": { "apiVersion": "v1", "fieldPath": path } } })
}

fn cassandra() -> Value {
    let ports = [
        ("intra-node", 7000),
        ("intra-node-tls", 7001),
        ("jmx-port", 7199),
        ("cql", 9042),
        ("promjmx", 9500),
        ("jolokia", 8778),
    ];
    let probe = |name: &str, delay: u32, timeout: u32| {
        json!({
            "exec": { "command": ["/bin/bash", "-c", format!("/etc/cassandra/{name}-probe.sh")] },
            "initialDelaySeconds": delay, "timeoutSeconds": timeout, "periodSeconds": 10,
        })
    };
    let requests = json!({ "cpu": "100m", "memory": "512Mi" });
    json!({
        "name": "cassandra", "image": CASSANDRA, "imagePullPolicy": "Always", "command": ["cassandra", "-f"],
        "ports": ports.map(|(name, port)| json!({ "name": name, "containerPort": port, "protocol": "TCP" })),
        "securityContext": {
            "capabilities": { "add": ["IPC_LOCK"] }, "procMount": "Default", "readOnlyRootFilesystem": true,
        },
        "env": [
            { "name": "CASSANDRA_LOG_DIR", "value": "/var/log/cassandra" },
            { "name": "JAVA_TOOL_OPTIONS", "value": "-Dcom.sun.jndi.rmiURLParsing=legacy" },
            of_field("POD_IP", "status.podIP"),
        ],
        "readinessProbe": probe("readiness", 60, 10),
        "livenessProbe": probe("liveness", 120, 20),
        "volumeMounts": [
            { "name": "bootstrap", "mountPath": "/etc/cassandra" },
            { "name": "extra-lib", "mountPath": "/extra-lib" },
            { "name": "tools", "mountPath": "/opt/bin" },
            { "name": "data", "mountPath": "/var/lib/cassandra" },
            { "name": "tmp", "mountPath": "/tmp" },
            { "name": "log", "mountPath": "/var/log/cassandra" },
        ],
        "resources": { "limits": requests, "requests": requests },
    })
}

fn icarus(namespace: &str) -> Value {
    let amounts = json!({ "cpu": "500m", "memory": "1Gi" });
    json!({
        "name": "backrest-sidecar", "image": ICARUS,
        "ports": [{ "name": "http", "containerPort": 4567 }],
        "env": bootstrap_environment(namespace),
        "resources": { "limits": amounts, "requests": amounts },
        "readinessProbe": {
            "httpGet": { "path": "/status", "port": 4567 },
            "initialDelaySeconds": 10, "timeoutSeconds": 5, "periodSeconds": 10, "failureThreshold": 10,
        },
        "volumeMounts": [
            { "name": "bootstrap", "mountPath": "/etc/cassandra" },
            { "name": "extra-lib", "mountPath": "/extra-lib" },
            { "name": "data", "mountPath": "/var/lib/cassandra" },
            { "name": "tmp", "mountPath": "/tmp" },
        ],
    })
}
