//! Where the demo plays: in a lab made for it, which stays for the reader to play on, or on the reader's own cluster.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use casskop_lab::address::free_ports;
use casskop_lab::cache::Cache;
use casskop_lab::components::{Component, Components};
use casskop_lab::lab::{Lab, Lifetime, Options};
use casskop_lab::programs::Programs;
use casskop_lab::progress::{Progress, step};
use casskop_lab::state::{self, Nodes};
use casskop_lab::{teardown, tool};
use casskop_simulator::{PodBehaviour, Scope, Span};
use serde_json::{Value, json};

use super::kubectl::Kubectl;
use super::manifests::{self, Images};
use crate::cli::DemoOptions;
use crate::printer::Printer;
use crate::{cargo, lab, setup};

/// One node a rack.
const NODES: u16 = 3;

/// How long a simulated node takes to start: long enough to be seen down in between.
const SIMULATED_START: Span = Span::Millis(4000);

/// The namespace, and the ServiceAccount in it, of the operator as `operator/deploy/cluster-wide.yaml` has them.
const OPERATOR: &str = "casskop-operator";

/// The demo's own namespace on a cluster that is not its own.
const NAMESPACE: &str = "casskop-demo";

/// The definition without which nothing works.
const DEFINITION: &str = "crd/cassandraclusters.db.orange.com";

/// How long the API server may take to serve it.
const ESTABLISHED: Duration = Duration::from_mins(1);

/// What the demo's pods are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Simulated ones; the operator runs beside them.
    Simulated,
    /// Real Cassandra in a lab.
    Real,
    /// Real Cassandra on the reader's cluster.
    Own,
}

impl Kind {
    /// The name of the demo's lab. The simulated one does not take the place of the real one.
    fn lab(self) -> &'static str {
        if self == Self::Simulated {
            "demo-simulated"
        } else {
            "demo"
        }
    }
}

/// The cluster the demo plays on.
pub(super) struct Ground {
    kind: Kind,
    images: Images,
    kubectl: Kubectl,
    lab: Option<Lab>,
}

/// What to tell the reader at the end.
pub(super) struct Words {
    /// After a failure.
    pub(super) to_look: String,
    /// After success.
    pub(super) to_go_on: String,
}

impl Ground {
    pub(super) async fn prepare(options: &DemoOptions, printer: &Printer) -> Result<Self> {
        let (kind, nodes) = match &options.context {
            Some(context) => return Self::of_context(context, options, printer),
            None if options.simulated => (Kind::Simulated, Nodes::Simulated(NODES)),
            None => (Kind::Real, Nodes::Real(NODES)),
        };
        lab::prepare(nodes, printer)?;
        cargo::build(printer, &["casskop-operator", "kubectl-casskop"])?;
        take_down_earlier(kind, printer)?;
        let wanted = Options {
            name: kind.lab().to_owned(),
            nodes,
            // Ctrl-C takes it down; what was played to the end stays, see `leave`.
            lifetime: Lifetime::Owned,
        };
        let lab = Lab::start(&wanted, printer).await?;
        if let Some(simulator) = lab.simulator() {
            let slow = PodBehaviour {
                start: Some(SIMULATED_START),
                ..PodBehaviour::default()
            };
            casskop_simulator::Client::new(simulator)
                .set_pod_behaviour(Scope::Everywhere, slow)
                .await?;
        }
        Ok(Self {
            kind,
            images: Images::choose(kind, &options.images),
            kubectl: Kubectl::of_lab(&lab.kubeconfig())?,
            lab: Some(lab),
        })
    }

    fn of_context(context: &str, options: &DemoOptions, printer: &Printer) -> Result<Self> {
        setup::client(printer)?;
        let kubectl = Components::locate()?.require(Component::Kubectl)?;
        let mut known = Command::new(kubectl);
        known.args(["config", "get-contexts", "--output=name"]);
        if !tool::output(&mut known)?.lines().any(|name| name == context) {
            bail!("the kubeconfig has no context {context}: `kubectl config get-contexts` lists them");
        }
        cargo::build(printer, &["kubectl-casskop"])?;
        Ok(Self {
            kind: Kind::Own,
            images: Images::choose(Kind::Own, &options.images),
            kubectl: Kubectl::of_context(context, NAMESPACE)?,
            lab: None,
        })
    }

    pub(super) fn kind(&self) -> Kind {
        self.kind
    }

    pub(super) fn images(&self) -> &Images {
        &self.images
    }

    pub(super) fn kubectl(&self) -> &Kubectl {
        &self.kubectl
    }

    /// Installs the CRDs and the operator.
    pub(super) async fn install(&mut self, printer: &Printer) -> Result<()> {
        let progress: &dyn Progress = printer;
        if self.kind == Kind::Own && self.has_definitions_of_others()? {
            printer.note("the CRDs are there already, from somebody else: left as they are");
        } else {
            let began = Instant::now();
            progress.start("install the CRDs");
            self.install_definitions().await?;
            progress.done("install the CRDs", began.elapsed());
        }
        match self.kind {
            Kind::Simulated => {
                step(progress, "install the operator's account and role", || {
                    self.apply_all(&without_deployment(manifests::deployed("cluster-wide.yaml")?))?;
                    self.apply_all(&manifests::deployed("cassandra-pods.yaml")?)
                })?;
                self.start_operator_beside().await?;
                printer.note("started the operator beside the cluster: simulated pods run nothing");
                Ok(())
            }
            Kind::Real => step(progress, "start the operator in the cluster", || {
                self.apply_all(&manifests::deployed("cassandra-pods.yaml")?)?;
                self.apply_all(&manifests::deployed("cluster-wide.yaml")?)?;
                self.await_operator(OPERATOR)
            }),
            Kind::Own => step(progress, "start the operator in the cluster", || {
                let namespace =
                    json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": NAMESPACE } });
                self.kubectl.apply(&namespace.to_string())?;
                self.apply_all(&manifests::deployed("cassandra-pods.yaml")?)?;
                self.apply_all(&manifests::operator_of(NAMESPACE, &self.images.operator)?)?;
                self.await_operator(NAMESPACE)
            }),
        }
    }

    /// Whether somebody else has installed the CRDs: they belong to clusters the demo knows nothing of.
    fn has_definitions_of_others(&self) -> Result<bool> {
        let found = self.kubectl.output(&[
            "get",
            DEFINITION,
            "--ignore-not-found",
            "--output=json",
            "--show-managed-fields",
        ])?;
        if found.is_empty() {
            return Ok(false);
        }
        let found: Value = serde_json::from_str(&found).context("kubectl printed no JSON")?;
        let writers = found["metadata"]["managedFields"].as_array();
        Ok(!writers.is_some_and(|all| {
            all.iter()
                .any(|writer| writer["manager"] == super::kubectl::MANAGER)
        }))
    }

    async fn install_definitions(&self) -> Result<()> {
        for definition in manifests::definitions()? {
            self.kubectl.apply(&definition)?;
        }
        // Not by `kubectl wait`, which fails on a definition that has no conditions yet.
        let began = Instant::now();
        while !manifests::is_established(&self.kubectl.get(&[DEFINITION])?) {
            if began.elapsed() > ESTABLISHED {
                bail!("the API server does not serve {DEFINITION}");
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Ok(())
    }

    fn apply_all(&self, objects: &[Value]) -> Result<()> {
        let list = json!({ "apiVersion": "v1", "kind": "List", "items": objects });
        self.kubectl.apply(&list.to_string())
    }

    fn await_operator(&self, namespace: &str) -> Result<()> {
        let rollout = [
            "rollout",
            "status",
            "deployment/casskop-operator",
            "--timeout=5m",
            "--namespace",
            namespace,
        ];
        self.kubectl.output(&rollout).map(drop)
    }

    /// The operator as a process of the lab, under the role it has inside a cluster.
    async fn start_operator_beside(&mut self) -> Result<()> {
        let lab = self.lab.as_mut().context("the simulated demo has a lab")?;
        let login = lab.service_account_login(OPERATOR, OPERATOR).await?;
        let address = lab.record().block.control_plane();
        let [metrics, health] = free_ports(address)?;
        let program = Programs::beside_this_one()?.require("casskop-operator", "casskop-operator")?;
        let mut command = Command::new(program);
        command
            .arg("run")
            .arg("--kubeconfig")
            .arg(login)
            .args([
                "--leader-election-namespace",
                OPERATOR,
                "--pod-name",
                "casskop-operator-demo",
            ])
            .args(["--metrics-addr", &format!("{address}:{metrics}")])
            .args(["--health-probe-bind-address", &format!("{address}:{health}")])
            .env("WATCH_NAMESPACE", "");
        lab.run("casskop-operator", &mut command).map(drop)
    }

    /// Leaves everything to the reader, and says what there is to know.
    pub(super) fn leave(self) -> Result<Words> {
        if let Some(lab) = self.lab {
            lab.leave()?;
        }
        let line = |arguments: &[&str]| format!("  {}\n", self.kubectl.line(arguments));
        let enter = match self.kind {
            Kind::Own => {
                let programs = Programs::beside_this_one()?;
                format!("  export PATH=\"{}:$PATH\"\n", programs.directory().display())
            }
            _ => format!("  eval \"$(cargo xtask lab env {})\"\n", self.kind.lab()),
        };
        let end = match self.kind {
            Kind::Own => format!(
                "{}The CRDs stay: whoever deletes them deletes every CassandraCluster.",
                line(&["delete", "namespace/casskop-demo"])
            ),
            _ => format!("  cargo xtask lab down {}", self.kind.lab()),
        };
        let play = [
            line(&["get", "cassandraclusters,pods"]),
            line(&["casskop", "restart", "--crd", "demo", "--full", "--wait"]),
            line(&[
                "casskop",
                "cleanup",
                "start",
                "--prefix",
                "demo-dc1-rack2",
                "--wait",
            ]),
            line(&["casskop", "cleanup", "status"]),
        ];
        let mut look = enter.clone();
        look += &line(&["describe", "cassandracluster", "demo"]);
        look += &line(&["get", "pods,events"]);
        Ok(Words {
            to_look: format!("{look}To end it:\n{end}"),
            to_go_on: format!(
                "The ring stays up, to play on:\n{enter}{}To end it:\n{end}",
                play.concat()
            ),
        })
    }
}

fn without_deployment(mut objects: Vec<Value>) -> Vec<Value> {
    objects.retain(|object| object["kind"] != "Deployment");
    objects
}

fn take_down_earlier(kind: Kind, printer: &Printer) -> Result<()> {
    let cache = Cache::locate()?;
    for (directory, _) in state::all(&cache)? {
        if directory.name() == kind.lab() {
            step(
                printer as &dyn Progress,
                "take down the lab of an earlier demo",
                || teardown::down(&cache, &directory),
            )?;
        }
    }
    Ok(())
}
