//! Whether an operator is there, alive, and the only one.

use jiff::Timestamp;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use kube::ResourceExt;
use kube::api::Api;

use super::finding::Finding;
use crate::commands::version;
use crate::kube_access::{Access, Call, CallError, Kind};

const SUBJECT: &str = "operator";
const LEASE: &str = "operator's lease";
const LOCK: &str = "CassKop's lock";

/// Name of the ConfigMap by which CassKop's operators take turns.
const CASSKOP_LOCK: &str = "casskop-lock";

pub(super) async fn operator(access: &Access, now: Timestamp) -> Result<Vec<Finding>, CallError> {
    let deployments = match version::operators(access).await {
        Ok(deployments) => deployments,
        Err(error @ CallError::Forbidden { .. }) => {
            return Ok(vec![Finding::warning(SUBJECT, format!("not known: {error}"))]);
        }
        Err(error) => return Err(error),
    };
    let mut findings = running(&deployments);
    for namespace in deployments.iter().filter_map(ResourceExt::namespace) {
        findings.push(match lease(access, &namespace).await {
            Ok(lease) => held(lease.as_ref(), &namespace, now),
            Err(error @ CallError::Forbidden { .. }) => {
                Finding::warning(LEASE, format!("not known: {error}"))
            }
            Err(error) => return Err(error),
        });
    }
    findings.push(match lock(access).await {
        Ok(holder) => locked(holder),
        Err(error @ CallError::Forbidden { .. }) => Finding::warning(LOCK, format!("not known: {error}")),
        Err(error) => return Err(error),
    });
    Ok(findings)
}

fn running(deployments: &[Deployment]) -> Vec<Finding> {
    if deployments.is_empty() {
        return vec![Finding::failed(
            SUBJECT,
            format!(
                "no Deployment labelled {} was found; install it with `kubectl casskop install`",
                version::OPERATOR_LABEL
            ),
        )];
    }
    let finding = |deployment: &Deployment| {
        let name = format!(
            "deployment `{}` of namespace `{}`",
            deployment.name_any(),
            deployment.namespace().unwrap_or_default()
        );
        let ready = deployment
            .status
            .as_ref()
            .and_then(|status| status.ready_replicas);
        match ready.unwrap_or_default() {
            0 => Finding::failed(
                SUBJECT,
                format!(
                    "{name} has no ready pod; see why with `kubectl describe pods --namespace {} --selector {}`",
                    deployment.namespace().unwrap_or_default(),
                    version::OPERATOR_LABEL
                ),
            ),
            ready => Finding::ok(SUBJECT, format!("{name} has {ready} ready")),
        }
    };
    deployments.iter().map(finding).collect()
}

async fn lease(access: &Access, namespace: &str) -> Result<Option<Lease>, CallError> {
    let call = Call {
        verb: "get",
        resource: Kind::Leases,
        name: Some("casskop-operator".to_owned()),
    };
    let leases: Api<Lease> = access.within(namespace);
    access
        .call(&call, Box::pin(leases.get_opt("casskop-operator")))
        .await
}

/// An operator renews its lease every third of its duration.
fn held(lease: Option<&Lease>, namespace: &str, now: Timestamp) -> Finding {
    let look = format!(
        "see `kubectl logs --namespace {namespace} --selector {}`",
        version::OPERATOR_LABEL
    );
    let Some(spec) = lease.and_then(|lease| lease.spec.as_ref()) else {
        return Finding::failed(
            LEASE,
            format!("there is none in namespace `{namespace}`: no operator has led yet; {look}"),
        );
    };
    let holder = spec
        .holder_identity
        .as_deref()
        .filter(|holder| !holder.is_empty());
    let (Some(holder), Some(renewed)) = (holder, spec.renew_time.as_ref()) else {
        return Finding::failed(LEASE, format!("nobody holds it; {look}"));
    };
    let age = now.duration_since(renewed.0).as_secs();
    let valid = i64::from(spec.lease_duration_seconds.unwrap_or(15));
    if age > valid {
        Finding::failed(
            LEASE,
            format!("{holder} has not renewed it for {age} seconds; {look}"),
        )
    } else {
        Finding::ok(LEASE, format!("held by {holder}, renewed within {valid} seconds"))
    }
}

/// The pod that holds CassKop's lock in the namespace, if it is there.
async fn lock(access: &Access) -> Result<Option<String>, CallError> {
    let get = |resource, name: &str| Call {
        verb: "get",
        resource,
        name: Some(name.to_owned()),
    };
    let maps = access.api::<ConfigMap>();
    let call = get(Kind::ConfigMaps, CASSKOP_LOCK);
    let map = access.call(&call, Box::pin(maps.get_opt(CASSKOP_LOCK))).await?;
    let owners = map
        .into_iter()
        .flat_map(|map| map.metadata.owner_references.unwrap_or_default());
    for owner in owners.filter(|owner| owner.kind == "Pod") {
        let pods = access.api::<Pod>();
        let call = get(Kind::Pods, &owner.name);
        let pod = access.call(&call, Box::pin(pods.get_opt(&owner.name))).await?;
        let lives = pod.filter(|pod| {
            let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
            pod.metadata.uid.as_deref() == Some(owner.uid.as_str())
                && !matches!(phase, Some("Failed" | "Succeeded"))
        });
        if lives.is_some() {
            return Ok(Some(owner.name));
        }
    }
    Ok(None)
}

fn locked(holder: Option<String>) -> Finding {
    match holder {
        None => Finding::ok(LOCK, "no CassKop operator runs in this namespace"),
        Some(pod) => Finding::warning(
            LOCK,
            format!(
                "CassKop's operator pod `{pod}` lives, and this operator waits for it; scale CassKop's Deployment to 0 to hand over"
            ),
        ),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::finding::Verdict;
    use super::*;

    fn lease_of(holder: &str, renewed: &str) -> Lease {
        serde_json::from_value(json!({
            "metadata": {}, "spec": { "holderIdentity": holder, "renewTime": renewed, "leaseDurationSeconds": 15 },
        }))
        .unwrap()
    }

    #[test]
    fn a_lease_that_nobody_renews_is_a_failure() {
        let now: Timestamp = "2026-11-21T08:00:00Z".parse().unwrap();
        let verdict = |lease: Option<&Lease>| held(lease, "casskop-operator", now).verdict;
        assert_eq!(verdict(None), Verdict::Failed);
        assert_eq!(
            verdict(Some(&lease_of("", "2026-11-21T07:59:50.000000Z"))),
            Verdict::Failed
        );
        assert_eq!(
            verdict(Some(&lease_of("pod-a", "2026-11-21T07:59:50.000000Z"))),
            Verdict::Ok
        );
        insta::assert_snapshot!(
            held(Some(&lease_of("pod-a", "2026-11-21T07:58:00.000000Z")), "casskop-operator", now).message,
            @"pod-a has not renewed it for 120 seconds; see `kubectl logs --namespace casskop-operator --selector app.kubernetes.io/name=casskop-operator`"
        );
    }

    #[test]
    fn an_operator_that_is_not_ready_is_a_failure() {
        let deployment = |ready: i32| -> Deployment {
            serde_json::from_value(json!({
                "metadata": { "name": "casskop-operator", "namespace": "ops" }, "status": { "readyReplicas": ready },
            }))
            .unwrap()
        };
        assert_eq!(running(&[])[0].verdict, Verdict::Failed);
        assert_eq!(running(&[deployment(0)])[0].verdict, Verdict::Failed);
        assert_eq!(
            running(&[deployment(1)]),
            [Finding::ok(
                SUBJECT,
                "deployment `casskop-operator` of namespace `ops` has 1 ready"
            )]
        );
    }
}
