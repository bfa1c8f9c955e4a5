//! The probes, run in the Cassandra container every few seconds.

use super::{Environment, Layout, Readers, read_file, write_file};
use crate::disk::{DataDirectories, Membership};
use crate::jolokia_http;
use crate::plan::{Jolokia, Plan};
use crate::probe::{self, Ports, Readiness};
use crate::seeds::History;
use crate::yaml::Document;
use anyhow::{Context as _, Result, bail};
use std::io::Write;
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Shorter than any probe timeout that is not asking for trouble; the default is ten seconds.
const BUDGET: Duration = Duration::from_secs(4);

/// For one connection attempt to a port of the same pod.
const CONNECT: Duration = Duration::from_secs(1);

/// Which probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Kind {
    /// Does the node serve?
    Readiness,
    /// Does the JVM run?
    Liveness,
}

/// Runs a probe; an error says why it fails, which the kubelet puts into an event.
pub fn run(kind: Kind, layout: &Layout, environment: &Environment, out: &mut dyn Write) -> Result<()> {
    let node = Node::read(layout, environment)?;
    match kind {
        Kind::Readiness => readiness(&node, layout, environment, out),
        Kind::Liveness => liveness(&node, layout),
    }
}

struct Node {
    address: IpAddr,
    jolokia: Jolokia,
    ports: Ports,
    data: DataDirectories,
    plan: Option<Plan>,
}

impl Node {
    fn read(layout: &Layout, environment: &Environment) -> Result<Self> {
        let plan: Option<Plan> = read_file(&layout.plan())
            .ok()
            .and_then(|text| serde_json::from_str(&text).ok());
        let address = environment
            .get("POD_IP")
            .or(plan.as_ref().map(|plan| plan.address.as_str()));
        let yaml = Document::parse(&read_file(&layout.cassandra_yaml())?);
        Ok(Self {
            address: address
                .context("the environment lacks POD_IP")?
                .parse()
                .context("POD_IP is no address")?,
            jolokia: plan.as_ref().map_or(Jolokia::On, |plan| plan.jolokia),
            ports: Ports::of(&yaml, layout.jolokia_port),
            data: DataDirectories::of(&yaml),
            plan,
        })
    }

    /// For the next start in this pod: the data directory may be lost by then, and with it what it says.
    fn ring_has_formed(&self, layout: &Layout) -> Result<()> {
        match &self.plan {
            Some(plan) if plan.history != History::Formed => {
                let plan = Plan {
                    history: History::Formed,
                    ..plan.clone()
                };
                let text = serde_json::to_string_pretty(&plan)?;
                write_file(&layout.plan(), text.as_bytes(), Readers::All)
            }
            _ => Ok(()),
        }
    }

    fn takes_connections(&self, port: u16) -> bool {
        TcpStream::connect_timeout(&SocketAddr::new(self.address, port), CONNECT).is_ok()
    }
}

fn readiness(node: &Node, layout: &Layout, environment: &Environment, out: &mut dyn Write) -> Result<()> {
    if node.jolokia == Jolokia::Off {
        // A node opens this port when it has joined, and closes it when it drains.
        if !node.takes_connections(node.ports.native_transport) {
            bail!("not ready: no connection to the native transport port");
        }
    } else {
        let jolokia = SocketAddr::new(node.address, node.ports.jolokia);
        let credentials = environment.jolokia_credentials();
        let answer = jolokia_http::post(jolokia, credentials.as_ref(), &probe::readiness_request(), BUDGET)
            .context("not ready")?;
        match probe::readiness(&answer, &node.address.to_string()) {
            Readiness::Ready => {}
            verdict => bail!("{verdict}"),
        }
        if probe::sees_others(&answer)
            && let Err(error) = node.ring_has_formed(layout)
        {
            writeln!(out, "that the ring has formed could not be noted: {error:#}")?;
        }
    }
    // The next start may go by it (see crate::disk). A node that serves is ready all the same.
    if let Err(error) = node.data.set_record(Membership::Joined) {
        writeln!(out, "the membership could not be recorded: {error}")?;
    }
    Ok(())
}

/// The storage port comes first: its queue of connections is long enough to outlast any garbage collection. It opens late,
/// after the commit log is replayed, and closes when the node drains; Jolokia's is there as long as the JVM is.
fn liveness(node: &Node, layout: &Layout) -> Result<()> {
    let alive = node.takes_connections(node.ports.storage)
        || node.takes_connections(node.ports.ssl_storage)
        || match node.jolokia {
            Jolokia::On => node.takes_connections(node.ports.jolokia),
            Jolokia::Off => has_process(layout),
        }
        || is_held_back(layout);
    if !alive {
        bail!("not alive: no JVM takes connections on {}", node.address);
    }
    Ok(())
}

/// Before the JVM there is the decision over the seeds, which may have to wait for other nodes.
fn is_held_back(layout: &Layout) -> bool {
    let until = std::fs::read_to_string(layout.waiting())
        .ok()
        .and_then(|until| until.trim().parse::<u64>().ok());
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs();
    until.is_some_and(|until| now < until)
}

/// Whether Cassandra's JVM is among the container's processes.
fn has_process(layout: &Layout) -> bool {
    let Ok(processes) = std::fs::read_dir(&layout.processes) else {
        return false;
    };
    processes.flatten().any(|process| {
        std::fs::read(process.path().join("cmdline")).is_ok_and(|arguments| {
            String::from_utf8_lossy(&arguments).contains("org.apache.cassandra.service.CassandraDaemon")
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::RECORD;
    use std::io::Read as _;
    use std::net::TcpListener;
    use std::path::PathBuf;

    struct Pod {
        root: tempfile::TempDir,
        layout: Layout,
        environment: Environment,
    }

    /// Ports 1 to 3 are closed.
    fn pod(address: &str, storage_port: u16, jolokia: &str) -> Pod {
        let root = tempfile::tempdir().unwrap();
        let layout = Layout {
            configuration: root.path().to_path_buf(),
            processes: root.path().join("proc"),
            jolokia_port: 1,
            ..Layout::default()
        };
        let yaml = format!(
            "storage_port: {storage_port}\nssl_storage_port: 2\nnative_transport_port: 3\ndata_file_directories: ['{}']\n",
            root.path().join("data").display()
        );
        std::fs::write(layout.cassandra_yaml(), yaml).unwrap();
        let plan = format!(
            r#"{{"address":"{address}","fullName":null,"seeds":"","writtenSeeds":[],"history":"unknown","replaces":null,"jolokia":"{jolokia}"}}"#
        );
        std::fs::write(layout.plan(), plan).unwrap();
        Pod {
            root,
            layout,
            environment: Environment::from_iter([("POD_IP", address)]),
        }
    }

    impl Pod {
        fn probe(&self, kind: Kind) -> Result<()> {
            run(kind, &self.layout, &self.environment, &mut Vec::new())
        }

        fn history(&self) -> History {
            let plan: Plan = serde_json::from_str(&read_file(&self.layout.plan()).unwrap()).unwrap();
            plan.history
        }

        fn record(&self) -> PathBuf {
            self.root.path().join("data").join(RECORD)
        }
    }

    /// Plays Jolokia for one call, and tells the pod where.
    fn jolokia(pod: &mut Pod, value: &'static str) -> std::thread::JoinHandle<()> {
        let listener = TcpListener::bind((pod.environment.get("POD_IP").unwrap(), 0)).unwrap();
        pod.layout.jolokia_port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 4096];
            assert!(stream.read(&mut request).unwrap() > 0);
            write!(
                stream,
                "HTTP/1.1 200 OK\r\n\r\n{{\"status\":200,\"value\":{value}}}"
            )
            .unwrap();
        })
    }

    #[test]
    fn a_ready_node_is_recorded_as_a_member() {
        let mut pod = pod("127.83.0.1", 1, "on");
        let server = jolokia(
            &mut pod,
            r#"{"OperationMode":"NORMAL","NativeTransportRunning":true,"LiveNodes":["127.83.0.1"]}"#,
        );
        pod.probe(Kind::Readiness).unwrap();
        server.join().unwrap();
        assert_eq!(std::fs::read_to_string(pod.record()).unwrap(), "joined\n");
        assert_eq!(
            pod.history(),
            History::Unknown,
            "a ring of one can be founded anew"
        );

        let server = jolokia(
            &mut pod,
            r#"{"OperationMode":"NORMAL","NativeTransportRunning":true,"LiveNodes":["127.83.0.1","127.83.0.2"]}"#,
        );
        pod.probe(Kind::Readiness).unwrap();
        server.join().unwrap();
        assert_eq!(pod.history(), History::Formed);
    }

    #[test]
    fn a_joining_node_is_alive_but_neither_ready_nor_recorded() {
        let mut pod = pod("127.83.1.1", 1, "on");
        let server = jolokia(
            &mut pod,
            r#"{"OperationMode":"JOINING","NativeTransportRunning":false,"LiveNodes":["127.83.1.1"]}"#,
        );
        let error = pod.probe(Kind::Readiness).unwrap_err();
        assert_eq!(error.to_string(), "not ready: the node is JOINING, not NORMAL");
        server.join().unwrap();
        assert!(!pod.record().exists());

        let storage = TcpListener::bind("127.83.1.1:0").unwrap();
        let pod = super::tests::pod("127.83.1.1", storage.local_addr().unwrap().port(), "on");
        pod.probe(Kind::Liveness).unwrap();
    }

    /// The same sockets are open while a commit log is replayed. Nothing is accepted here, as during a long collection.
    #[test]
    fn a_drained_node_is_alive_but_not_ready() {
        let mut drained = pod("127.83.4.1", 1, "on");
        let server = jolokia(
            &mut drained,
            r#"{"OperationMode":"DRAINED","NativeTransportRunning":false,"LiveNodes":["127.83.4.1"]}"#,
        );
        let error = drained.probe(Kind::Readiness).unwrap_err();
        assert_eq!(error.to_string(), "not ready: the node is DRAINED, not NORMAL");
        server.join().unwrap();

        let busy = TcpListener::bind("127.83.4.1:0").unwrap();
        drained.layout.jolokia_port = busy.local_addr().unwrap().port();
        drained.probe(Kind::Liveness).unwrap();
        drop(busy);
        assert!(drained.probe(Kind::Liveness).is_err());
    }

    #[test]
    fn without_a_jvm_a_node_is_dead_unless_its_start_is_held_back() {
        let pod = pod("127.83.2.1", 1, "on");
        assert!(pod.probe(Kind::Liveness).is_err());
        assert!(pod.probe(Kind::Readiness).is_err());
        let soon = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() + 60;
        std::fs::write(pod.layout.waiting(), soon.to_string()).unwrap();
        pod.probe(Kind::Liveness).unwrap();
        std::fs::write(pod.layout.waiting(), "1").unwrap();
        assert!(pod.probe(Kind::Liveness).is_err());
    }

    #[test]
    fn without_jolokia_ports_and_processes_are_looked_at() {
        let pod = pod("127.83.3.1", 1, "off");
        assert!(pod.probe(Kind::Liveness).is_err());
        let process = pod.layout.processes.join("7");
        std::fs::create_dir_all(&process).unwrap();
        std::fs::write(
            process.join("cmdline"),
            "java\0org.apache.cassandra.service.CassandraDaemon\0",
        )
        .unwrap();
        pod.probe(Kind::Liveness).unwrap();
        assert!(pod.probe(Kind::Readiness).is_err());
    }
}
