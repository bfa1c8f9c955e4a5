//! The lab the tests of one program share, with the CRDs installed, and a namespace for each test.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use casskop_lab::lab::{Lab, Lifetime, Options};
use casskop_lab::progress::Silent;
use casskop_lab::state::Nodes;
use casskop_lab::wait::{Answer, until};
use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::Api;
use kube::api::ListParams;
use kube::api::PostParams;
use serde_json::json;
use tokio::sync::{Mutex, MutexGuard, OnceCell};

use crate::kubectl::{Kubectl, Outcome};

/// How long the API server may take to serve a new resource.
const ESTABLISHED: Duration = Duration::from_secs(30);

static LAB: OnceCell<Lab> = OnceCell::const_new();

/// For tests that switch machines off or work in all namespaces, one after the other.
static OTHER_LAB: OnceCell<Lab> = OnceCell::const_new();
static TURN: Mutex<()> = Mutex::const_new(());

/// A place for one test: the shared lab, and a namespace nobody else uses.
pub struct Ground {
    /// The lab.
    pub lab: &'static Lab,
    /// The administrator's client.
    pub client: kube::Client,
    /// The test's own namespace.
    pub namespace: String,
    _turn: Option<MutexGuard<'static, ()>>,
}

impl Ground {
    /// A place in the program's lab, which starts with the first test that asks. All tests of one program ask for the
    /// same kind of nodes.
    pub async fn new(nodes: Nodes) -> Result<Self> {
        let lab = LAB
            .get_or_try_init(async || prepare(Lab::for_test(nodes).await?).await)
            .await?;
        Self::in_lab(lab, None).await
    }

    /// A place in a lab that no other test uses at the same time.
    pub async fn alone(nodes: Nodes) -> Result<Self> {
        let turn = TURN.lock().await;
        let lab = OTHER_LAB
            .get_or_try_init(async || {
                let options = Options {
                    name: format!("alone-{}", std::process::id()),
                    nodes,
                    lifetime: Lifetime::Owned,
                };
                prepare(Lab::start(&options, &Silent).await?).await
            })
            .await?;
        Self::in_lab(lab, Some(turn)).await
    }

    async fn in_lab(lab: &'static Lab, turn: Option<MutexGuard<'static, ()>>) -> Result<Self> {
        // Each test has a runtime of its own, and a client lives in one runtime.
        let client = lab.client().await?;
        let wanted: Namespace = serde_json::from_value(json!({ "metadata": { "generateName": "test-" } }))?;
        let created = Api::all(client.clone())
            .create(&PostParams::default(), &wanted)
            .await?;
        let namespace = created
            .metadata
            .name
            .context("the API server gave the namespace no name")?;
        let ground = Self {
            lab,
            client,
            namespace,
            _turn: turn,
        };
        ground.admit_cassandra()?;
        Ok(ground)
    }

    /// The same place, in a namespace whose name is given because something names it.
    pub async fn in_namespace(mut self, name: &str) -> Result<Self> {
        name.clone_into(&mut self.namespace);
        let wanted: Namespace = serde_json::from_value(json!({ "metadata": { "name": name } }))?;
        match Api::all(self.client.clone())
            .create(&PostParams::default(), &wanted)
            .await
        {
            Err(kube::Error::Api(status)) if status.is_already_exists() => {}
            created => drop(created?),
        }
        self.admit_cassandra()?;
        Ok(self)
    }

    /// Installs the service account of Cassandra's pods: without it the API server takes none of them.
    fn admit_cassandra(&self) -> Result<()> {
        let applied = self
            .kubectl()?
            .arguments(["apply", "-f"])
            .argument(repository().join("operator/deploy/cassandra-pods.yaml"))
            .run()?;
        anyhow::ensure!(
            applied.success,
            "the pods' service account does not install: {}",
            applied.stderr
        );
        Ok(())
    }

    /// `kubectl` as the administrator, in the test's namespace.
    pub fn kubectl(&self) -> Result<Kubectl> {
        Kubectl::new(&self.lab.kubeconfig(), &self.namespace)
    }

    /// A line in a shell, as somebody pastes it, which has to succeed.
    pub fn typed(&self, line: &str) -> Result<Outcome> {
        let outcome = Kubectl::typed(&self.lab.kubeconfig(), &self.namespace, line)?.run()?;
        anyhow::ensure!(outcome.success, "{line}: {outcome:?}");
        Ok(outcome)
    }
}

/// The repository's root.
pub fn repository() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_owned()
}

async fn prepare(lab: Lab) -> Result<Lab> {
    let crds = repository().join("crds");
    let applied = Kubectl::new(&lab.kubeconfig(), "default")?
        .arguments(["apply", "-f"])
        .argument(&crds)
        .run()?;
    anyhow::ensure!(applied.success, "the CRDs do not install: {}", applied.stderr);
    await_established(&lab.client().await?).await?;
    Ok(lab)
}

/// Waits until the API server serves all that it has definitions of.
pub async fn await_established(client: &kube::Client) -> Result<()> {
    let definitions = Api::<CustomResourceDefinition>::all(client.clone());
    until("the CRDs are established", ESTABLISHED, async || {
        let listed = definitions.list(&ListParams::default()).await?;
        let lacking: Vec<String> = listed
            .iter()
            .filter(|definition| !is_served(definition))
            .map(kube::ResourceExt::name_any)
            .collect();
        Ok(if lacking.is_empty() {
            Answer::Yes(())
        } else {
            Answer::not_yet(json!(lacking))
        })
    })
    .await
}

fn is_served(definition: &CustomResourceDefinition) -> bool {
    let status = definition.status.as_ref();
    let conditions = status.and_then(|status| status.conditions.as_deref());
    let holds = |name: &str| {
        let mut conditions = conditions.unwrap_or_default().iter();
        conditions.any(|condition| condition.type_ == name && condition.status == "True")
    };
    holds("Established") && holds("NamesAccepted")
}
