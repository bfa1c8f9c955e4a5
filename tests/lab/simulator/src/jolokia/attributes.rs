//! Attributes of the MBeans a node offers, computed from the ring as that node sees it.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde_json::{Map, Value, json};

use super::protocol::Failure;
use crate::ring::{
    CallId, HostId, Membership, Moment, NodeView, Operation, OperationMode, Partitions, Session, Stream,
    Transport, derived_uuid,
};

/// Keys a partition of the model stands for.
const KEYS_PER_PARTITION: u64 = 1000;
/// Bytes on disk a partition of the model stands for.
const BYTES_PER_PARTITION: u64 = 64 * 1024;
const STORAGE_PORT: u16 = 7000;

/// An MBean the simulated node has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum MBean {
    StorageService,
    CompactionManager,
    StreamManager,
    FailureDetector,
    EndpointSnitchInfo,
    Gossiper,
    Runtime,
    Memory,
    DiagnosticCommand,
    /// A metric of one table: keyspace, table, metric.
    Table(String, String, String),
}

impl MBean {
    /// The MBean of that object name.
    pub(super) fn parse(name: &str) -> Result<Self, Failure> {
        let missing = || Failure::no_mbean(name);
        let (domain, keys) = name.split_once(':').ok_or_else(missing)?;
        let key = |wanted: &str| {
            keys.split(',')
                .filter_map(|pair| pair.split_once('='))
                .find(|(key, _)| *key == wanted)
                .map(|(_, v)| v)
        };
        match (domain, key("type")) {
            ("org.apache.cassandra.db", Some("StorageService")) => Ok(Self::StorageService),
            ("org.apache.cassandra.db", Some("CompactionManager")) => Ok(Self::CompactionManager),
            ("org.apache.cassandra.db", Some("EndpointSnitchInfo")) => Ok(Self::EndpointSnitchInfo),
            ("org.apache.cassandra.net", Some("StreamManager")) => Ok(Self::StreamManager),
            ("org.apache.cassandra.net", Some("FailureDetector")) => Ok(Self::FailureDetector),
            ("org.apache.cassandra.net", Some("Gossiper")) => Ok(Self::Gossiper),
            ("java.lang", Some("Runtime")) => Ok(Self::Runtime),
            ("java.lang", Some("Memory")) => Ok(Self::Memory),
            ("com.sun.management", Some("DiagnosticCommand")) => Ok(Self::DiagnosticCommand),
            ("org.apache.cassandra.metrics", Some("Table")) => {
                match (key("keyspace"), key("scope"), key("name")) {
                    (Some(keyspace), Some(table), Some(metric)) => Ok(Self::Table(
                        keyspace.to_owned(),
                        table.to_owned(),
                        metric.to_owned(),
                    )),
                    _ => Err(missing()),
                }
            }
            _ => Err(missing()),
        }
    }

    /// Names of its attributes on the release the node runs.
    pub(super) fn attributes(&self, object_name: &str, view: Option<NodeView<'_>>) -> Vec<&'static str> {
        let mut names = match self {
            Self::StorageService => STORAGE_SERVICE.to_vec(),
            Self::CompactionManager => vec!["Compactions", "CompactionSummary", "CoreCompactorThreads"],
            Self::StreamManager => vec!["CurrentStreams"],
            Self::FailureDetector => vec!["SimpleStates", "UpEndpointCount", "DownEndpointCount"],
            Self::EndpointSnitchInfo => vec!["Datacenter", "Rack", "SnitchName"],
            Self::Gossiper | Self::DiagnosticCommand => vec![],
            Self::Runtime => vec!["Uptime", "StartTime", "VmName", "SpecVersion"],
            Self::Memory => vec!["HeapMemoryUsage"],
            Self::Table(..) => vec!["Value", "Count"],
        };
        names.retain(|name| self.read(object_name, view, name, Uptime::default()).is_ok());
        names
    }

    /// The value of one attribute. Cassandra's MBeans are there only once Cassandra is.
    pub(super) fn read(
        &self,
        object_name: &str,
        view: Option<NodeView<'_>>,
        attribute: &str,
        uptime: Uptime,
    ) -> Result<Value, Failure> {
        let cassandra = || view.ok_or_else(|| Failure::no_mbean(object_name));
        let value = match self {
            Self::StorageService => storage_service(cassandra()?, attribute),
            Self::CompactionManager => compaction_manager(cassandra()?, attribute),
            Self::StreamManager => {
                let view = cassandra()?;
                (attribute == "CurrentStreams").then(|| streams(view))
            }
            Self::FailureDetector => failure_detector(cassandra()?, attribute),
            Self::EndpointSnitchInfo => snitch(cassandra()?, attribute),
            Self::Gossiper => cassandra().map(|_| None)?,
            Self::Table(keyspace, table, metric) => {
                self::table(cassandra()?, keyspace, table, metric, attribute)?
            }
            Self::Runtime => runtime(attribute, uptime),
            Self::Memory => (attribute == "HeapMemoryUsage").then(|| {
                json!({"init": 268_435_456_u64, "committed": 268_435_456_u64, "max": 335_544_320_u64,
                       "used": 134_217_728_u64})
            }),
            Self::DiagnosticCommand => None,
        };
        value.ok_or_else(|| Failure::no_attribute(attribute))
    }
}

/// What a read of several attributes of `StorageService` yields, as long as each of them is known.
pub(crate) fn attributes_of_storage_service(view: NodeView<'_>, request: &Value) -> Value {
    let names = request["attribute"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str);
    let known = names.filter_map(|name| Some((name.to_owned(), storage_service(view, name)?)));
    known.collect::<Map<_, _>>().into()
}

/// Since when a JVM runs, and until when.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Uptime {
    pub(super) started: Moment,
    pub(super) now: Moment,
}

const STORAGE_SERVICE: &[&str] = &[
    "BootstrapFailed",
    "ClusterName",
    "DecommissionFailed",
    "Decommissioning",
    "Drained",
    "Draining",
    "EndpointToHostId",
    "EndpointWithPortToHostId",
    "GossipRunning",
    "HostIdMap",
    "HostIdToEndpoint",
    "HostIdToEndpointWithPort",
    "Initialized",
    "Joined",
    "JoiningNodes",
    "JoiningNodesWithPort",
    "Keyspaces",
    "LeavingNodes",
    "LeavingNodesWithPort",
    "LiveNodes",
    "LiveNodesWithPort",
    "LoadString",
    "LocalHostId",
    "MovingNodes",
    "MovingNodesWithPort",
    "NativeTransportRunning",
    "NonLocalStrategyKeyspaces",
    "NonSystemKeyspaces",
    "OperationMode",
    "PartitionerName",
    "ReleaseVersion",
    "RemovalStatus",
    "SchemaVersion",
    "Starting",
    "Tokens",
    "UnreachableNodes",
    "UnreachableNodesWithPort",
];

fn storage_service(view: NodeView<'_>, attribute: &str) -> Option<Value> {
    let node = view.node();
    let release = node.release;
    if let Some(plain) = attribute
        .strip_suffix("WithPort")
        .filter(|_| release.at_least(4, 0))
    {
        return nodes_of(view, plain)
            .map(|nodes| addresses(nodes, Port::Shown))
            .or_else(|| (plain == "HostIdToEndpoint").then(|| host_ids(view, Port::Shown, KeyedBy::HostId)));
    }
    if let Some(nodes) = nodes_of(view, attribute) {
        return Some(addresses(nodes, Port::Hidden));
    }
    let in_ring = matches!(node.membership, Membership::Normal | Membership::Leaving);
    Some(match attribute {
        "OperationMode" => node.mode.to_string().into(),
        "ReleaseVersion" => release.to_string().into(),
        "LocalHostId" => view.host().to_string().into(),
        "ClusterName" => view.ring().name().into(),
        "PartitionerName" => "org.apache.cassandra.dht.Murmur3Partitioner".into(),
        // Cassandra 5.0 removed it; whoever reads it there gets a 404 from Jolokia.
        "HostIdMap" if !release.at_least(5, 0) => host_ids(view, Port::Hidden, KeyedBy::Address),
        "EndpointToHostId" => host_ids(view, Port::Hidden, KeyedBy::Address),
        "EndpointWithPortToHostId" if release.at_least(4, 0) => host_ids(view, Port::Shown, KeyedBy::Address),
        "HostIdToEndpoint" => host_ids(view, Port::Hidden, KeyedBy::HostId),
        "Keyspaces" => view.ring().keyspaces().keys().cloned().collect(),
        // "Non system" means here: not of the kind every node has for itself.
        "NonLocalStrategyKeyspaces" | "NonSystemKeyspaces" => distributed_keyspaces(view),
        "SchemaVersion" => derived_uuid(&format!("{:?}", view.ring().keyspaces())).into(),
        "Tokens" => view
            .ring()
            .tokens(view.host())
            .iter()
            .map(ToString::to_string)
            .collect(),
        "Joined" => in_ring.into(),
        "Initialized" | "GossipRunning" => true.into(),
        "Starting" => (node.mode == OperationMode::Starting).into(),
        "Drained" => (node.mode == OperationMode::Drained).into(),
        "Draining" => (node.mode == OperationMode::Draining).into(),
        "NativeTransportRunning" => (node.native_transport == Transport::On && in_ring).into(),
        "RemovalStatus" => removal_status(view).into(),
        "LoadString" => load(view).into(),
        "Decommissioning" if release.at_least(5, 0) => (node.mode == OperationMode::Leaving).into(),
        "DecommissionFailed" if release.at_least(5, 0) => {
            (node.mode == OperationMode::DecommissionFailed).into()
        }
        "BootstrapFailed" if release.at_least(5, 0) => false.into(),
        _ => return None,
    })
}

/// The addresses behind an attribute that lists nodes.
fn nodes_of(view: NodeView<'_>, attribute: &str) -> Option<Vec<IpAddr>> {
    Some(match attribute {
        "LiveNodes" => view.live().collect(),
        "UnreachableNodes" => view.unreachable().collect(),
        "JoiningNodes" => view.joining().collect(),
        "LeavingNodes" => view.leaving().collect(),
        "MovingNodes" => Vec::new(),
        _ => return None,
    })
}

#[derive(Clone, Copy)]
enum Port {
    Shown,
    Hidden,
}

impl Port {
    fn write(self, address: IpAddr) -> String {
        match self {
            Self::Shown => format!("{address}:{STORAGE_PORT}"),
            Self::Hidden => address.to_string(),
        }
    }
}

#[derive(Clone, Copy)]
enum KeyedBy {
    Address,
    HostId,
}

fn addresses(nodes: Vec<IpAddr>, port: Port) -> Value {
    nodes.into_iter().map(|address| port.write(address)).collect()
}

fn host_ids(view: NodeView<'_>, port: Port, keyed_by: KeyedBy) -> Value {
    let entry = |(host, address): (HostId, IpAddr)| {
        let (host, address) = (host.to_string(), port.write(address));
        match keyed_by {
            KeyedBy::Address => (address, Value::from(host)),
            KeyedBy::HostId => (host, Value::from(address)),
        }
    };
    view.members().map(entry).collect::<Map<_, _>>().into()
}

fn distributed_keyspaces(view: NodeView<'_>) -> Value {
    let keyspaces = view.ring().keyspaces().iter();
    let distributed = keyspaces.filter(|(_, known)| !known.replication.is_local());
    distributed.map(|(name, _)| name.clone()).collect()
}

fn removal_status(view: NodeView<'_>) -> String {
    let ring = view.ring();
    let removed = ring.calls_on(view.host()).find_map(|call| match &call.operation {
        Operation::RemoveNode { host } => host.parse::<HostId>().ok(),
        _ => None,
    });
    let Some(removed) = removed else {
        return "No token removals in process.".to_owned();
    };
    let token = ring.tokens(removed).first().copied().unwrap_or_default();
    let replicating = ring
        .nodes()
        .filter(|(_, node)| node.membership == Membership::Normal);
    let mut replicating: Vec<String> = replicating
        .map(|(_, node)| format!("/{}", node.address))
        .collect();
    replicating.sort_unstable();
    format!(
        "Removing token ({token}). Waiting for replication confirmation from [{}].",
        replicating.join(",")
    )
}

/// Bytes on disk, as Cassandra writes sizes: two decimals and a binary unit.
fn load(view: NodeView<'_>) -> String {
    let total: u64 = view
        .node()
        .holdings
        .values()
        .map(|holding| bytes(holding.partitions))
        .sum();
    let units = [("GiB", 30), ("MiB", 20), ("KiB", 10)];
    match units.into_iter().find(|(_, shift)| total >> shift > 0) {
        Some((unit, shift)) => {
            let hundredths = (total * 100) >> shift;
            format!("{}.{:02} {unit}", hundredths / 100, hundredths % 100)
        }
        None => format!("{total} bytes"),
    }
}

fn compaction_manager(view: NodeView<'_>, attribute: &str) -> Option<Value> {
    let compactions = view.ring().calls().filter(|(_, call)| call.host == view.host());
    let compactions = compactions.filter_map(|(id, call)| {
        let (keyspace, task) = compaction(&call.operation)?;
        Some((id, keyspace, task))
    });
    match attribute {
        "Compactions" => Some(
            compactions
                .map(|(id, keyspace, task)| running(view, id, keyspace, task))
                .collect(),
        ),
        "CompactionSummary" => {
            let line = |(_, keyspace, task)| {
                let (table, total) = table_of(view, keyspace);
                Value::from(format!("{task}@{keyspace}({table}, 0/{total})bytes"))
            };
            Some(compactions.map(line).collect())
        }
        "CoreCompactorThreads" => Some(2.into()),
        _ => None,
    }
}

/// One entry of `Compactions`: texts throughout.
fn running(view: NodeView<'_>, id: CallId, keyspace: &str, task: &str) -> Value {
    let (table, total) = table_of(view, keyspace);
    let directory = format!(
        "/var/lib/cassandra/data/{keyspace}/{table}-{}",
        table_id(keyspace, &table)
    );
    let five = view.node().release.at_least(5, 0);
    let reader = if five {
        "BigTableReader:big"
    } else {
        "BigTableReader"
    };
    let mut entry = json!({
        "id": derived_uuid(&format!("table {keyspace}.{table}")),
        "compactionId": derived_uuid(&format!("compaction {}", id.0)),
        "keyspace": keyspace,
        "columnfamily": table,
        "taskType": task,
        "completed": "0",
        "total": total.to_string(),
        "unit": "bytes",
        "sstables": format!("{reader}(path='{directory}/nb-1-big-Data.db')"),
    });
    if five {
        entry["targetDirectory"] = format!("{directory}/nb-2-big-Data.db").into();
        entry["totalCompressed"] = total.to_string().into();
    }
    entry
}

/// A keyspace's table that stands for all of them, and the bytes a node holds of it.
fn table_of(view: NodeView<'_>, keyspace: &str) -> (String, u64) {
    let known = view.ring().keyspaces().get(keyspace);
    let table = known
        .and_then(|known| known.tables.first())
        .cloned()
        .unwrap_or_default();
    (table, bytes(view.node().held(keyspace)))
}

fn table_id(keyspace: &str, table: &str) -> String {
    derived_uuid(&format!("table {keyspace}.{table}")).replace('-', "")
}

fn bytes(partitions: Partitions) -> u64 {
    u64::from(partitions.len()) * BYTES_PER_PARTITION
}

/// The keyspace and the task type under which `CompactionManager` lists an operation.
fn compaction(operation: &Operation) -> Option<(&str, &'static str)> {
    match operation {
        Operation::Cleanup { keyspace } => Some((keyspace, "Cleanup")),
        Operation::UpgradeSstables { keyspace } => Some((keyspace, "Upgrade sstables")),
        Operation::Maintain { name, keyspace } => {
            let task = match name.as_str() {
                "scrub" => "Scrub",
                "garbageCollect" => "Remove deleted data",
                "forceKeyspaceCompaction" => "Compaction",
                _ => return None,
            };
            Some((keyspace, task))
        }
        _ => None,
    }
}

fn streams(view: NodeView<'_>) -> Value {
    let plans = view.ring().streams(view.host()).into_iter();
    plans.map(|plan| stream_state(view, &plan)).collect()
}

/// The composite Cassandra makes of a `StreamState`: nothing has moved yet.
fn stream_state(view: NodeView<'_>, plan: &Stream) -> Value {
    let total = |moved: fn(&Session) -> &BTreeMap<String, Partitions>| -> u64 {
        plan.sessions
            .iter()
            .flat_map(moved)
            .map(|(_, partitions)| bytes(*partitions))
            .sum()
    };
    let (receives, sends) = (
        total(|session| &session.receives),
        total(|session| &session.sends),
    );
    let percentage = |total: u64| if total == 0 { 100.0 } else { 0.0 };
    let sessions: Vec<Value> = plan
        .sessions
        .iter()
        .map(|session| stream_session(view, plan, session))
        .collect();
    json!({
        "planId": plan.plan,
        "description": plan.description,
        "currentRxBytes": 0,
        "totalRxBytes": receives,
        "rxPercentage": percentage(receives),
        "currentTxBytes": 0,
        "totalTxBytes": sends,
        "txPercentage": percentage(sends),
        "sessions": sessions,
    })
}

fn stream_session(view: NodeView<'_>, plan: &Stream, session: &Session) -> Value {
    let tables = |moved: &BTreeMap<String, Partitions>| -> Vec<(String, String, u64)> {
        let table = |(keyspace, partitions): (&String, &Partitions)| {
            (keyspace.clone(), table_of(view, keyspace).0, bytes(*partitions))
        };
        moved.iter().map(table).collect()
    };
    let summaries = |moved: &[(String, String, u64)]| -> Vec<Value> {
        let summary = |(keyspace, table, size): &(String, String, u64)| json!({"files": 1, "tableId": derived_uuid(&format!("table {keyspace}.{table}")), "totalSize": size});
        moved.iter().map(summary).collect()
    };
    let files = |moved: &[(String, String, u64)], direction: &str| -> Vec<Value> {
        let file = |(keyspace, table, size): &(String, String, u64)| {
            json!({
                "planId": plan.plan, "sessionIndex": 0, "peer": session.peer.to_string(),
                "peer storage port": STORAGE_PORT, "direction": direction,
                "fileName": format!("{keyspace}/{table}-0"), "currentBytes": 0, "totalBytes": size,
            })
        };
        moved.iter().map(file).collect()
    };
    let (receives, sends) = (tables(&session.receives), tables(&session.sends));
    json!({
        "planId": plan.plan,
        "peer": session.peer.to_string(),
        "peer_port": STORAGE_PORT,
        "connecting": session.peer.to_string(),
        "connecting_port": STORAGE_PORT,
        "sessionIndex": 0,
        "state": "PREPARING",
        "receivingFiles": files(&receives, "IN"),
        "receivingSummaries": summaries(&receives),
        "sendingFiles": files(&sends, "OUT"),
        "sendingSummaries": summaries(&sends),
    })
}

fn failure_detector(view: NodeView<'_>, attribute: &str) -> Option<Value> {
    let up: Vec<IpAddr> = view.live().collect();
    let down: Vec<IpAddr> = view.unreachable().collect();
    match attribute {
        "SimpleStates" => {
            let states = up.into_iter().map(|address| (address, "UP"));
            let states = states.chain(down.into_iter().map(|address| (address, "DOWN")));
            let entry = |(address, state)| (format!("/{address}"), Value::from(state));
            Some(states.map(entry).collect::<Map<_, _>>().into())
        }
        "UpEndpointCount" => Some(up.len().into()),
        "DownEndpointCount" => Some(down.len().into()),
        _ => None,
    }
}

fn snitch(view: NodeView<'_>, attribute: &str) -> Option<Value> {
    let location = &view.node().location;
    match attribute {
        "Datacenter" => Some(location.dc.as_str().into()),
        "Rack" => Some(location.rack.as_str().into()),
        "SnitchName" => Some("org.apache.cassandra.locator.DynamicEndpointSnitch".into()),
        _ => None,
    }
}

fn runtime(attribute: &str, Uptime { started, now }: Uptime) -> Option<Value> {
    match attribute {
        "Uptime" => Some(now.0.saturating_sub(started.0).into()),
        "StartTime" => Some(started.0.into()),
        "VmName" => Some("OpenJDK 64-Bit Server VM".into()),
        "SpecVersion" => Some("17".into()),
        _ => None,
    }
}

fn table(
    view: NodeView<'_>,
    keyspace: &str,
    table: &str,
    metric: &str,
    attribute: &str,
) -> Result<Option<Value>, Failure> {
    let missing = || {
        let keys = format!("type=Table,keyspace={keyspace},scope={table},name={metric}");
        Failure::no_mbean(&format!("org.apache.cassandra.metrics:{keys}"))
    };
    let known = view.ring().keyspaces().get(keyspace).ok_or_else(missing)?;
    if !known.tables.iter().any(|known| known == table) {
        return Err(missing());
    }
    let held: Partitions = view.node().held(keyspace);
    let count = u64::from(held.len());
    match (metric, attribute) {
        ("EstimatedPartitionCount", "Value") => Ok(Some((count * KEYS_PER_PARTITION).into())),
        ("LiveDiskSpaceUsed" | "TotalDiskSpaceUsed", "Count") => {
            Ok(Some((count * BYTES_PER_PARTITION).into()))
        }
        ("LiveSSTableCount", "Value") => Ok(Some(u64::from(count > 0).into())),
        ("OldVersionSSTableCount", "Value") => {
            let old = view
                .node()
                .holdings
                .get(keyspace)
                .is_some_and(|held| held.format < view.node().release);
            Ok(Some(u64::from(old && count > 0).into()))
        }
        ("EstimatedPartitionCount" | "LiveDiskSpaceUsed" | "TotalDiskSpaceUsed" | "LiveSSTableCount", _) => {
            Ok(None)
        }
        _ => Err(missing()),
    }
}
