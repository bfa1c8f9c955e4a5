//! Acts in which the nodes work: before, during and after, and what they refuse to do.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::thread::JoinHandle;

use anyhow::{Context, Result, anyhow};
use casskop_jolokia::storage_service::{
    self, HostId, Jobs, OperationMode, Output, RemovalStatus, Replication, Scrub, Tables, cleanup, compact,
    compact_tokens, decommission, describe_ring, drain, flush, garbage_collect, host_ids, move_to,
    operation_mode, rebuild, reload_ssl, remove_node, scrub, tokens, upgrade_sstables,
};
use casskop_jolokia::{
    Call, Compaction, CompactionTask, StreamPlan, compaction_manager, diagnostics, stream_manager,
};

use crate::cql::Cql;
use crate::exchange::{Exchange, Login, post};
use crate::node::{Java, Node};
use crate::reads::more_attributes;
use crate::trace::{NO_HOST_ID, Traces};

pub(crate) fn flushes(node: &Node, traces: &mut Traces) -> Result<()> {
    traces.keep(
        "flush",
        "a keyspace with rows",
        node.ask(&flush(Tables::of("shop")))?,
    );
    traces.keep(
        "flush",
        "an unknown keyspace",
        node.ask(&flush(Tables::of("nowhere")))?,
    );
    Ok(())
}

pub(crate) fn cleanups(node: &Node, traces: &mut Traces) -> Result<()> {
    let call = cleanup(Tables::of("shop"), Jobs::ALL_COMPACTORS);
    let running = under_way(node, &call);
    node.wait("a cleanup", &compaction_manager::compactions(), |compactions| {
        compactions
            .iter()
            .any(|compaction| compaction.task == CompactionTask::Cleanup)
    })?;
    let state = "a cleanup is under way";
    traces.keep("node-status", state, node.status()?);
    traces.keep(
        "CompactionManager",
        state,
        node.ask(&compaction_manager::compactions())?,
    );
    traces.keep("DiagnosticCommand", state, node.ask(&diagnostics::in_flight())?);
    traces.keep("cleanup", "another cleanup is under way", node.ask(&call)?);
    traces.keep(
        "cleanup",
        "another cleanup was asked for meanwhile",
        end_of(running)?,
    );
    traces.keep("cleanup", "two nodes", node.ask(&call)?);
    traces.keep(
        "cleanup",
        "the node's own keyspace",
        node.ask(&cleanup(Tables::of("system"), Jobs::ALL_COMPACTORS))?,
    );
    traces.keep(
        "cleanup",
        "an unknown keyspace",
        node.ask(&cleanup(Tables::of("nowhere"), Jobs::ALL_COMPACTORS))?,
    );
    Ok(())
}

pub(crate) fn upgrades(node: &Node, traces: &mut Traces) -> Result<()> {
    for (state, keyspace) in [
        ("nothing to upgrade", "shop"),
        ("the node's own keyspace", "system"),
        ("an unknown keyspace", "nowhere"),
    ] {
        let call = upgrade_sstables(Tables::of(keyspace), Jobs::ALL_COMPACTORS);
        traces.keep("upgradesstables", state, node.ask(&call)?);
    }
    Ok(())
}

/// What else is done to tables: each once, of a table that is not there, and of a keyspace that is not.
pub(crate) fn table_work(node: &Node, traces: &mut Traces) -> Result<()> {
    let unknown = ["nowhere".to_owned()];
    let unknown_table = Tables {
        keyspace: "shop",
        names: &unknown,
    };
    for (state, tables) in [
        ("two nodes", Tables::of("shop")),
        ("an unknown table", unknown_table),
        ("an unknown keyspace", Tables::of("nowhere")),
    ] {
        let jobs = Jobs::ALL_COMPACTORS;
        traces.keep("scrub", state, node.ask(&scrub(tables, jobs, Scrub::default()))?);
        traces.keep("garbagecollect", state, node.ask(&garbage_collect(tables, jobs))?);
        traces.keep("compact", state, node.ask(&compact(tables, Output::Few))?);
        traces.keep(
            "compact-tokens",
            state,
            node.ask(&compact_tokens(tables, "-100", "100"))?,
        );
    }
    let own = scrub(Tables::of("system"), Jobs::ALL_COMPACTORS, Scrub::default());
    traces.keep("scrub", "the node's own keyspace", node.ask(&own)?);
    traces.keep("reloadssl", "two nodes", node.ask(&reload_ssl())?);
    Ok(())
}

/// A compaction that somebody stops.
pub(crate) fn stops(java: &Java, node: &Node, traces: &mut Traces) -> Result<()> {
    let running = under_way(node, &compact(Tables::of("shop"), Output::Few));
    let is_it = |compaction: &Compaction| {
        compaction.task == CompactionTask::Compaction && compaction.keyspace == "shop"
    };
    node.wait(
        "a compaction",
        &compaction_manager::compactions(),
        |compactions| compactions.iter().any(is_it),
    )?;
    let state = "a compaction is under way";
    traces.keep(
        "CompactionManager",
        state,
        node.ask(&compaction_manager::compactions())?,
    );
    traces.keep("DiagnosticCommand", state, node.ask(&diagnostics::in_flight())?);
    let stop = compaction_manager::stop(&CompactionTask::Compaction, java.version);
    traces.keep(
        "stop",
        state,
        node.ask(&stop.context("compactions are stopped")?)?,
    );
    traces.keep("compact", "it was stopped", end_of(running)?);
    Ok(())
}

pub(crate) fn decommissions(java: &Java, first: &Node, third: &Node, traces: &mut Traces) -> Result<()> {
    let unforced = decommission(java.version, Replication::MustHold);
    traces.keep(
        "decommission",
        "three nodes, and a keyspace with three replicas",
        third.ask(&unforced)?,
    );
    traces.keep("node-status", "a decommission was refused", third.status()?);
    let forced = decommission(java.version, Replication::MayFall);
    let running = under_way(third, &forced);
    third.wait("mode LEAVING", &operation_mode(), |mode| {
        *mode == OperationMode::Leaving
    })?;
    traces.keep("node-status", "the node leaves", third.status()?);
    traces.keep(
        "DiagnosticCommand",
        "the node leaves",
        third.ask(&diagnostics::in_flight())?,
    );
    traces.keep("decommission", "a decommission is under way", third.ask(&forced)?);
    first.wait("a leaving node", &storage_service::leaving_nodes(), |nodes| {
        !nodes.is_empty()
    })?;
    traces.keep("node-status", "another node leaves", first.status()?);
    traces.keep(
        "cleanup",
        "another node leaves",
        first.ask(&cleanup(Tables::of("shop"), Jobs::ALL_COMPACTORS))?,
    );
    third.wait("a stream", &stream_manager::current_streams(), |streams| {
        some_went(streams)
    })?;
    traces.keep("node-status", "the node leaves and streams", third.status()?);
    traces.keep("decommission", "forced", end_of(running)?);
    traces.keep("node-status", "the node has left", third.status()?);
    traces.keep("decommission", "the node has left", third.ask(&forced)?);
    let gone = third.address;
    first.wait("two nodes in the ring", &host_ids(), |ids| {
        !ids.contains_key(&gone)
    })?;
    traces.keep("node-status", "another node has left", first.status()?);
    Ok(())
}

/// A node moves to another token, and what it refuses.
pub(crate) fn moves(first: &Node, second: &Node, token: i64, traces: &mut Traces) -> Result<()> {
    traces.keep("move", "what is no token", second.ask(&move_to("here"))?);
    traces.keep("move", "a token that is taken", second.ask(&move_to("0"))?);
    traces.keep("tokens", "two nodes", second.ask(&tokens())?);
    let call = move_to(&token.to_string());
    let running = under_way(second, &call);
    second.wait("mode MOVING", &operation_mode(), |mode| {
        *mode == OperationMode::Moving
    })?;
    first.wait("a moving node", &storage_service::moving_nodes(), |nodes| {
        !nodes.is_empty()
    })?;
    traces.keep("node-status", "the node moves", second.status()?);
    traces.keep(
        "DiagnosticCommand",
        "the node moves",
        second.ask(&diagnostics::in_flight())?,
    );
    traces.keep("tokens", "the node moves", second.ask(&tokens())?);
    traces.keep("node-status", "another node moves", first.status()?);
    traces.keep("move", "a token that is free", end_of(running)?);
    traces.keep("node-status", "the node has moved", second.status()?);
    traces.keep("tokens", "the node has moved", second.ask(&tokens())?);
    first.wait(
        "nobody moving",
        &storage_service::moving_nodes(),
        BTreeSet::is_empty,
    )?;
    traces.keep("node-status", "another node has moved", first.status()?);
    Ok(())
}

pub(crate) fn rebuilds(first: &Node, far: &Node, traces: &mut Traces) -> Result<()> {
    // Before gossip has come, a node knows no data centre but its own, and refuses to rebuild from another.
    far.wait("the first node's host id", &host_ids(), |ids| {
        ids.contains_key(&first.address)
    })?;
    first.wait("the far node's host id", &host_ids(), |ids| {
        ids.contains_key(&far.address)
    })?;
    traces.keep("rebuild", "an unknown data centre", far.ask(&rebuild("nowhere"))?);
    let mut cql = Cql::connect(first.address)?;
    cql.query(
        "ALTER KEYSPACE shop WITH replication = {'class': 'NetworkTopologyStrategy', 'dc1': 1, 'dc2': 1}",
    )?;
    traces.keep(
        "describeRing",
        "two data centres with one replica each",
        first.ask(&describe_ring("shop"))?,
    );
    // A node that has not heard of the new replication rebuilds nothing, and says that it is done.
    let call = storage_service::schema_version();
    let version = call.parse(&first.ask(&call)?.answer)?;
    far.wait("the same schema as the first node", &call, |theirs| {
        *theirs == version
    })?;
    let running = under_way(far, &rebuild("dc1"));
    far.wait("a stream", &stream_manager::current_streams(), |streams| {
        some_went(streams)
    })?;
    let state = "a rebuild is under way";
    traces.keep("node-status", state, far.status()?);
    traces.keep("node-status", "another node is being rebuilt", first.status()?);
    traces.keep(
        "StreamManager",
        state,
        far.ask(&stream_manager::current_streams())?,
    );
    traces.keep("DiagnosticCommand", state, far.ask(&diagnostics::in_flight())?);
    traces.keep(
        "rebuild",
        "another rebuild is under way",
        far.ask(&rebuild("dc1"))?,
    );
    traces.keep("rebuild", "from another data centre", end_of(running)?);
    traces.keep("node-status", "a rebuild has ended", far.status()?);
    Ok(())
}

pub(crate) fn removals(first: &Node, dead: IpAddr, alive: IpAddr, traces: &mut Traces) -> Result<()> {
    let ids = host_ids().parse(&first.ask(&host_ids())?.answer)?;
    let id_of = |address: IpAddr| {
        ids.get(&address)
            .with_context(|| format!("no host id of {address}"))
    };
    first.wait("a dead node", &storage_service::unreachable_nodes(), |nodes| {
        nodes.contains(&dead)
    })?;
    traces.keep("node-status", "another node is down", first.status()?);
    more_attributes(first, "another node is down", traces)?;
    let unknown: HostId = NO_HOST_ID.parse()?;
    for (state, id) in [
        ("a host id the ring does not know", &unknown),
        ("the host id of a node that is up", id_of(alive)?),
        ("the host id of the node asked", id_of(first.address)?),
    ] {
        traces.keep("removenode", state, first.ask(&remove_node(id))?);
    }
    let running = under_way(first, &remove_node(id_of(dead)?));
    first.wait("a removal", &storage_service::removal_status(), |status| {
        *status != RemovalStatus::Idle
    })?;
    let state = "a removal is under way";
    traces.keep("node-status", state, first.status()?);
    traces.keep("DiagnosticCommand", state, first.ask(&diagnostics::in_flight())?);
    traces.keep(
        "StorageService",
        state,
        first.ask(&storage_service::removal_status())?,
    );
    traces.keep(
        "removenode",
        "another removal is under way",
        first.ask(&remove_node(id_of(dead)?))?,
    );
    traces.keep("removenode", "the host id of a dead node", end_of(running)?);
    traces.keep("node-status", "a dead node has been removed", first.status()?);
    traces.keep(
        "removenode",
        "the host id of a node already removed",
        first.ask(&remove_node(id_of(dead)?))?,
    );
    Ok(())
}

pub(crate) fn drains(node: &Node, traces: &mut Traces) -> Result<()> {
    traces.keep("drain", "a node of the ring", node.ask(&drain())?);
    traces.keep("node-status", "the node is drained", node.status()?);
    traces.keep(
        "cleanup",
        "the node is drained",
        node.ask(&cleanup(Tables::of("shop"), Jobs::ALL_COMPACTORS))?,
    );
    traces.keep("drain", "the node is drained", node.ask(&drain())?);
    Ok(())
}

/// Whether some bytes have been streamed: a plan says nothing of its size before.
pub(crate) fn some_went(streams: &[StreamPlan]) -> bool {
    streams.iter().any(|stream| stream.received + stream.sent > 0)
}

/// Makes a blocking call on a thread of its own.
fn under_way<T>(node: &Node, call: &Call<T>) -> JoinHandle<Result<Exchange>> {
    let (address, request) = (node.address, call.request().to_json());
    std::thread::spawn(move || post(address, Login::Right, request))
}

fn end_of(call: JoinHandle<Result<Exchange>>) -> Result<Exchange> {
    call.join().map_err(|_| anyhow!("the calling thread panicked"))?
}
