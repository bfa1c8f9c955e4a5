//! `cargo xtask demo`: the main job seen end to end, through the real `kubectl`: a ring comes up, one rack restarts, the
//! nodes clean up, and at no moment are two nodes down.

use std::collections::BTreeMap;
use std::io::Write;
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use casskop_lab::lab::{Lab, Lifetime, Options};
use casskop_lab::programs::Programs;
use casskop_lab::progress::Progress;
use casskop_lab::state::Nodes;

use crate::cli::DemoOptions;
use crate::printer::Printer;
use crate::test::path;
use crate::{cargo, lab};

/// One node in each of three racks.
const NODES: u16 = 3;

/// What the demo brings up.
const CLUSTER: &str = "
apiVersion: db.orange.com/v2
kind: CassandraCluster
metadata:
  name: demo
spec:
  cassandraImage: cassandra:5.0.9
  dataCapacity: 1Gi
  backRestSidecar:
    enabled: false
  topology:
    dc:
      - name: dc1
        rack: [{name: rack1}, {name: rack2}, {name: rack3}]
";

/// Time between two looks at the nodes.
const SAMPLE: Duration = Duration::from_secs(1);

pub(crate) async fn run(options: &DemoOptions, printer: &Printer) -> Result<ExitCode> {
    if !options.simulated {
        bail!("this version shows the demo on simulated nodes only: cargo xtask demo --simulated");
    }
    let nodes = Nodes::Simulated(NODES);
    lab::prepare(nodes, printer)?;
    cargo::build(printer, &["casskop-operator", "kubectl-casskop"])?;
    let name = format!("demo-{}", std::process::id());
    let lab = Lab::start(
        &Options {
            name,
            nodes,
            lifetime: Lifetime::Owned,
        },
        printer,
    )
    .await?;
    let shown = show(&lab, printer);
    let ended = lab.stop();
    shown.and(ended)?;
    printer.result("To play on: cargo xtask lab up --simulated 3, then eval \"$(cargo xtask lab env)\"");
    Ok(ExitCode::SUCCESS)
}

fn show(lab: &Lab, printer: &Printer) -> Result<()> {
    let kubectl = Kubectl { lab, printer };
    let repository = cargo::repository();
    kubectl.quietly(&["apply", "-f", &repository.join("crds").to_string_lossy()], "")?;
    kubectl.quietly(
        &[
            "wait",
            "--for=condition=Established",
            "crd/cassandraclusters.db.orange.com",
        ],
        "",
    )?;
    let accounts = repository.join("operator/deploy/cassandra-pods.yaml");
    kubectl.quietly(&["apply", "-f", &accounts.to_string_lossy()], "")?;
    let _operator = Operator::start(lab)?;
    printer.result("A ring of three racks with a node each comes up:");
    kubectl.quietly(&["apply", "-f", "-"], CLUSTER)?;
    kubectl.quietly(
        &[
            "wait",
            "cassandracluster/demo",
            "--for=jsonpath={.status.phase}=Running",
            "--timeout=2m",
        ],
        "",
    )?;
    kubectl.openly(&["get", "cassandraclusters,pods"])?;
    let before = kubectl.uids()?;
    let watch = Watch::start(&kubectl)?;
    printer.result("One rack restarts, then every node cleans up:");
    kubectl.openly(&[
        "casskop",
        "restart",
        "--crd",
        "demo",
        "--rack",
        "dc1.rack1",
        "--wait",
        "--timeout",
        "2m",
    ])?;
    kubectl.openly(&[
        "casskop",
        "cleanup",
        "start",
        "--crd",
        "demo",
        "--wait",
        "--timeout",
        "2m",
    ])?;
    kubectl.openly(&["casskop", "cleanup", "status", "--crd", "demo"])?;
    let (samples, most_down) = watch.end();
    let after = kubectl.uids()?;
    for (pod, uid) in &after {
        let (new, restarted) = (before.get(pod) != Some(uid), pod.contains("-rack1-"));
        ensure!(
            new == restarted,
            "pod {pod} has {} uid",
            if new { "a new" } else { "its old" }
        );
    }
    ensure!(most_down <= 1, "{most_down} nodes were down at once");
    printer.result(&format!(
        "The pod of dc1.rack1 is a new one and the others are not; in {samples} looks, a second apart, at most \
         {most_down} of {NODES} nodes was down."
    ));
    Ok(())
}

/// The real kubectl against the demo's lab.
struct Kubectl<'a> {
    lab: &'a Lab,
    printer: &'a Printer,
}

impl Kubectl<'_> {
    fn command(&self, arguments: &[&str]) -> Result<Command> {
        let mut command = Command::new("kubectl");
        command
            .env("KUBECONFIG", self.lab.kubeconfig())
            .env("PATH", path()?)
            .args(arguments);
        Ok(command)
    }

    /// Shows the command and all it prints.
    fn openly(&self, arguments: &[&str]) -> Result<()> {
        self.printer.result(&format!("$ kubectl {}", arguments.join(" ")));
        let status = self
            .command(arguments)?
            .stdin(Stdio::null())
            .status()
            .context("cannot run kubectl")?;
        ensure!(
            status.success(),
            "`kubectl {}` failed ({status})",
            arguments.join(" ")
        );
        Ok(())
    }

    /// Tells what it printed only if it failed.
    fn quietly(&self, arguments: &[&str], input: &str) -> Result<String> {
        self.printer.note(&format!("$ kubectl {}", arguments.join(" ")));
        let mut command = self.command(arguments)?;
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("cannot run kubectl")?;
        if let Some(mut stdin) = child.stdin.take() {
            stdin.write_all(input.as_bytes())?;
        }
        let output = child.wait_with_output()?;
        let told = String::from_utf8_lossy(&output.stderr);
        ensure!(
            output.status.success(),
            "`kubectl {}`: {}",
            arguments.join(" "),
            told.trim()
        );
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    fn uids(&self) -> Result<BTreeMap<String, String>> {
        let columns = "-o=jsonpath={range .items[*]}{.metadata.name} {.metadata.uid}{\"\\n\"}{end}";
        let listed = self.quietly(&["get", "pods", "-l", "cassandracluster=demo", columns], "")?;
        let pairs = listed.lines().filter_map(|line| line.split_once(' '));
        Ok(pairs.map(|(pod, uid)| (pod.to_owned(), uid.to_owned())).collect())
    }
}

/// Looks at the nodes every second and keeps how many were down at worst.
struct Watch {
    stop: Arc<AtomicBool>,
    samples: Arc<AtomicUsize>,
    most_down: Arc<AtomicUsize>,
    looking: thread::JoinHandle<()>,
}

impl Watch {
    fn start(kubectl: &Kubectl<'_>) -> Result<Self> {
        let ready = "-o=jsonpath={.items[*].status.conditions[?(@.type==\"Ready\")].status}";
        let mut look = kubectl.command(&["get", "pods", "-l", "cassandracluster=demo", ready])?;
        let stop = Arc::new(AtomicBool::new(false));
        let samples = Arc::new(AtomicUsize::new(0));
        let most_down = Arc::new(AtomicUsize::new(0));
        let (stopped, counted, worst) = (stop.clone(), samples.clone(), most_down.clone());
        let looking = thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                if let Some(output) = look.output().ok().filter(|output| output.status.success()) {
                    let told = String::from_utf8_lossy(&output.stdout).into_owned();
                    let up = told.split_whitespace().filter(|status| *status == "True").count();
                    worst.fetch_max(usize::from(NODES).saturating_sub(up), Ordering::Relaxed);
                    counted.fetch_add(1, Ordering::Relaxed);
                }
                thread::park_timeout(SAMPLE);
            }
        });
        Ok(Self {
            stop,
            samples,
            most_down,
            looking,
        })
    }

    fn end(self) -> (usize, usize) {
        self.stop.store(true, Ordering::Relaxed);
        self.looking.thread().unpark();
        // A look that panicked has counted nothing more; what was counted before stands.
        let _ended = self.looking.join();
        (
            self.samples.load(Ordering::Relaxed),
            self.most_down.load(Ordering::Relaxed),
        )
    }
}

/// The operator beside the lab, as it runs outside a cluster.
struct Operator(Child);

impl Operator {
    fn start(lab: &Lab) -> Result<Self> {
        let program = Programs::beside_this_one()?.require("casskop-operator", "casskop-operator")?;
        let log = std::fs::File::create(lab.directory().path().join("operator.log"))?;
        let child = Command::new(program)
            .args([
                "run",
                "--metrics-addr",
                "127.0.0.1:0",
                "--health-probe-bind-address",
                "127.0.0.1:0",
            ])
            .arg("--kubeconfig")
            .arg(lab.kubeconfig())
            .env("POD_NAME", "demo-operator")
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("cannot start the operator")?;
        Ok(Self(child))
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        // Gone already, or ended now.
        let _ended = self.0.kill().and_then(|()| self.0.wait());
    }
}
