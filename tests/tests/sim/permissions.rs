//! The operator in another namespace than the cluster, under the Roles it ships with, with Jolokia's authentication on:
//! the API server forbids it nothing, and every verb granted is used.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use casskop_lab::audit::Request;
use casskop_lab::wait::{Answer, until};
use casskop_simulator::ring::{Keyspace, Replication};
use casskop_simulator::{CallOutcome, CallQuery};
use casskop_tests::cluster::{Cluster, PATIENCE, spec};
use casskop_tests::ground::{Ground, repository};
use casskop_tests::loss::LostNode;
use casskop_tests::operator::Operator;
use casskop_types::conditions::{ConditionType, condition};
use casskop_types::status::ClusterAction;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::NODES;

/// The operator's namespace, as the manifests have it.
const OPERATORS: &str = "casskop-operator";

/// The clusters' namespace, as `namespaced.yaml` has it.
const CLUSTERS: &str = "cassandra";

const USER: &str = "system:serviceaccount:casskop-operator:casskop-operator";

/// Where waiting for the plugin ends.
const WAIT: [&str; 3] = ["--wait", "--timeout", "2m"];

#[tokio::test]
async fn the_role_of_one_namespace_grants_what_the_operator_uses_and_no_more() -> Result<()> {
    grants_what_is_used("namespaced.yaml", CLUSTERS, "one").await
}

#[tokio::test]
async fn the_role_of_all_namespaces_grants_what_the_operator_uses_and_no_more() -> Result<()> {
    grants_what_is_used("cluster-wide.yaml", "", "all").await
}

/// With a cluster of a name of its own: it would find the claims of an earlier one.
async fn grants_what_is_used(manifest: &str, watched: &str, name: &str) -> Result<()> {
    let ground = Ground::alone(NODES).await?.in_namespace(CLUSTERS).await?;
    let mut requests = ground.lab.requests_from_now()?;
    let path = repository().join("operator/deploy").join(manifest);
    kubectl(&ground, ["apply", "-f", &path.to_string_lossy()])?;
    let login = ground
        .lab
        .service_account_login(OPERATORS, "casskop-operator")
        .await?;
    let operator = Operator::start_as(&ground, &login, watched, OPERATORS)?;
    let lived = live_through_everything(&ground, name).await;
    operator.kill()?;
    // Also where it failed: the next test installs it again.
    uninstall(&ground)?;
    lived?;

    let requests: Vec<Request> = requests.read()?;
    let ours: Vec<&Request> = requests
        .iter()
        .filter(|request| request.user.username == USER)
        .collect();
    let forbidden: Vec<_> = ours.iter().filter(|request| request.is_forbidden()).collect();
    assert!(forbidden.is_empty(), "{manifest}: {forbidden:?}");
    let unused: Vec<Grant> = grants(&std::fs::read_to_string(&path)?)?
        .into_iter()
        .filter(|grant| !ours.iter().any(|request| grant.covers(request)))
        .collect();
    assert!(
        unused.is_empty(),
        "{manifest} grants what is never used: {unused:?}"
    );
    Ok(())
}

/// Everything the operator does: it forms a cluster, restarts a rack, carries out each operation, and replaces and removes a lost node.
async fn live_through_everything(ground: &Ground, name: &str) -> Result<()> {
    let secret = [
        "--from-literal=username=jolokia",
        "--from-literal=password=s3cret",
    ];
    kubectl(
        ground,
        [
            "create",
            "secret",
            "generic",
            "jolokia-auth",
            secret[0],
            secret[1],
        ],
    )?;
    // A user's own of the name that the operator's would have: looked at, and left as it is.
    let record = format!("{name}-bootstrap");
    kubectl(
        ground,
        ["create", "configmap", &record, "--from-literal=ring-formed=true"],
    )?;
    let mut wanted = spec(&[("dc1", &["rack1", "rack2"]), ("dc2", &["rack1"])], 1);
    wanted["imageJolokiaSecret"] = json!({ "name": "jolokia-auth" });
    wanted["deletePVC"] = json!(true);
    // Missing at first: the operator looks why there are no pods.
    wanted["serviceAccountName"] = json!("made-later");
    let cluster = Cluster::create(ground, name, wanted).await?;
    cluster
        .status_is("the missing account is named", |status| {
            let waiting = condition(&status.conditions, ConditionType::Waiting);
            waiting.is_some_and(|waiting| waiting.message.contains("made-later"))
        })
        .await?;
    kubectl(ground, ["create", "serviceaccount", "made-later"])?;
    cluster.settled(3).await?;
    let (simulator, id) = cluster.simulator()?;
    let keyspace = Keyspace::full(Replication::by_dc([("dc1", 2), ("dc2", 1)]));
    simulator.put_keyspace(&id, "shop", keyspace).await?;
    let [wait, timeout, long] = WAIT;
    cluster.casskop([
        "restart",
        "--crd",
        name,
        "--rack",
        "dc1.rack1",
        wait,
        timeout,
        long,
    ])?;
    cluster.casskop(["cleanup", "start", "--crd", name, wait, timeout, long])?;
    cluster.casskop(["rebuild", "--dc", "dc2", "dc1", wait, timeout, long])?;
    cluster.casskop(["upgradesstables", "start", "--crd", name, wait, timeout, long])?;
    run_tasks(ground, &cluster).await?;
    lose_nodes(ground, &cluster).await?;
    empty_and_remove_dc2(&cluster).await?;
    let asked = simulator
        .calls(&CallQuery {
            cluster: Some(id),
            ..CallQuery::default()
        })
        .await?;
    ensure!(!asked.is_empty(), "no node was asked anything");
    let refused = asked
        .records()
        .iter()
        .find(|call| call.outcome == CallOutcome::Unauthorized);
    ensure!(refused.is_none(), "a node refused the credentials: {refused:?}");
    kubectl(ground, ["delete", "cassandracluster", name])?;
    kubectl(ground, ["delete", "configmap", &record])?;
    kubectl(ground, ["delete", "secret", "jolokia-auth"])?;
    kubectl(ground, ["delete", "serviceaccount", "made-later"])?;
    kubectl(
        ground,
        [
            "wait",
            "--for=delete",
            "pods",
            "-l",
            &format!("cassandracluster={name}"),
            "--timeout=2m",
        ],
    )
}

/// A lost node is replaced, and another one removed.
async fn lose_nodes(ground: &Ground, cluster: &Cluster<'_>) -> Result<()> {
    let [wait, timeout, long] = WAIT;
    let lost = LostNode::of(cluster, &ground.namespace, &cluster.pod("dc1-rack2", 0)).await?;
    lost.replace(ground, cluster).await?;
    cluster.settled(3).await?;
    lost.repair_machine().await?;
    let lost = LostNode::of(cluster, &ground.namespace, &cluster.pod("dc1-rack2", 0)).await?;
    let address = lost.address.to_string();
    cluster.casskop([
        "removenode",
        "--yes",
        "--pod",
        &lost.pod,
        "--previous-ip",
        &address,
        "--crd",
        &cluster.name,
        wait,
        timeout,
        long,
    ])?;
    cluster.settled(3).await?;
    lost.repair_machine().await?;
    Ok(())
}

/// A task, which is deleted once its time is over, and a schedule.
async fn run_tasks(ground: &Ground, cluster: &Cluster<'_>) -> Result<()> {
    ground.typed(&format!(
        "kubectl casskop task create flush --crd {} --name once --keep 1 --wait --timeout 2m",
        cluster.name
    ))?;
    ground.typed(&format!(
        "kubectl casskop schedule create flush --crd {} --dc dc1 --cron '@every 1s' --name often",
        cluster.name
    ))?;
    let shown = |kind: &str| ground.typed(&format!("kubectl get {kind} --ignore-not-found -o name"));
    until("the task is over, and the schedule has run", PATIENCE, async || {
        let once = shown("k8ssandratask once")?.stdout;
        let runs = shown("cassandratasks -l control.k8ssandra.io/scheduled-task=often,control.k8ssandra.io/status=completed")?;
        Ok(if once.is_empty() && !runs.stdout.is_empty() {
            Answer::Yes(())
        } else {
            Answer::not_yet(format!("{once} {}", runs.stdout))
        })
    })
    .await?;
    ground.typed("kubectl casskop schedule delete often")?;
    ground.typed("kubectl delete cassandratasks --all")?;
    cluster.nobody_asks().await
}

async fn empty_and_remove_dc2(cluster: &Cluster<'_>) -> Result<()> {
    let (simulator, id) = cluster.simulator()?;
    let narrower = Keyspace::full(Replication::by_dc([("dc1", 2)]));
    simulator.put_keyspace(&id, "shop", narrower).await?;
    let racks = |names: &[&str]| {
        names
            .iter()
            .map(|rack| json!({ "name": rack }))
            .collect::<Vec<_>>()
    };
    let dc1 = json!({ "name": "dc1", "rack": racks(&["rack1", "rack2"]) });
    let emptied = json!({ "name": "dc2", "nodesPerRacks": 0, "rack": racks(&["rack1"]) });
    cluster
        .edit(json!({ "topology": { "dc": [dc1, emptied] } }))
        .await?;
    cluster.action_done("dc2-rack1", ClusterAction::ScaleDown).await?;
    cluster.edit(json!({ "topology": { "dc": [dc1] } })).await?;
    cluster
        .status_is("the datacenter is forgotten", |status| {
            !status.cassandra_rack_status.contains_key("dc2-rack1")
        })
        .await?;
    Ok(())
}

/// Takes back what was granted, for the other manifest is to be judged alone. The lease goes too: who finds one creates
/// none.
fn uninstall(ground: &Ground) -> Result<()> {
    kubectl(
        ground,
        [
            "delete",
            "--ignore-not-found",
            "clusterrolebinding",
            "casskop-operator",
        ],
    )?;
    kubectl(
        ground,
        ["delete", "--ignore-not-found", "rolebinding", "casskop-operator"],
    )?;
    for kind in ["rolebinding", "lease", "deployment"] {
        kubectl(
            ground,
            ["delete", "--ignore-not-found", "-n", OPERATORS, kind, "--all"],
        )?;
    }
    Ok(())
}

fn kubectl<const N: usize>(ground: &Ground, arguments: [&str; N]) -> Result<()> {
    let outcome = ground.kubectl()?.arguments(arguments).run()?;
    ensure!(outcome.success, "kubectl {arguments:?}: {}", outcome.stderr);
    Ok(())
}

/// One verb on one resource.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Grant {
    /// The Role's namespace; none for a `ClusterRole`, which holds everywhere.
    namespace: Option<String>,
    group: String,
    resource: String,
    verb: String,
}

impl Grant {
    fn covers(&self, request: &Request) -> bool {
        let Some(object) = &request.object_ref else {
            return false;
        };
        let resource = match object.subresource.as_str() {
            "" => object.resource.clone(),
            subresource => format!("{}/{subresource}", object.resource),
        };
        let here = self
            .namespace
            .as_ref()
            .is_none_or(|namespace| *namespace == object.namespace);
        // Server-side apply of what does not exist yet is a patch that needs the right to create, too.
        let created = request
            .response_status
            .as_ref()
            .is_some_and(|status| status.code == 201);
        let verb = request.verb == self.verb || (self.verb == "create" && request.verb == "patch" && created);
        here && verb && resource == self.resource && object.api_group == self.group
    }
}

/// The grants of all Roles in a manifest.
fn grants(manifest: &str) -> Result<BTreeSet<Grant>> {
    let mut grants = BTreeSet::new();
    for document in serde_yaml::Deserializer::from_str(manifest) {
        let object = Value::deserialize(document)?;
        let namespace = match object["kind"].as_str() {
            Some("Role") => object["metadata"]["namespace"].as_str().map(str::to_owned),
            Some("ClusterRole") => None,
            _ => continue,
        };
        for rule in object["rules"].as_array().context("a Role without rules")? {
            for group in words(&rule["apiGroups"]) {
                for resource in words(&rule["resources"]) {
                    for verb in words(&rule["verbs"]) {
                        grants.insert(Grant {
                            namespace: namespace.clone(),
                            group: group.clone(),
                            resource: resource.clone(),
                            verb,
                        });
                    }
                }
            }
        }
    }
    ensure!(!grants.is_empty(), "the manifest grants nothing");
    Ok(grants)
}

fn words(list: &Value) -> Vec<String> {
    let words = list.as_array().into_iter().flatten();
    words
        .filter_map(|word| word.as_str().map(str::to_owned))
        .collect()
}
