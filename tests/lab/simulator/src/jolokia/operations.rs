//! Operations of the MBeans, with the signatures each release offers.

use serde_json::{Value, json};

use super::attributes::MBean;
use super::protocol::{Failure, OperationName};
use super::shares;
use crate::ring::{Force, NodeView, Operation, Release, RingRange, Transport};

/// What an operation asks of the node.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Action {
    /// Work that blocks the caller until it is done.
    Work(Operation),
    /// Accept CQL, or stop it.
    NativeTransport(Transport),
    /// Nothing but an answer.
    Answer(Value),
    /// A dump of the JVM's threads.
    ThreadPrint,
    /// Stop the running tasks of a kind (`OperationType`).
    StopCompaction(String),
}

/// One signature of one operation, and the releases that have it: from the first up to, but without, the second.
#[derive(Clone, Copy)]
struct Signature {
    name: &'static str,
    parameters: &'static [&'static str],
    since: (u16, u16),
    until: (u16, u16),
}

const ALWAYS: (u16, u16) = (u16::MAX, u16::MAX);
const BOOL: &str = "boolean";
const INT: &str = "int";
const LONG: &str = "long";
const TEXT: &str = "java.lang.String";
const TEXTS: &str = "[Ljava.lang.String;";

const fn signature(name: &'static str, parameters: &'static [&'static str]) -> Signature {
    Signature {
        name,
        parameters,
        since: (0, 0),
        until: ALWAYS,
    }
}

const fn since(major: u16, minor: u16, signature: Signature) -> Signature {
    Signature {
        since: (major, minor),
        ..signature
    }
}

const fn until(major: u16, minor: u16, signature: Signature) -> Signature {
    Signature {
        until: (major, minor),
        ..signature
    }
}

const STORAGE_SERVICE: &[Signature] = &[
    until(4, 0, signature("decommission", &[])),
    since(4, 0, signature("decommission", &[BOOL])),
    signature("describeRingJMX", &[TEXT]),
    since(4, 0, signature("describeRingWithPortJMX", &[TEXT])),
    signature("drain", &[]),
    signature("effectiveOwnership", &[TEXT]),
    signature("forceKeyspaceCleanup", &[TEXT, TEXTS]),
    signature("forceKeyspaceCleanup", &[INT, TEXT, TEXTS]),
    signature("forceKeyspaceCompaction", &[BOOL, TEXT, TEXTS]),
    signature("forceKeyspaceCompactionForTokenRange", &[TEXT, TEXT, TEXT, TEXTS]),
    signature("forceKeyspaceFlush", &[TEXT, TEXTS]),
    signature("forceRemoveCompletion", &[]),
    signature("garbageCollect", &[TEXT, INT, TEXT, TEXTS]),
    signature("move", &[TEXT]),
    signature("rebuild", &[TEXT]),
    signature("rebuild", &[TEXT, TEXT, TEXT, TEXT]),
    since(5, 0, signature("rebuild", &[TEXT, TEXT, TEXT, TEXT, BOOL])),
    signature("removeNode", &[TEXT]),
    signature("scrub", &[BOOL, BOOL, BOOL, BOOL, INT, TEXT, TEXTS]),
    signature("startNativeTransport", &[]),
    signature("stopNativeTransport", &[]),
    signature("upgradeSSTables", &[TEXT, BOOL, TEXTS]),
    signature("upgradeSSTables", &[TEXT, BOOL, INT, TEXTS]),
    since(
        4,
        1,
        signature("upgradeSSTables", &[TEXT, BOOL, LONG, INT, TEXTS]),
    ),
];
const SNITCH: &[Signature] = &[signature("getDatacenter", &[TEXT]), signature("getRack", &[TEXT])];
const MESSAGING_SERVICE: &[Signature] = &[since(4, 0, signature("reloadSslCertificates", &[]))];
const COMPACTION_MANAGER: &[Signature] = &[signature("stopCompaction", &[TEXT])];
const DIAGNOSTIC_COMMAND: &[Signature] = &[signature("threadPrint", &[TEXTS])];

/// Finds the operation and reads its arguments.
pub(super) fn resolve(
    mbean: &MBean,
    object_name: &str,
    operation: &OperationName,
    arguments: &[Value],
    view: Option<NodeView<'_>>,
) -> Result<Action, Failure> {
    let (offered, release) = match (mbean, view) {
        (MBean::DiagnosticCommand, _) => (DIAGNOSTIC_COMMAND, Release::new(0, 0, 0)),
        (MBean::StorageService, Some(view)) => (STORAGE_SERVICE, view.node().release),
        (MBean::EndpointSnitchInfo, Some(view)) => (SNITCH, view.node().release),
        (MBean::CompactionManager, Some(view)) => (COMPACTION_MANAGER, view.node().release),
        (MBean::MessagingService, Some(view)) => (MESSAGING_SERVICE, view.node().release),
        (MBean::Runtime | MBean::Memory, _) | (_, Some(_)) => (&[] as &[Signature], Release::new(0, 0, 0)),
        (_, None) => return Err(Failure::no_mbean(object_name)),
    };
    let parameters = choose(offered, object_name, operation, release)?;
    if parameters.len() != arguments.len() {
        return Err(Failure::illegal(format!(
            "Invalid number of operation arguments. Operation {} on {object_name} requires {} parameters, not {} \
             as given",
            operation.as_given,
            parameters.len(),
            arguments.len()
        )));
    }
    match (mbean, view) {
        (MBean::StorageService, Some(view)) => storage_service(&operation.name, parameters, arguments, view),
        (MBean::CompactionManager, Some(view)) => stop_compaction(arguments, view.node().release),
        (MBean::EndpointSnitchInfo, Some(view)) => snitch(&operation.name, arguments, view),
        // A node without encryption has nothing to read again, and says no word of it.
        (MBean::MessagingService, Some(_)) => Ok(Action::Answer(Value::Null)),
        _ => Ok(Action::ThreadPrint),
    }
}

/// The parameters of the operation that is meant; the messages are those of Jolokia's `ExecHandler`.
fn choose(
    offered: &'static [Signature],
    object_name: &str,
    operation: &OperationName,
    release: Release,
) -> Result<&'static [&'static str], Failure> {
    let version = (release.major, release.minor);
    let known: Vec<&'static [&'static str]> = offered
        .iter()
        .filter(|one| one.name == operation.name && one.since <= version && version < one.until)
        .map(|one| one.parameters)
        .collect();
    let listed = || {
        known
            .iter()
            .map(|types| format!("({})", types.join(",")))
            .collect::<Vec<_>>()
            .join(",")
    };
    match (&operation.signature, known.as_slice()) {
        (_, []) => Err(Failure::illegal(format!(
            "No operation {} found on MBean {object_name}",
            operation.name
        ))),
        (None, [only]) => Ok(only),
        (None, _) => Err(Failure::illegal(format!(
            "Operation {} on MBean {object_name} is overloaded. Signatures found: {}. Use a signature when \
             specifying the operation.",
            operation.name,
            listed()
        ))),
        (Some(wanted), _) => known
            .iter()
            .copied()
            .find(|types| wanted.iter().eq(types.iter()))
            .ok_or_else(|| {
                Failure::illegal(format!(
                    "No operation {}({}) on MBean {object_name} exists. Known signatures: {}",
                    operation.name,
                    wanted.join(","),
                    listed()
                ))
            }),
    }
}

fn storage_service(
    name: &str,
    parameters: &'static [&'static str],
    arguments: &[Value],
    view: NodeView<'_>,
) -> Result<Action, Failure> {
    // The keyspace is the first argument that is a string, in every operation on one but this.
    let keyspace = || {
        let position = match name {
            "garbageCollect" => 2,
            _ => parameters.iter().position(|kind| *kind == TEXT).unwrap_or(0),
        };
        required(arguments, position)
    };
    if parameters.last() == Some(&TEXTS) {
        tables_are_known(view, &keyspace()?, arguments.last())?;
    }
    Ok(match name {
        "forceKeyspaceCleanup" => Action::Work(Operation::Cleanup {
            keyspace: keyspace()?,
        }),
        "upgradeSSTables" => Action::Work(Operation::UpgradeSstables {
            keyspace: keyspace()?,
        }),
        "rebuild" => Action::Work(Operation::Rebuild {
            source_dc: optional(arguments, 0),
            keyspace: optional(arguments, 1),
        }),
        "removeNode" => Action::Work(Operation::RemoveNode {
            host: required(arguments, 0)?,
        }),
        "decommission" => {
            let forced = arguments.first().is_none_or(truth);
            let force = if forced { Force::Forced } else { Force::Checked };
            Action::Work(Operation::Decommission { force })
        }
        "move" => Action::Work(Operation::Move {
            token: required(arguments, 0)?,
        }),
        "drain" => Action::Work(Operation::Drain),
        "scrub"
        | "garbageCollect"
        | "forceKeyspaceCompaction"
        | "forceKeyspaceCompactionForTokenRange"
        | "forceKeyspaceFlush" => Action::Work(Operation::Maintain {
            name: name.to_owned(),
            keyspace: keyspace()?,
        }),
        "startNativeTransport" => Action::NativeTransport(Transport::On),
        "stopNativeTransport" => Action::NativeTransport(Transport::Off),
        "effectiveOwnership" => Action::Answer(shares::of_data(view, optional(arguments, 0).as_deref())?),
        "describeRingJMX" => Action::Answer(describe_ring(view, &keyspace()?, "")?),
        "describeRingWithPortJMX" => Action::Answer(describe_ring(view, &keyspace()?, ":7000")?),
        _ => {
            let class = "java.lang.UnsupportedOperationException";
            return Err(Failure::thrown(
                class,
                "No token removals in progress, call removeNode first",
            ));
        }
    })
}

/// Every operation on tables looks for them before it does anything; a keyspace that is not there it looks for itself.
fn tables_are_known(view: NodeView<'_>, keyspace: &str, tables: Option<&Value>) -> Result<(), Failure> {
    let Some(known) = view.ring().keyspaces().get(keyspace) else {
        return Ok(());
    };
    let named = tables.and_then(Value::as_array).into_iter().flatten();
    let mut named = named.filter_map(Value::as_str);
    if let Some(table) = named.find(|table| known.tables.iter().all(|one| one != table)) {
        let message = format!("Unknown keyspace/cf pair ({keyspace}.{table})");
        return Err(Failure::thrown("java.lang.IllegalArgumentException", message));
    }
    Ok(())
}

/// `OperationType.valueOf` first: what is no kind is refused.
fn stop_compaction(arguments: &[Value], release: Release) -> Result<Action, Failure> {
    const KINDS: [&str; 7] = [
        "CLEANUP",
        "COMPACTION",
        "GARBAGE_COLLECT",
        "SCRUB",
        "TOMBSTONE_COMPACTION",
        "UPGRADE_SSTABLES",
        "VALIDATION",
    ];
    let kind = required(arguments, 0)?;
    let known = KINDS.contains(&kind.as_str()) || kind == "MAJOR_COMPACTION" && release.at_least(5, 0);
    if known {
        Ok(Action::StopCompaction(kind))
    } else {
        Err(Failure::thrown(
            "java.lang.IllegalArgumentException",
            format!("No enum constant org.apache.cassandra.db.compaction.OperationType.{kind}"),
        ))
    }
}

fn snitch(name: &str, arguments: &[Value], view: NodeView<'_>) -> Result<Action, Failure> {
    let host = required(arguments, 0)?;
    let address = host.trim_start_matches('/').parse().ok();
    let node = address
        .and_then(|address| view.ring().at_address(address))
        .and_then(|id| view.ring().node(id));
    let node = node.ok_or_else(|| Failure::thrown("java.net.UnknownHostException", host.clone()))?;
    let value = if name == "getRack" {
        &node.location.rack
    } else {
        &node.location.dc
    };
    Ok(Action::Answer(value.as_str().into()))
}

/// `TokenRange(...)` lines, as `describeRingJMX` returns them.
fn describe_ring(view: NodeView<'_>, keyspace: &str, port: &str) -> Result<Value, Failure> {
    let ring = view.ring();
    let Some(known) = ring.keyspaces().get(keyspace) else {
        let message = format!("No such keyspace: {keyspace}");
        return Err(Failure::thrown("java.io.IOException", message));
    };
    if known.replication.is_local() {
        let message = "There is no ring for the keyspace: ".to_owned() + keyspace;
        return Err(Failure::thrown("java.io.IOException", message));
    }
    let line = |RingRange { start, end, replicas }: RingRange| {
        let replicas: Vec<_> = replicas.into_iter().filter_map(|host| ring.node(host)).collect();
        let addresses: Vec<String> = replicas
            .iter()
            .map(|node| format!("{}{port}", node.address))
            .collect();
        let details: Vec<String> = replicas
            .iter()
            .map(|node| {
                let crate::ring::Location { dc, rack } = &node.location;
                format!(
                    "EndpointDetails(host:{}{port}, datacenter:{dc}, rack:{rack})",
                    node.address
                )
            })
            .collect();
        let addresses = addresses.join(", ");
        Value::from(format!(
            "TokenRange(start_token:{start}, end_token:{end}, endpoints:[{addresses}], \
             rpc_endpoints:[{addresses}], endpoint_details:[{}])",
            details.join(", ")
        ))
    };
    Ok(ring.ranges(keyspace).into_iter().map(line).collect())
}

/// A string argument that may be null. Jolokia turns the text `[null]` of a GET into null as well.
fn optional(arguments: &[Value], position: usize) -> Option<String> {
    arguments
        .get(position)?
        .as_str()
        .filter(|text| *text != "[null]")
        .map(str::to_owned)
}

fn required(arguments: &[Value], position: usize) -> Result<String, Failure> {
    optional(arguments, position).ok_or_else(|| Failure::thrown("java.lang.NullPointerException", "null"))
}

/// Java's `Boolean.parseBoolean`: whatever is not "true" is false.
fn truth(value: &Value) -> bool {
    value.as_bool().unwrap_or_else(|| {
        value
            .as_str()
            .is_some_and(|text| text.eq_ignore_ascii_case("true"))
    })
}

/// What `version` answers: the agent and its settings, all of them texts.
pub(super) fn agent_version() -> Value {
    json!({
        "agent": "1.7.1",
        "protocol": "7.2",
        "config": {
            "agentContext": "/jolokia", "agentId": "simulated", "agentType": "jvm",
            "allowDnsReverseLookup": "true", "allowErrorDetails": "true", "authIgnoreCerts": "false",
            "authMatch": "any", "authMode": "basic", "canonicalNaming": "true", "debug": "false",
            "debugMaxEntries": "100", "discoveryEnabled": "true", "historyMaxEntries": "10",
            "includeStackTrace": "true", "listenForHttpService": "true", "maxCollectionSize": "0",
            "maxDepth": "15", "maxObjects": "0", "mimeType": "text/plain", "multicastGroup": "239.192.48.84",
            "multicastPort": "24884", "policyLocation": "classpath:/jolokia-access.xml", "realm": "jolokia",
            "serializeException": "false", "streaming": "true", "useRestrictorService": "false",
        },
        "info": {},
    })
}
