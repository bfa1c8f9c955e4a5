//! The StatefulSets made from a spec, as the API server stores them: an unchanged spec must never restart a node.

use std::path::PathBuf;

use anyhow::{Context, Result, anyhow, ensure};
use casskop_core::desired::diff::template_differs;
use casskop_core::desired::{TemplateInputs, disruption_budget, seeds, services, statefulset};
use casskop_core::validate::{ValidatedCluster, ValidatedRack, validate};
use casskop_lab::state::Nodes;
use casskop_tests::ground::{Ground, repository};
use casskop_types::CassandraCluster;
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kube::Api;
use kube::api::{Patch, PatchParams, PostParams};

fn fixture(name: &str) -> PathBuf {
    repository().join("crates/core/src/desired/fixtures").join(name)
}

/// The cluster of a fixture, as the API server gives it back, in the test's namespace.
fn created(ground: &Ground, name: &str) -> Result<CassandraCluster> {
    let text = std::fs::read_to_string(fixture(name))?;
    let place = format!("namespace: {}", ground.namespace);
    let text = text.replace("namespace: cassandra", &place);
    let applied = ground
        .kubectl()?
        .arguments(["create", "-o", "json", "-f", "-"])
        .input(&text)
        .run()?;
    ensure!(applied.success, "{}", applied.stderr);
    Ok(serde_json::from_str(&applied.stdout)?)
}

fn validated(ground: &Ground, name: &str) -> Result<ValidatedCluster> {
    validate(&created(ground, name)?).map_err(|problems| anyhow!("{problems:?}"))
}

fn made(cluster: &ValidatedCluster, rack: &ValidatedRack, stored: Option<&StatefulSet>) -> StatefulSet {
    let seeds = match stored {
        Some(stored) => seeds::of_statefulset(cluster, stored),
        None => seeds::initial(cluster),
    };
    // No pods: nobody is to run them here.
    let inputs = TemplateInputs {
        seeds: &seeds,
        restart: None,
        replicas: 0,
        stored,
    };
    statefulset(cluster, rack, &inputs)
}

async fn stays_as_it_is(name: &str) -> Result<()> {
    let ground = Ground::new(Nodes::None).await?;
    let cluster = validated(&ground, name)?;
    let statefulsets = Api::<StatefulSet>::namespaced(ground.client.clone(), &ground.namespace);
    for rack in &cluster.racks {
        let new = made(&cluster, rack, None);
        let stored = statefulsets.create(&PostParams::default(), &new).await?;
        assert_eq!(template_differs(&new, &stored), None, "{}", rack.id);

        let again = made(&cluster, rack, Some(&stored));
        assert_eq!(template_differs(&again, &stored), None, "{}", rack.id);
        let name = stored.metadata.name.as_deref().context("no name")?;
        // The controller may have written the status meanwhile; the generation counts changes of the spec alone.
        let again = StatefulSet {
            metadata: k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta {
                resource_version: None,
                ..again.metadata
            },
            ..again
        };
        let replaced = statefulsets.replace(name, &PostParams::default(), &again).await?;
        assert_eq!(
            replaced.metadata.generation, stored.metadata.generation,
            "{}",
            rack.id
        );
    }
    Ok(())
}

#[tokio::test]
async fn a_cluster_that_says_nothing_stays_as_it_is() -> Result<()> {
    stays_as_it_is("minimal.yaml").await
}

#[tokio::test]
async fn a_cluster_of_two_datacenters_stays_as_it_is() -> Result<()> {
    stays_as_it_is("two-datacenters.yaml").await
}

#[tokio::test]
async fn a_cluster_that_says_everything_stays_as_it_is() -> Result<()> {
    stays_as_it_is("everything.yaml").await
}

#[tokio::test]
async fn services_and_budget_are_applied_once() {
    let ground = Ground::new(Nodes::None).await.unwrap();
    let cluster = validated(&ground, "everything.yaml").unwrap();
    let params = PatchParams::apply("casskop-operator");
    let api = Api::<Service>::namespaced(ground.client.clone(), &ground.namespace);
    for service in services(&cluster) {
        let name = service.metadata.name.clone().unwrap();
        let first = api.patch(&name, &params, &Patch::Apply(&service)).await.unwrap();
        assert_eq!(first.spec.as_ref().unwrap().cluster_ip.as_deref(), Some("None"));
        let second = api.patch(&name, &params, &Patch::Apply(&service)).await.unwrap();
        assert_eq!(
            first.metadata.resource_version, second.metadata.resource_version,
            "{name}"
        );
    }
    let api = Api::<PodDisruptionBudget>::namespaced(ground.client.clone(), &ground.namespace);
    let budget = disruption_budget(&cluster);
    let applied = api.patch("demo", &params, &Patch::Apply(&budget)).await.unwrap();
    assert_eq!(applied.spec, budget.spec);
}
