//! The HTTP server of the control API.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use tokio::net::TcpListener;

use super::command::Command;
use super::view::{self, RingView, WorldView};
use crate::calls::{CallLog, CallQuery};
use crate::kubelet::Kubelet;
use crate::names::ClusterId;

/// How long a request may wait for a change before it is answered all the same.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

type Shared = State<Arc<Kubelet>>;

/// Serves the control API until the process ends.
pub(crate) async fn serve(listener: TcpListener, kubelet: Arc<Kubelet>) -> std::io::Result<()> {
    let routes = Router::new()
        .route("/healthz", get(async || "ok"))
        .route("/commands", post(command))
        .route("/world", get(world))
        .route("/changes/{after}", get(changes))
        .route("/rings/{namespace}/{name}", get(ring))
        .route("/calls", post(calls))
        .with_state(kubelet);
    axum::serve(listener, routes).await
}

async fn command(
    State(kubelet): Shared,
    Json(command): Json<Command>,
) -> Result<StatusCode, (StatusCode, String)> {
    match command.carry_out(&kubelet).await {
        Ok(()) => Ok(StatusCode::NO_CONTENT),
        Err(error) => Err((StatusCode::BAD_REQUEST, format!("{error:#}"))),
    }
}

async fn world(State(kubelet): Shared) -> Json<WorldView> {
    let world = &kubelet.world;
    let revision = *world.watch().borrow();
    Json(world.look(|state| view::world(state, revision, world.now())))
}

/// Answers as soon as the world has changed since `after`.
async fn changes(State(kubelet): Shared, Path(after): Path<u64>) -> Json<u64> {
    let mut revision = kubelet.world.watch();
    // Without a change in time, the caller learns that nothing has changed.
    let _ = tokio::time::timeout(LONGEST_WAIT, revision.wait_for(|revision| *revision > after)).await;
    Json(*revision.borrow())
}

async fn ring(
    State(kubelet): Shared,
    Path((namespace, name)): Path<(String, String)>,
) -> Result<Json<RingView>, StatusCode> {
    let world = &kubelet.world;
    let cluster = ClusterId::new(namespace, name);
    world
        .look(|state| view::ring(state, &cluster, world.now()))
        .map(Json)
        .ok_or(StatusCode::NOT_FOUND)
}

async fn calls(State(kubelet): Shared, Json(query): Json<CallQuery>) -> Json<CallLog> {
    Json(kubelet.world.look(|state| state.calls.select(&query)))
}
