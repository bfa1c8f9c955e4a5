//! What the user may do, and which verbs need it.

use futures::{StreamExt, stream};
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec,
};
use kube::api::PostParams;

use super::finding::{Finding, Verdict};
use crate::kube_access::{Access, Call, CallError, Kind};

/// A right and the verbs that cannot do without it.
struct Need {
    verb: &'static str,
    group: &'static str,
    resource: &'static str,
    subresource: &'static str,
    /// Verbs of the plugin.
    verbs: &'static str,
    /// What its lack means.
    lack: Verdict,
}

const fn need(
    verb: &'static str,
    group: &'static str,
    resource: &'static str,
    subresource: &'static str,
    verbs: &'static str,
    lack: Verdict,
) -> Need {
    Need {
        verb,
        group,
        resource,
        subresource,
        verbs,
        lack,
    }
}

const CLUSTERS: &str = "cassandraclusters";
const GROUP: &str = "db.orange.com";
const TASKS: &str = "control.k8ssandra.io";

/// In the order of the documentation. Without the first four hardly any verb works; the others are granted to those who need them.
const NEEDS: [Need; 24] = [
    need("get", GROUP, CLUSTERS, "", "every verb", Verdict::Failed),
    need("list", GROUP, CLUSTERS, "", "every verb", Verdict::Failed),
    need("list", "", "pods", "", "every verb on nodes", Verdict::Failed),
    need("watch", "", "pods", "", "--wait", Verdict::Warning),
    need("watch", GROUP, CLUSTERS, "", "--wait", Verdict::Warning),
    need(
        "patch",
        GROUP,
        CLUSTERS,
        "",
        "restart, reconcile",
        Verdict::Warning,
    ),
    need("get", "", "pods", "", "operations on nodes", Verdict::Warning),
    need("patch", "", "pods", "", "operations on nodes", Verdict::Warning),
    need("get", "", "pods", "log", "logs, report --logs", Verdict::Warning),
    need("create", "", "pods", "exec", "nodetool, cqlsh", Verdict::Warning),
    need("list", TASKS, "k8ssandratasks", "", "task", Verdict::Warning),
    need("list", TASKS, "cassandratasks", "", "task", Verdict::Warning),
    need("get", TASKS, "k8ssandratasks", "", "task", Verdict::Warning),
    need(
        "create",
        TASKS,
        "k8ssandratasks",
        "",
        "task create",
        Verdict::Warning,
    ),
    need(
        "watch",
        TASKS,
        "k8ssandratasks",
        "",
        "task wait",
        Verdict::Warning,
    ),
    need(
        "patch",
        TASKS,
        "k8ssandratasks",
        "",
        "task abort",
        Verdict::Warning,
    ),
    need(
        "patch",
        TASKS,
        "cassandratasks",
        "",
        "task abort",
        Verdict::Warning,
    ),
    need("list", TASKS, "scheduledtasks", "", "schedule", Verdict::Warning),
    need(
        "create",
        TASKS,
        "scheduledtasks",
        "",
        "schedule create",
        Verdict::Warning,
    ),
    need(
        "patch",
        TASKS,
        "scheduledtasks",
        "",
        "schedule suspend and resume",
        Verdict::Warning,
    ),
    need(
        "list",
        "apps",
        "statefulsets",
        "",
        "tree, plan, report",
        Verdict::Warning,
    ),
    need("list", "", "services", "", "tree, plan, report", Verdict::Warning),
    need(
        "list",
        "policy",
        "poddisruptionbudgets",
        "",
        "tree, plan, report",
        Verdict::Warning,
    ),
    need(
        "list",
        "discovery.k8s.io",
        "endpointslices",
        "",
        "seeds, report",
        Verdict::Warning,
    ),
];

/// Reviews that are asked for at the same moment.
const AT_ONCE: usize = NEEDS.len();

pub(super) async fn permissions(access: &Access) -> Result<Vec<Finding>, CallError> {
    let reviewed = stream::iter(&NEEDS)
        .map(|need| review(access, need))
        .buffered(AT_ONCE);
    let reviewed: Vec<_> = reviewed.collect().await;
    reviewed.into_iter().collect()
}

async fn review(access: &Access, need: &Need) -> Result<Finding, CallError> {
    let some = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    let asked = SelfSubjectAccessReview {
        spec: SelfSubjectAccessReviewSpec {
            resource_attributes: Some(ResourceAttributes {
                namespace: Some(access.place().namespace.clone()),
                verb: some(need.verb),
                group: some(need.group),
                resource: some(need.resource),
                subresource: some(need.subresource),
                ..ResourceAttributes::default()
            }),
            non_resource_attributes: None,
        },
        ..SelfSubjectAccessReview::default()
    };
    let call = Call {
        verb: "create",
        resource: Kind::AccessReviews,
        name: None,
    };
    let reviews = access.everywhere::<SelfSubjectAccessReview>();
    let params = PostParams::default();
    let answer = access
        .call(&call, Box::pin(reviews.create(&params, &asked)))
        .await?;
    let allowed = answer.status.is_some_and(|status| status.allowed);
    Ok(finding(need, allowed))
}

fn finding(need: &Need, allowed: bool) -> Finding {
    let resource = match need.subresource {
        "" => need.resource.to_owned(),
        subresource => format!("{}/{subresource}", need.resource),
    };
    let subject = format!("right to {} {resource}", need.verb);
    if allowed {
        return Finding::ok(&subject, format!("granted ({})", need.verbs));
    }
    Finding::new(
        need.lack,
        &subject,
        format!(
            "not granted, {} will not work; ask for a Role with verb `{}` on resource `{resource}`",
            need.verbs, need.verb
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_right_that_is_lacking_is_named_with_what_needs_it() {
        let exec = NEEDS.iter().find(|need| need.subresource == "exec").unwrap();
        insta::assert_snapshot!(
            finding(exec, false).message,
            @"not granted, nodetool, cqlsh will not work; ask for a Role with verb `create` on resource `pods/exec`"
        );
        assert_eq!(finding(exec, false).verdict, Verdict::Warning);
        assert_eq!(finding(&NEEDS[0], false).verdict, Verdict::Failed);
        assert_eq!(finding(&NEEDS[0], true).verdict, Verdict::Ok);
    }
}
