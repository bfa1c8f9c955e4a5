//! What the recorded ring goes through, one act after the other.

use std::collections::BTreeSet;
use std::io::Write;
use std::net::IpAddr;

use anyhow::{Context, Result};
use casskop_jolokia::ownership::{effective_shares, loads};
use casskop_jolokia::storage_service::{
    self, Jobs, OperationMode, Replication, Tables, cleanup, decommission, native_transport_running,
    operation_mode,
};
use casskop_jolokia::{diagnostics, stream_manager};

use crate::cql::Cql;
use crate::node::{Bootstrap, Java, Node, Place};
use crate::operations::{
    cleanups, decommissions, drains, flushes, moves, rebuilds, removals, some_went, stops, table_work,
    upgrades,
};
use crate::reads::{
    credentials, keyspaces, more_attributes, protocol, reads, shares, what_the_node_does_not_have,
};
use crate::trace::Traces;

const FIRST: Place = Place {
    number: 1,
    datacenter: "dc1",
    rack: "rack1",
    token: -6_148_914_691_236_517_206,
    bootstrap: Bootstrap::Streams,
};
const SECOND: Place = Place {
    number: 2,
    datacenter: "dc1",
    rack: "rack2",
    token: 0,
    bootstrap: Bootstrap::Streams,
};
/// Where the second node moves.
const ANOTHER_TOKEN: i64 = 1_000_000_000_000_000_000;

const THIRD: Place = Place {
    number: 3,
    datacenter: "dc1",
    rack: "rack3",
    token: 6_148_914_691_236_517_205,
    bootstrap: Bootstrap::Streams,
};
const FAR: Place = Place {
    number: 4,
    datacenter: "dc2",
    rack: "rack1",
    token: 100,
    bootstrap: Bootstrap::JoinsEmpty,
};

/// Takes a new ring through all acts, telling on `progress` where it is.
pub(crate) fn play(java: &Java, traces: &mut Traces, progress: &mut impl Write) -> Result<()> {
    let mut act = |what: &str| writeln!(progress, "{what}").context("progress");
    act("the first node starts")?;
    let first = start_first(java, traces)?;
    act("reads and refusals of a ring of one")?;
    credentials(&first, traces)?;
    reads(&first, traces)?;
    what_the_node_does_not_have(&first, traces)?;
    protocol(&first, traces)?;
    act("rows are written")?;
    write_rows(first.address)?;
    flushes(&first, traces)?;
    keyspaces(&first, traces)?;
    more_attributes(&first, "a ring of one, with rows", traces)?;
    shares(&first, "a ring of one, with rows", traces)?;
    act("a second node joins")?;
    let mut second = join(java, &first, traces)?;
    let address = second.address;
    first.wait("the load of the second node", &loads(), |loads| {
        loads.contains_key(&address)
    })?;
    shares(&first, "two nodes", traces)?;
    act("cleanup")?;
    cleanups(&first, traces)?;
    upgrades(&first, traces)?;
    act("tables are scrubbed, collected and compacted, and a compaction is stopped")?;
    table_work(&first, traces)?;
    stops(java, &first, traces)?;
    act("the second node moves")?;
    moves(&first, &second, ANOTHER_TOKEN, traces)?;
    act("a third node joins and is decommissioned")?;
    let mut third = Node::start(java, &THIRD)?;
    third.wait_for_agent()?;
    third.wait("a native transport", &native_transport_running(), |running| {
        *running
    })?;
    decommissions(java, &first, &third, traces)?;
    third.kill()?;
    let dead = third.address;
    first.wait("a dead node", &storage_service::unreachable_nodes(), |nodes| {
        nodes.contains(&dead)
    })?;
    traces.keep(
        "node-status",
        "another node has left and its process has ended",
        first.status()?,
    );
    act("a node of another data centre is rebuilt")?;
    let mut far = Node::start(java, &FAR)?;
    far.wait_for_agent()?;
    far.wait("a native transport", &native_transport_running(), |running| {
        *running
    })?;
    rebuilds(&first, &far, traces)?;
    act("the second node dies and is removed")?;
    second.kill()?;
    removals(&first, second.address, far.address, traces)?;
    act("a node is drained")?;
    drains(&far, traces)?;
    act("keyspaces are replicated in different ways")?;
    Cql::connect(first.address)?
        .query("CREATE KEYSPACE other WITH replication = {'class': 'NetworkTopologyStrategy', 'dc1': 1}")?;
    let state = "keyspaces are replicated in different ways";
    traces.keep("ownership", state, first.ask(&effective_shares())?);
    Ok(())
}

fn start_first(java: &Java, traces: &mut Traces) -> Result<Node> {
    let mut first = Node::start(java, &FIRST)?;
    first.wait_for_agent()?;
    traces.keep(
        "node-status",
        "the agent is up, Cassandra is not",
        first.status()?,
    );
    traces.keep(
        "DiagnosticCommand",
        "the agent is up, Cassandra is not",
        first.ask(&diagnostics::in_flight())?,
    );
    first.wait("any mode", &operation_mode(), |_| true)?;
    traces.keep("node-status", "the node is starting", first.status()?);
    first.wait("mode NORMAL", &operation_mode(), |mode| {
        *mode == OperationMode::Normal
    })?;
    traces.keep("node-status", "the mode has just become NORMAL", first.status()?);
    first.wait("a native transport", &native_transport_running(), |running| {
        *running
    })?;
    traces.keep("node-status", "a ring of one", first.status()?);
    Ok(first)
}

/// Some 20 MB, uncompressed: at 1 MiB/s streams and cleanups of it last long enough to be looked at.
fn write_rows(address: IpAddr) -> Result<()> {
    let mut cql = Cql::connect(address)?;
    cql.query("CREATE KEYSPACE shop WITH replication = {'class': 'NetworkTopologyStrategy', 'dc1': 1}")?;
    cql.query(
        "CREATE TABLE shop.orders (id int PRIMARY KEY, body blob) WITH compression = {'enabled': false}",
    )?;
    let body = "ab".repeat(50_000);
    for id in 0..400 {
        cql.query(&format!(
            "INSERT INTO shop.orders (id, body) VALUES ({id}, 0x{body})"
        ))?;
    }
    Ok(())
}

fn join(java: &Java, first: &Node, traces: &mut Traces) -> Result<Node> {
    let mut second = Node::start(java, &SECOND)?;
    second.wait_for_agent()?;
    second.wait("mode JOINING", &operation_mode(), |mode| {
        *mode == OperationMode::Joining
    })?;
    traces.keep(
        "node-status",
        "the node joins, before it streams",
        second.status()?,
    );
    first.wait("a joining node", &storage_service::joining_nodes(), |nodes| {
        !nodes.is_empty()
    })?;
    traces.keep("node-status", "another node joins", first.status()?);
    let own = second.ask(&cleanup(Tables::of("shop"), Jobs::ALL_COMPACTORS))?;
    traces.keep("cleanup", "the node itself joins", own);
    let decommission = decommission(java.version, Replication::MayFall);
    traces.keep(
        "decommission",
        "the node itself joins",
        second.ask(&decommission)?,
    );
    second.wait("a stream", &stream_manager::current_streams(), |streams| {
        some_went(streams)
    })?;
    traces.keep("node-status", "the node joins and streams", second.status()?);
    traces.keep("node-status", "another node joins and streams", first.status()?);
    traces.keep(
        "cleanup",
        "another node joins",
        first.ask(&cleanup(Tables::of("shop"), Jobs::ALL_COMPACTORS))?,
    );
    second.wait("a native transport", &native_transport_running(), |running| {
        *running
    })?;
    traces.keep("node-status", "the node has joined", second.status()?);
    first.wait(
        "no joining node",
        &storage_service::joining_nodes(),
        BTreeSet::is_empty,
    )?;
    traces.keep("node-status", "another node has joined", first.status()?);
    Ok(second)
}
