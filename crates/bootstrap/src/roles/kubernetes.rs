//! Reads the operator's ConfigMap through the pod's service account.
//!
//! By curl, which our image holds anyway for users' hooks: one request at each start does not pay for a TLS stack in a
//! binary that is copied into every pod.

use super::{Environment, Layout};
use crate::plan;
use crate::ring_config_map::{self, Access, RingRecord};
use crate::seed_list::SeedList;
use crate::seeds::{History, Standing};
use std::io::Write;
use std::process::{Command, Stdio};

/// What came of asking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// The record for this pod, or what is known without: no account, no permission and no ConfigMap are all fine.
    pub record: RingRecord,
    /// Whether the pod got at the ConfigMap.
    pub access: Access,
    /// What the user should know.
    pub note: Option<String>,
}

impl Asked {
    const NOTHING: Self = Self {
        record: RingRecord::UNREAD,
        access: Access::Unread,
        note: None,
    };
}

/// Asks the API server, if the pod has an account to ask with.
pub fn ring_record(layout: &Layout, environment: &Environment) -> Asked {
    ask(layout, environment).unwrap_or(Asked::NOTHING)
}

fn ask(layout: &Layout, environment: &Environment) -> Option<Asked> {
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
    // Whether the ring has formed matters to the first seed alone (see crate::seeds), and an entry `replace.<pod>` to any: one that
    // starts without makes itself a new member, and the operator has to make its pod anew.
    let patience = if is_first_seed(layout, environment) {
        30
    } else {
        10
    };
    // On standard input: arguments are readable by every process of the machine.
    let options = format!(
        "silent\nmax-time = 5\nretry = 5\nretry-connrefused\nretry-max-time = {patience}\ncacert = \"{}\"\nheader = \"Authorization: Bearer {}\"\n\
         write-out = \"\\n%{{http_code}}\"\nurl = \"https://{host}:{port}/api/v1/namespaces/{}/configmaps/{name}\"\n",
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
    Some(judge(&String::from_utf8_lossy(&output.stdout), &name, pod))
}

fn is_first_seed(layout: &Layout, environment: &Environment) -> bool {
    let address = environment.get("POD_IP").unwrap_or_default();
    let hosts = std::fs::read_to_string(&layout.hosts).unwrap_or_default();
    let full_name = plan::full_name(&hosts, address);
    let seeds = environment.get("CASSANDRA_SEEDS").unwrap_or_default();
    SeedList::parse(seeds, address, full_name.as_deref()).standing() == Standing::First
}

/// Reads curl's output: the answer, and in a line of its own the status code, which is 000 if there was no answer.
fn judge(output: &str, name: &str, pod: &str) -> Asked {
    let (answer, code) = output.rsplit_once('\n').unwrap_or(("", output));
    let without_record = |history, note| Asked {
        record: RingRecord {
            history,
            ..RingRecord::UNREAD
        },
        access: Access::Unread,
        note,
    };
    match code.trim() {
        "200" => RingRecord::parse(answer, pod).map_or(Asked::NOTHING, |record| {
            let formed = record.history == History::Formed;
            let note = formed.then(|| format!("configmap {name} says that the ring has formed before"));
            Asked {
                record,
                access: Access::Read,
                note,
            }
        }),
        "404" => Asked {
            access: Access::Read,
            ..Asked::NOTHING
        },
        "401" | "403" => without_record(
            History::Unknown,
            Some(format!("the pod's service account may not read configmap {name}")),
        ),
        code => without_record(
            History::Unreachable,
            Some(format!(
                "the API server did not answer what configmap {name} says (status {code})"
            )),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_answer_is_told_from_no_record_and_no_permission() {
        let history = |output: &str| judge(output, "demo-bootstrap", "demo-dc1-rack1-0").record.history;
        let formed = "{\"kind\":\"ConfigMap\",\n \"data\":{\"ring-formed\":\"true\"}}\n\n200";
        assert_eq!(history(formed), History::Formed);
        assert_eq!(history("{\"kind\":\"Status\"}\n404"), History::Unknown);
        for output in ["\n000", "", "upstream\n503"] {
            assert_eq!(history(output), History::Unreachable, "{output:?}");
        }
        let forbidden = judge("{}\n403", "demo-bootstrap", "x");
        assert_eq!(forbidden.record, RingRecord::UNREAD);
        assert_eq!(
            forbidden.note.as_deref(),
            Some("the pod's service account may not read configmap demo-bootstrap")
        );
    }

    #[test]
    fn only_the_first_seed_is_kept_waiting() {
        let root = tempfile::tempdir().unwrap();
        let layout = Layout {
            hosts: root.path().join("hosts"),
            ..Layout::default()
        };
        std::fs::write(&layout.hosts, "10.0.0.1 b.demo.ns.svc.cluster.local b\n").unwrap();
        let first = |seeds: &str| {
            is_first_seed(
                &layout,
                &Environment::from_iter([("POD_IP", "10.0.0.1"), ("CASSANDRA_SEEDS", seeds)]),
            )
        };
        assert!(first("b.demo.ns,a.demo.ns"));
        assert!(!first("a.demo.ns,b.demo.ns"));
        assert!(!first(""));
    }
}
