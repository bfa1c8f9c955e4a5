//! Clusters and pods as they change, until a signal comes.

use casskop_core::view::ClusterView;
use casskop_types::CassandraCluster;
use futures::stream::{LocalBoxStream, StreamExt};
use k8s_openapi::api::core::v1::Pod;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::{Change, Feed, From, Picture};
use crate::exit::ExitStatus;
use crate::failure::Failure;
use crate::kube_access::{Access, Kind};

/// A picture, and the watches that keep it up to date.
pub(crate) struct Watch<'a> {
    clusters: LocalBoxStream<'a, Result<Change<CassandraCluster>, Failure>>,
    pods: LocalBoxStream<'a, Result<Change<Pod>, Failure>>,
    picture: Picture,
    interrupt: Signal,
    terminate: Signal,
}

/// What has happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum News {
    /// The picture may be another one.
    Changed,
    /// The API server does not answer; it is asked again.
    Lost(String),
    /// A signal came.
    Stopped(ExitStatus),
}

impl<'a> Watch<'a> {
    /// From a picture on, which was read at the versions of `from`.
    pub(crate) fn open(access: &'a Access, picture: Picture, from: From) -> Result<Self, Failure> {
        let clusters = Feed {
            access,
            api: access.clusters(),
            kind: Kind::Clusters,
            labels: None,
            fields: from.cluster.map(|name| format!("metadata.name={name}")),
        };
        let pods = Feed {
            access,
            api: access.pods(),
            kind: Kind::Pods,
            labels: Some(from.pod_labels),
            fields: None,
        };
        Ok(Self {
            clusters: clusters.from(from.clusters).boxed_local(),
            pods: pods.from(from.pods).boxed_local(),
            picture,
            interrupt: signal(SignalKind::interrupt()).map_err(Failure::Runtime)?,
            terminate: signal(SignalKind::terminate()).map_err(Failure::Runtime)?,
        })
    }

    /// What people see now.
    pub(crate) fn views(&self) -> Vec<ClusterView> {
        self.picture.views()
    }

    /// Waits for news. Nothing is lost if the waiting is given up.
    pub(crate) async fn next(&mut self) -> Result<News, Failure> {
        tokio::select! {
            Some(change) = self.clusters.next() => Ok(match change? {
                Change::Lost(why) => News::Lost(why),
                change => {
                    self.picture.clusters(change);
                    News::Changed
                }
            }),
            Some(change) = self.pods.next() => Ok(match change? {
                Change::Lost(why) => News::Lost(why),
                change => {
                    self.picture.pods(change);
                    News::Changed
                }
            }),
            _ = self.interrupt.recv() => Ok(News::Stopped(ExitStatus::Interrupted)),
            _ = self.terminate.recv() => Ok(News::Stopped(ExitStatus::Terminated)),
        }
    }
}
