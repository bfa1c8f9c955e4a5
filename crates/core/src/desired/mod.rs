//! stub
use crate::validate::*;
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
pub struct TemplateInputs<'a> {
    pub seeds: &'a [String],
    pub restart: Option<&'a str>,
    pub replicas: i32,
    pub stored: Option<&'a StatefulSet>,
}
pub fn statefulset(_: &ValidatedCluster, _: &ValidatedRack, _: &TemplateInputs<'_>) -> StatefulSet {
    Default::default()
}
pub fn services(_: &ValidatedCluster) -> Vec<Service> {
    vec![]
}
pub fn disruption_budget(_: &ValidatedCluster) -> PodDisruptionBudget {
    Default::default()
}
pub fn stored_seeds(_: &StatefulSet) -> Vec<String> {
    vec![]
}
pub mod seeds {
    pub fn initial(_: &super::ValidatedCluster) -> Vec<String> {
        vec![]
    }
}
pub mod diff {
    pub fn template_differs(_: &super::StatefulSet, _: &super::StatefulSet) -> Option<Vec<String>> {
        None
    }
}
