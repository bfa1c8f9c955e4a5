//! Reads the operator's ConfigMap through the pod's service account.
//!
//! By curl, which our image holds anyway for users' hooks: one request at each start does not pay for a TLS stack in a
//! binary that is copied into every pod.

use super::{Environment, Layout};
use crate::ring_config_map::{self, RingRecord};
use std::io::Write;
use std::process::{Command, Stdio};

/// The record for this pod, or what is known without: no account, no permission and no ConfigMap are all fine.
pub fn ring_record(layout: &Layout, environment: &Environment) -> RingRecord {
    fetch(layout, environment).unwrap_or(RingRecord::UNREAD)
}

fn fetch(layout: &Layout, environment: &Environment) -> Option<RingRecord> {
    let account = |file: &str| std::fs::read_to_string(layout.service_account.join(file)).ok();
    let (token, namespace) = (account("token")?, account("namespace")?);
    let host = environment.get("KUBERNETES_SERVICE_HOST")?;
    let host = if host.contains(':') {
        format!("[{host}]")
    } else {
        host.to_owned()
    };
    let port = environment.get("KUBERNETES_SERVICE_PORT").unwrap_or("443");
    let name = ring_config_map::name(environment.get("CASSANDRA_CLUSTER_NAME")?);
    // On standard input: arguments are readable by every process of the machine.
    let options = format!(
        "silent\nfail\nmax-time = 5\ncacert = \"{}\"\nheader = \"Authorization: Bearer {}\"\n\
         url = \"https://{host}:{port}/api/v1/namespaces/{}/configmaps/{name}\"\n",
        layout.service_account.join("ca.crt").display(),
        token.trim(),
        namespace.trim(),
    );
    let mut curl = Command::new("curl")
        .args(["--disable", "--config", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    curl.stdin.take()?.write_all(options.as_bytes()).ok()?;
    let output = curl.wait_with_output().ok()?;
    let pod = environment.get("HOSTNAME")?;
    output
        .status
        .success()
        .then(|| RingRecord::parse(&String::from_utf8_lossy(&output.stdout), pod))
        .flatten()
}
