//! The StatefulSet of a rack.

use std::collections::BTreeMap;

use casskop_types::labels::{self, CONFIG_MAP_CONTENT, Labels, ROLLING_RESTART};
use k8s_openapi::api::apps::v1::{
    RollingUpdateStatefulSetStrategy, StatefulSet, StatefulSetSpec, StatefulSetUpdateStrategy,
};
use k8s_openapi::api::core::v1::PodTemplateSpec;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};

use super::pod::{pod_spec, repelled};
use super::volumes::{DataMount, claim_templates};
use crate::hooks;
use crate::validate::{ValidatedCluster, ValidatedRack};

/// Template annotations that are not the operator's: `kubectl rollout restart` writes its time there.
const KUBECTL_DOMAIN: &str = "kubectl.kubernetes.io/";

/// What a StatefulSet is made from besides the spec.
#[derive(Clone, Debug)]
pub struct TemplateInputs<'a> {
    /// Seeds the pods are started with.
    pub seeds: &'a [String],
    /// Time of a new rolling restart, as a label value; without one the stored time stays.
    pub restart: Option<&'a str>,
    /// Pods.
    pub replicas: i32,
    /// The StatefulSet that is there, exactly as read.
    pub stored: Option<&'a StatefulSet>,
}

/// The whole StatefulSet of a rack: what is there (with its uid and resourceVersion, so that the write fails if it has changed
/// since), and over it what the operator owns.
pub fn statefulset(
    cluster: &ValidatedCluster,
    rack: &ValidatedRack,
    inputs: &TemplateInputs<'_>,
) -> StatefulSet {
    let labels = cluster.rack_labels(&rack.id);
    let stored_spec = inputs.stored.and_then(|stored| stored.spec.clone());
    let spec = StatefulSetSpec {
        replicas: Some(inputs.replicas),
        template: PodTemplateSpec {
            metadata: Some(ObjectMeta {
                labels: Some(template_labels(&labels, inputs)),
                annotations: Some(template_annotations(cluster, inputs.stored)),
                ..ObjectMeta::default()
            }),
            spec: Some(pod_spec(
                cluster,
                rack,
                inputs.seeds,
                DataMount::of(cluster, rack, inputs.stored),
                repelled(cluster, inputs.stored),
            )),
        },
        update_strategy: Some(StatefulSetUpdateStrategy {
            type_: Some("RollingUpdate".to_owned()),
            rolling_update: Some(RollingUpdateStatefulSetStrategy {
                partition: Some(rack.partition),
                max_unavailable: None,
            }),
        }),
        // The rest cannot be changed, or is the business of whoever set it.
        ..stored_spec.unwrap_or_else(|| StatefulSetSpec {
            service_name: Some(cluster.name.service()),
            selector: LabelSelector {
                match_labels: Some(labels.clone()),
                match_expressions: None,
            },
            volume_claim_templates: Some(claim_templates(cluster, rack)),
            ..StatefulSetSpec::default()
        })
    };
    StatefulSet {
        metadata: metadata(cluster, rack, labels, inputs.stored),
        spec: Some(spec),
        status: None,
    }
}

fn metadata(
    cluster: &ValidatedCluster,
    rack: &ValidatedRack,
    labels: Labels,
    stored: Option<&StatefulSet>,
) -> ObjectMeta {
    let mut metadata = stored.map_or_else(
        || ObjectMeta {
            name: Some(cluster.stateful_set_name(&rack.id)),
            namespace: Some(cluster.namespace.clone()),
            ..ObjectMeta::default()
        },
        |stored| stored.metadata.clone(),
    );
    metadata.managed_fields = None;
    metadata.labels.get_or_insert_default().extend(labels);
    // CassKop's copy of what it generated is untrue from now on.
    if let Some(annotations) = &mut metadata.annotations {
        annotations.remove(labels::STATEFUL_SET_LAST_APPLIED);
    }
    let owner = super::owner_reference(cluster);
    let owners = metadata.owner_references.get_or_insert_default();
    if !owners.iter().any(|reference| reference.uid == owner.uid) {
        owners.push(owner);
    }
    metadata
}

/// Labels of the pods. Those of a StatefulSet that is there stay as they are: its selector cannot follow the cluster object's
/// labels, and other labels would restart every node.
fn template_labels(of_rack: &Labels, inputs: &TemplateInputs<'_>) -> Labels {
    let mut labels = stored_template(inputs.stored)
        .and_then(|metadata| metadata.labels.clone())
        .unwrap_or_else(|| of_rack.clone());
    if let Some(time) = inputs.restart {
        labels.insert(ROLLING_RESTART.to_owned(), time.to_owned());
    }
    labels
}

fn template_annotations(
    cluster: &ValidatedCluster,
    stored: Option<&StatefulSet>,
) -> BTreeMap<String, String> {
    let foreign = stored_template(stored)
        .and_then(|metadata| metadata.annotations.clone())
        .into_iter()
        .flatten()
        .filter(|(key, _)| key.starts_with(KUBECTL_DOMAIN));
    let mut annotations: BTreeMap<String, String> = foreign.collect();
    annotations.extend(cluster.pod.annotations.clone());
    let content = hooks::annotation(cluster, stored);
    annotations.extend(content.map(|content| (CONFIG_MAP_CONTENT.to_owned(), content)));
    annotations
}

fn stored_template(stored: Option<&StatefulSet>) -> Option<&ObjectMeta> {
    stored?.spec.as_ref()?.template.metadata.as_ref()
}
