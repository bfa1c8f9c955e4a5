//! A watch that starts where a read or a write ended, and goes on through what ends watches.

use std::fmt::Debug;
use std::time::Duration;

use futures::stream::{self, BoxStream, StreamExt};
use kube::api::{ListParams, WatchEvent, WatchParams};
use kube::{Api, Resource};
use serde::de::DeserializeOwned;

use crate::failure::Failure;
use crate::kube_access::{Access, Call, CallError, Kind};

/// What a watch tells.
#[derive(Debug, Clone)]
pub(crate) enum Change<K> {
    /// An object is new or has changed.
    Applied(K),
    /// An object is gone.
    Deleted(K),
    /// Something was missed: these are all there are.
    All(Vec<K>),
    /// The API server does not answer; it is asked again.
    Lost(String),
}

/// What to watch.
pub(crate) struct Feed<'a, K> {
    pub(crate) access: &'a Access,
    pub(crate) api: Api<K>,
    pub(crate) kind: Kind,
    pub(crate) labels: Option<String>,
    pub(crate) fields: Option<String>,
}

/// An API server ends a watch after this time, so that none hangs on a connection that is dead unnoticed.
const WATCH_SECONDS: u32 = 290;
/// Between tries to reach the API server: the first, and the longest.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(8));

struct Position<'a, K> {
    feed: Feed<'a, K>,
    version: String,
    open: Option<BoxStream<'static, kube::Result<WatchEvent<K>>>>,
    pause: Duration,
}

impl<'a, K> Feed<'a, K>
where
    K: Resource<DynamicType = ()> + DeserializeOwned + Clone + Debug + Send + 'static,
{
    /// Every change after a version. Ends only with a failure that trying again cannot mend.
    pub(crate) fn from(self, version: String) -> impl StreamExt<Item = Result<Change<K>, Failure>> + 'a {
        let start = Position {
            feed: self,
            version,
            open: None,
            pause: BACK_OFF.0,
        };
        stream::unfold(Some(start), |position| async move {
            let mut position = position?;
            match position.next().await {
                Ok(change) => Some((Ok(change), Some(position))),
                Err(failure) => Some((Err(failure), None)),
            }
        })
    }

    fn call(&self, verb: &'static str) -> Call {
        Call {
            verb,
            resource: self.kind,
            name: None,
        }
    }
}

impl<K> Position<'_, K>
where
    K: Resource<DynamicType = ()> + DeserializeOwned + Clone + Debug + Send + 'static,
{
    async fn next(&mut self) -> Result<Change<K>, Failure> {
        loop {
            let event = match &mut self.open {
                Some(open) => open.next().await,
                None => match self.open().await {
                    Ok(()) => continue,
                    Err(error) => Some(Err(error)),
                },
            };
            match event {
                Some(Ok(WatchEvent::Added(object) | WatchEvent::Modified(object))) => {
                    self.seen(&object);
                    return Ok(Change::Applied(object));
                }
                Some(Ok(WatchEvent::Deleted(object))) => {
                    self.seen(&object);
                    return Ok(Change::Deleted(object));
                }
                Some(Ok(WatchEvent::Bookmark(mark))) => {
                    mark.metadata.resource_version.clone_into(&mut self.version);
                }
                // The server has forgotten the version: what lies between is lost, what is now is not.
                Some(Ok(WatchEvent::Error(status))) if status.code == 410 => return self.relist().await,
                Some(Err(kube::Error::Api(status))) if status.code == 410 => return self.relist().await,
                Some(Ok(WatchEvent::Error(status))) => {
                    return self.interrupted(kube::Error::Api(status)).await;
                }
                Some(Err(error)) => return self.interrupted(error).await,
                None => self.open = None,
            }
        }
    }

    async fn open(&mut self) -> kube::Result<()> {
        let params = WatchParams {
            label_selector: self.feed.labels.clone(),
            field_selector: self.feed.fields.clone(),
            timeout: Some(WATCH_SECONDS),
            bookmarks: true,
            ..WatchParams::default()
        };
        self.open = Some(self.feed.api.watch(&params, &self.version).await?.boxed());
        Ok(())
    }

    async fn relist(&mut self) -> Result<Change<K>, Failure> {
        self.open = None;
        let params = ListParams {
            label_selector: self.feed.labels.clone(),
            field_selector: self.feed.fields.clone(),
            ..ListParams::default()
        };
        match self
            .feed
            .access
            .call(&self.feed.call("list"), self.feed.api.list(&params))
            .await
        {
            Ok(list) => {
                self.version = list.metadata.resource_version.unwrap_or_default();
                self.pause = BACK_OFF.0;
                Ok(Change::All(list.items))
            }
            Err(error) => self.pause_after(error).await,
        }
    }

    async fn interrupted(&mut self, error: kube::Error) -> Result<Change<K>, Failure> {
        self.open = None;
        let error = self.feed.access.explain(&self.feed.call("watch"), error);
        self.pause_after(error).await
    }

    /// What time may mend is tried again, after longer and longer pauses.
    async fn pause_after(&mut self, error: CallError) -> Result<Change<K>, Failure> {
        let lasting = matches!(
            error,
            CallError::Unauthorized { .. }
                | CallError::Forbidden { .. }
                | CallError::ForbiddenEverywhere { .. }
                | CallError::NoSuchResource { .. }
        );
        if lasting {
            return Err(error.into());
        }
        tokio::time::sleep(self.pause).await;
        self.pause = (self.pause * 2).min(BACK_OFF.1);
        Ok(Change::Lost(error.to_string()))
    }

    fn seen(&mut self, object: &K) {
        self.pause = BACK_OFF.0;
        if let Some(version) = &object.meta().resource_version {
            version.clone_into(&mut self.version);
        }
    }
}
