//! Asking a node for the ring, through the API server.

use std::time::Duration;

use casskop_core::jolokia_secret;
use casskop_core::observed::RingView;
use casskop_core::view::ring::{RingFacts, ShareOf};
use casskop_core::view::{ClusterView, NodeView, PodState};
use casskop_jolokia::port_forward::{self, ForwardDial};
use casskop_jolokia::{
    Answers, CallError, Category, Credentials, JolokiaClient, NodeStatus, TimeLimits, ownership,
};
use casskop_types::CassandraCluster;
use k8s_openapi::api::core::v1::{Pod, Secret};
use kube::ResourceExt;

use crate::kube_access::{Access, Call, Kind};

/// Jolokia's port in every pod.
const PORT: u16 = 8778;
/// Nodes that are asked before it is given up.
const TRIES: usize = 3;
/// Through the API server it takes longer than from within the cluster; nobody wants to wait longer than this for one node.
const LIMITS: TimeLimits = TimeLimits {
    connect: Duration::from_secs(5),
    answer: Duration::from_secs(10),
};

/// What the first node that answers tells, or why none does.
pub(crate) async fn ring(
    access: &Access,
    cluster: &CassandraCluster,
    pods: &[Pod],
    view: &ClusterView,
) -> Result<RingFacts, String> {
    // Nodes in service first: others may know of no ring, or of an old one.
    let mut nodes: Vec<&NodeView> = view.nodes.iter().filter(|node| node.state.runs()).collect();
    nodes.sort_by_key(|node| node.state != PodState::Ready);
    let mut why = "no pod of the cluster runs".to_owned();
    for node in nodes.into_iter().take(TRIES) {
        match ask(access, cluster, pods, node).await {
            Ok(facts) => return Ok(facts),
            Err(error) => why = error,
        }
    }
    Err(why)
}

async fn ask(
    access: &Access,
    cluster: &CassandraCluster,
    pods: &[Pod],
    node: &NodeView,
) -> Result<RingFacts, String> {
    let namespace = cluster
        .namespace()
        .unwrap_or_else(|| access.place().namespace.clone());
    let pod = pods
        .iter()
        .find(|pod| pod.metadata.uid.as_deref() == Some(node.uid.as_str()));
    let secret = pod
        .and_then(jolokia_secret::of_pod)
        .or_else(|| jolokia_secret::of_cluster(cluster));
    let credentials = match secret {
        Some(name) => Some(credentials(access, &namespace, &name).await?),
        None => None,
    };
    let dial = ForwardDial {
        pods: access.within(&namespace),
        pod: node.pod.clone(),
        port: PORT,
    };
    let client = JolokiaClient::new(dial)
        .with_credentials(credentials.as_ref())
        .with_limits(LIMITS);
    let question = NodeStatus::question()
        .ask(&ownership::loads())
        .ask(&ownership::token_owners())
        .ask(&ownership::token_shares())
        .ask(&ownership::effective_shares());
    let answers = client.ask(question).await;
    answers
        .and_then(|answers| facts(&node.pod, &answers))
        .map_err(|error| told(&error, &node.pod))
}

async fn credentials(access: &Access, namespace: &str, name: &str) -> Result<Credentials, String> {
    let call = Call {
        verb: "get",
        resource: Kind::Secrets,
        name: Some(name.to_owned()),
    };
    let secrets = access.within::<Secret>(namespace);
    let secret = access
        .call(&call, secrets.get(name))
        .await
        .map_err(|error| error.to_string())?;
    port_forward::credentials(&secret).map_err(|lacks| format!("jolokia secret `{name}` {lacks}"))
}

fn facts(pod: &str, answers: &Answers) -> Result<RingFacts, CallError> {
    let status = NodeStatus::parse(answers)?;
    let (shares, share_of) = match answers.to(&ownership::effective_shares()) {
        Ok(shares) => (shares, ShareOf::Data),
        // Keyspaces that are replicated in different ways have no one share.
        Err(error) if error.category() == Category::Refused => {
            (answers.to(&ownership::token_shares())?, ShareOf::Tokens)
        }
        Err(error) => return Err(error),
    };
    let id = |(address, id): (_, casskop_jolokia::HostId)| (address, id.to_string());
    Ok(RingFacts {
        told_by: pod.to_owned(),
        ring: RingView {
            live: status.live,
            unreachable: status.unreachable,
            joining: status.joining,
            leaving: status.leaving,
            moving: status.moving,
            host_ids: status.host_ids.into_iter().map(id).collect(),
        },
        loads: answers.to(&ownership::loads())?,
        tokens: answers.to(&ownership::token_owners())?,
        shares,
        share_of,
    })
}

/// Why a node did not tell, and what helps.
fn told(error: &CallError, pod: &str) -> String {
    let text = error.to_string();
    let is_forbidden = error.category() == Category::Unreachable && text.contains("403");
    if is_forbidden {
        return format!(
            "you must not forward ports of pod `{pod}`; ask for a Role with verbs `get` and `create` on resource `pods/portforward`"
        );
    }
    text
}
