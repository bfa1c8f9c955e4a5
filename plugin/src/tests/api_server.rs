//! An API server of a few objects, for what a run asks it: no more than lists, and patches that change nothing.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::{Value, json};

use super::ClosedPipe;
use crate::exit::ExitStatus;

/// It listens as long as the tests run.
struct ApiServer {
    address: String,
    patched: Arc<Mutex<Vec<String>>>,
}

impl ApiServer {
    fn of(pods: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let patched = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&patched);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let seen = Arc::clone(&seen);
                thread::spawn(move || answer(client, pods, &seen));
            }
        });
        Self { address, patched }
    }

    /// A run whose standard output nobody reads.
    fn run_unread(&self, line: &str) -> (ExitStatus, String) {
        self.run_to(line, &mut ClosedPipe)
    }

    /// A run, and what it says on standard error.
    fn run_to(&self, line: &str, out: &mut dyn Write) -> (ExitStatus, String) {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        let config = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "lab",
            "contexts": [{ "name": "lab", "context": { "cluster": "lab", "user": "ann", "namespace": "data" } }],
            "clusters": [{ "name": "lab", "cluster": { "server": self.address } }],
            "users": [{ "name": "ann", "user": {} }],
        });
        file.write_all(config.to_string().as_bytes()).unwrap();
        let line = format!("{line} --kubeconfig {}", file.path().display());
        let mut err = Vec::new();
        let status = super::run_to(&line, out, &mut err);
        (status, String::from_utf8(err).unwrap())
    }

    /// Paths that were patched.
    fn patched(&self) -> Vec<String> {
        let mut patched = self.patched.lock().unwrap().clone();
        patched.sort();
        patched
    }
}

/// One request a connection.
fn answer(client: TcpStream, pods: usize, patched: &Mutex<Vec<String>>) -> io::Result<()> {
    let mut client = BufReader::new(client);
    let mut head = String::new();
    let mut length = 0;
    loop {
        let mut line = String::new();
        client.read_line(&mut line)?;
        if line.trim().is_empty() {
            break;
        }
        if let Some(text) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = text.trim().parse().unwrap();
        }
        head.push_str(&line);
    }
    let mut body = vec![0; length];
    client.read_exact(&mut body)?;
    let mut words = head.split([' ', '?']);
    let (method, path) = (words.next().unwrap(), words.next().unwrap());
    let (place, name) = path.rsplit_once('/').unwrap();
    let object = match (method, name) {
        ("GET", "cassandraclusters") => list("db.orange.com/v2", "CassandraClusterList", &[cluster()]),
        ("GET", "pods") => list("v1", "PodList", &(0..pods).map(pod).collect::<Vec<_>>()),
        ("GET", "roles") => list("rbac.authorization.k8s.io/v1", "RoleList", &[]),
        ("GET", name) => {
            json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name } })
        }
        ("PATCH", name) => {
            patched.lock().unwrap().push(path.to_owned());
            match name
                .rsplit_once('-')
                .and_then(|(_, ordinal)| ordinal.parse().ok())
            {
                Some(ordinal) if place.ends_with("/pods") => pod(ordinal),
                _ => serde_json::from_slice::<Value>(&body).unwrap(),
            }
        }
        other => panic!("{other:?}"),
    };
    let text = object.to_string();
    write!(
        client.get_mut(),
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{text}",
        text.len()
    )
}

fn list(version: &str, kind: &str, items: &[Value]) -> Value {
    json!({ "apiVersion": version, "kind": kind, "metadata": { "resourceVersion": "7" }, "items": items })
}

fn cluster() -> Value {
    json!({
        "apiVersion": "db.orange.com/v2", "kind": "CassandraCluster",
        "metadata": { "name": "demo", "namespace": "data" },
        "spec": { "topology": { "dc": [{ "name": "dc1", "rack": [{ "name": "rack1" }] }] } },
    })
}

fn pod(ordinal: usize) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "name": format!("demo-dc1-rack1-{ordinal}"), "namespace": "data",
            "uid": format!("u{ordinal}"), "resourceVersion": "7",
            "labels": {
                "app": "cassandracluster", "cassandracluster": "demo",
                "cassandraclusters.db.orange.com.dc": "dc1", "cassandraclusters.db.orange.com.rack": "rack1",
            },
        },
        "status": { "phase": "Running", "conditions": [{ "type": "Ready", "status": "True" }] },
    })
}

#[test]
fn every_pod_is_asked_though_nobody_reads_of_it() {
    // More than are written to at once.
    let server = ApiServer::of(80);
    let (status, err) = server.run_unread("kubectl-casskop cleanup start");
    assert_eq!((status, err.as_str()), (ExitStatus::Success, ""));
    assert_eq!(server.patched().len(), 80);
}

#[test]
fn all_is_installed_though_nobody_reads_of_it() {
    let server = ApiServer::of(0);
    let (status, err) = server.run_unread("kubectl-casskop install");
    assert_eq!((status, err.as_str()), (ExitStatus::Success, ""));
    let patched = server.patched();
    assert!(
        patched
            .iter()
            .any(|path| path.ends_with("/rolebindings/cassandra-cluster-node")),
        "{patched:?}"
    );
}

#[test]
fn what_is_only_shown_names_the_clusters_that_are_there() {
    let server = ApiServer::of(0);
    let mut out = Vec::new();
    let line = "kubectl-casskop install --dry-run -o json";
    let (status, err) = server.run_to(line, &mut out);
    assert_eq!((status, err.as_str()), (ExitStatus::Success, ""));
    let shown = String::from_utf8(out).unwrap();
    assert!(shown.contains("demo-bootstrap"), "{shown}");
    assert!(server.patched().is_empty());
}
