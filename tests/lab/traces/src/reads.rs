//! Acts that only ask: what the node answers, in which form, and how it refuses.

use anyhow::Result;
use casskop_jolokia::storage_service::{self, describe_ring, operation_mode};
use casskop_jolokia::{Request, compaction_manager, diagnostics, ownership, stream_manager};
use serde_json::json;

use crate::exchange::{Login, post};
use crate::node::Node;
use crate::trace::Traces;

const STORAGE_SERVICE: &str = "org.apache.cassandra.db:type=StorageService";

pub(crate) fn credentials(node: &Node, traces: &mut Traces) -> Result<()> {
    let request = operation_mode().request().to_json();
    for (state, login) in [
        ("the right credentials", Login::Right),
        ("a wrong password", Login::Wrong),
        ("no credentials", Login::Missing),
    ] {
        traces.keep("credentials", state, post(node.address, login, request.clone())?);
    }
    Ok(())
}

pub(crate) fn reads(node: &Node, traces: &mut Traces) -> Result<()> {
    let state = "a ring of one";
    for request in [
        storage_service::release_version().request(),
        storage_service::local_host_id().request(),
        storage_service::host_ids().request(),
        storage_service::live_nodes().request(),
        storage_service::unreachable_nodes().request(),
        storage_service::native_transport_running().request(),
        storage_service::removal_status().request(),
        storage_service::schema_version().request(),
    ] {
        traces.keep("StorageService", state, node.request(request)?);
    }
    traces.keep(
        "CompactionManager",
        state,
        node.ask(&compaction_manager::compactions())?,
    );
    traces.keep(
        "StreamManager",
        state,
        node.ask(&stream_manager::current_streams())?,
    );
    traces.keep("DiagnosticCommand", state, node.ask(&diagnostics::in_flight())?);
    Ok(())
}

pub(crate) fn keyspaces(node: &Node, traces: &mut Traces) -> Result<()> {
    let state = "one keyspace of a user, shop";
    for call in [
        storage_service::keyspaces(),
        storage_service::non_local_keyspaces(),
    ] {
        traces.keep("StorageService", state, node.ask(&call)?);
    }
    for keyspace in ["shop", "system_auth", "system", "nowhere"] {
        traces.keep(
            "describeRing",
            "a ring of one",
            node.ask(&describe_ring(keyspace))?,
        );
    }
    Ok(())
}

/// The ring as `status --ring` asks for it.
pub(crate) fn shares(node: &Node, state: &str, traces: &mut Traces) -> Result<()> {
    for request in [
        ownership::loads().request(),
        ownership::token_owners().request(),
        ownership::token_shares().request(),
        ownership::effective_shares().request(),
    ] {
        traces.keep("ownership", state, node.request(request)?);
    }
    Ok(())
}

/// What no call of ours asks today, and the simulator answers all the same: for probes, tests and later calls.
pub(crate) fn more_attributes(node: &Node, state: &str, traces: &mut Traces) -> Result<()> {
    const TABLE: [&str; 4] = [
        "org.apache.cassandra.metrics:type=Table,keyspace=shop,scope=orders,name=EstimatedPartitionCount",
        "org.apache.cassandra.metrics:type=Table,keyspace=shop,scope=orders,name=LiveDiskSpaceUsed",
        "org.apache.cassandra.metrics:type=Table,keyspace=shop,scope=orders,name=LiveSSTableCount",
        "org.apache.cassandra.metrics:type=Table,keyspace=shop,scope=orders,name=OldVersionSSTableCount",
    ];
    let mut bulk = Vec::new();
    let mut read = |mbean: &str, attribute: &str| {
        bulk.push(json!({"type": "read", "mbean": mbean, "attribute": attribute}));
    };
    for attribute in [
        "BootstrapFailed",
        "ClusterName",
        "DecommissionFailed",
        "Decommissioning",
        "Drained",
        "Draining",
        "EndpointWithPortToHostId",
        "GossipRunning",
        "HostIdMap",
        "HostIdToEndpoint",
        "HostIdToEndpointWithPort",
        "Initialized",
        "Joined",
        "LiveNodesWithPort",
        "LoadString",
        "NonSystemKeyspaces",
        "PartitionerName",
        "Starting",
        "Tokens",
        "UnreachableNodesWithPort",
    ] {
        read(STORAGE_SERVICE, attribute);
    }
    for attribute in ["SimpleStates", "UpEndpointCount", "DownEndpointCount"] {
        read("org.apache.cassandra.net:type=FailureDetector", attribute);
    }
    for attribute in ["Datacenter", "Rack", "SnitchName"] {
        read("org.apache.cassandra.db:type=EndpointSnitchInfo", attribute);
    }
    for attribute in ["CompactionSummary", "CoreCompactorThreads"] {
        read("org.apache.cassandra.db:type=CompactionManager", attribute);
    }
    for attribute in ["Uptime", "StartTime", "SpecVersion"] {
        read("java.lang:type=Runtime", attribute);
    }
    read("java.lang:type=Memory", "HeapMemoryUsage");
    for (mbean, attribute) in TABLE.into_iter().zip(["Value", "Count", "Value", "Value"]) {
        read(mbean, attribute);
    }
    traces.keep("more-attributes", state, node.post(json!(bulk))?);
    Ok(())
}

/// What Jolokia itself answers.
pub(crate) fn protocol(node: &Node, traces: &mut Traces) -> Result<()> {
    for (state, request) in [
        ("the version of the protocol", json!({"type": "version"})),
        ("an empty list", json!([])),
        ("an unknown type of request", json!({"type": "guess"})),
        ("no type", json!({"mbean": STORAGE_SERVICE})),
        ("not a request", json!("OperationMode")),
        (
            "several attributes",
            json!({"type": "read", "mbean": STORAGE_SERVICE, "attribute": ["OperationMode", "Joined"]}),
        ),
    ] {
        traces.keep("protocol", state, node.post(request)?);
    }
    Ok(())
}

/// Also what one version has and another has not.
pub(crate) fn what_the_node_does_not_have(node: &Node, traces: &mut Traces) -> Result<()> {
    let read = |mbean, attribute| Request::Read { mbean, attribute };
    let exec = |operation, arguments| Request::Exec {
        mbean: STORAGE_SERVICE,
        operation,
        arguments,
    };
    for (state, request) in [
        ("attribute of 3.11 to 4.1", read(STORAGE_SERVICE, "HostIdMap")),
        ("attribute of 5.0", read(STORAGE_SERVICE, "DecommissionFailed")),
        ("unknown attribute", read(STORAGE_SERVICE, "Weather")),
        (
            "unknown mbean",
            read("org.apache.cassandra.db:type=Weather", "Keyspaces"),
        ),
        (
            "unknown operation",
            exec("decomission(boolean)", vec![json!(false)]),
        ),
        ("operation of 3.11", exec("decommission()", vec![])),
        (
            "overloaded operation without its signature",
            exec("rebuild", vec![json!("dc1")]),
        ),
        ("one argument too few", exec("decommission(boolean)", vec![])),
        (
            "argument of another type",
            exec("decommission(boolean)", vec![json!("perhaps")]),
        ),
    ] {
        traces.keep("refusals", state, node.request(&request)?);
    }
    Ok(())
}
