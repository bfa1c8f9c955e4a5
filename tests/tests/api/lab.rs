//! The lab itself: what other tests rely on without looking.

use std::time::Duration;

use casskop_lab::control_plane::ADMIN;
use casskop_lab::lab;
use casskop_lab::state::Nodes;
use casskop_lab::wait::{Answer, until};
use casskop_tests::ground::Ground;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Secret, ServiceAccount};
use kube::Api;
use kube::api::{ListParams, PostParams};
use serde_json::json;

const SOON: Duration = Duration::from_secs(30);

#[tokio::test]
async fn a_claim_without_a_class_is_bound() {
    let ground = Ground::new(Nodes::None).await.unwrap();
    let claims = Api::<PersistentVolumeClaim>::namespaced(ground.client.clone(), &ground.namespace);
    let claim = serde_json::from_value(json!({
        "metadata": { "name": "data" },
        "spec": { "accessModes": ["ReadWriteOnce"], "resources": { "requests": { "storage": "1Gi" } } },
    }))
    .unwrap();
    claims.create(&PostParams::default(), &claim).await.unwrap();
    until("the claim is bound", SOON, async || {
        let claim = claims.get("data").await?;
        let phase = claim.status.and_then(|status| status.phase).unwrap_or_default();
        Ok(if phase == "Bound" {
            Answer::Yes(())
        } else {
            Answer::not_yet(phase)
        })
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn a_service_account_may_nothing_unless_granted_and_the_audit_log_says_so() {
    let ground = Ground::new(Nodes::None).await.unwrap();
    let accounts = Api::<ServiceAccount>::namespaced(ground.client.clone(), &ground.namespace);
    let account = serde_json::from_value(json!({ "metadata": { "name": "nobody" } })).unwrap();
    accounts.create(&PostParams::default(), &account).await.unwrap();
    let login = ground
        .lab
        .service_account_login(&ground.namespace, "nobody")
        .await
        .unwrap();
    let client = lab::client(&login).await.unwrap();

    let mut requests = ground.lab.requests_from_now().unwrap();
    let secrets = Api::<Secret>::namespaced(client, &ground.namespace);
    let refused = secrets.list(&ListParams::default()).await.unwrap_err();
    assert!(matches!(refused, kube::Error::Api(status) if status.code == 403));
    Api::<Secret>::namespaced(ground.client.clone(), &ground.namespace)
        .list(&ListParams::default())
        .await
        .unwrap();

    // The log is written after the answer has been sent.
    let mut seen = Vec::new();
    let user = format!("system:serviceaccount:{}:nobody", ground.namespace);
    until("both requests are in the audit log", SOON, async || {
        seen.extend(requests.read()?.into_iter().filter(|request| {
            let about = request.object_ref.as_ref();
            request.is_complete()
                && about.is_some_and(|object| {
                    object.resource == "secrets" && object.namespace == ground.namespace
                })
        }));
        Ok(if seen.len() >= 2 {
            Answer::Yes(())
        } else {
            Answer::not_yet(seen.len())
        })
    })
    .await
    .unwrap();
    let mut users: Vec<(&str, bool)> = seen
        .iter()
        .map(|request| (request.user.username.as_str(), request.is_forbidden()))
        .collect();
    users.sort_unstable();
    assert_eq!(users, [(ADMIN, false), (user.as_str(), true)]);
}
