//! Attributes of the MBeans a node offers, computed from the ring as that node sees it.

use std::net::IpAddr;

use serde_json::{Map, Value, json};

use super::progress::{BYTES_PER_PARTITION, bytes, compaction_manager, streams};
use super::protocol::Failure;
use super::shares;
use crate::ring::{
    HostId, Membership, Moment, Node, NodeView, Operation, OperationMode, Partitions, Transport, derived_uuid,
};

/// Keys a partition of the model stands for.
const KEYS_PER_PARTITION: u64 = 1000;
pub(super) const STORAGE_PORT: u16 = 7000;

/// An MBean the simulated node has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum MBean {
    StorageService,
    CompactionManager,
    StreamManager,
    FailureDetector,
    MessagingService,
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
            ("org.apache.cassandra.net", Some("MessagingService")) => Ok(Self::MessagingService),
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
            Self::MessagingService | Self::Gossiper | Self::DiagnosticCommand => vec![],
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
            Self::MessagingService | Self::Gossiper => cassandra().map(|_| None)?,
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
    "LoadMap",
    "LoadString",
    "LocalHostId",
    "MovingNodes",
    "MovingNodesWithPort",
    "NativeTransportRunning",
    "NonLocalStrategyKeyspaces",
    "NonSystemKeyspaces",
    "OperationMode",
    "Ownership",
    "PartitionerName",
    "ReleaseVersion",
    "RemovalStatus",
    "SchemaVersion",
    "Starting",
    "TokenToEndpointMap",
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
        "LoadString" => load(node).into(),
        "LoadMap" => shares::loads(view),
        "TokenToEndpointMap" => shares::token_owners(view),
        "Ownership" => shares::of_tokens(view),
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
        "MovingNodes" => view.moving().collect(),
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
pub(super) fn load(node: &Node) -> String {
    let total: u64 = node
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
