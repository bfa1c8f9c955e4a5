//! A watch that starts where a read or a write ended, and goes on through what ends watches.

use std::fmt::Debug;
use std::io;
use std::time::Duration;

use futures::stream::{self, BoxStream, Stream, StreamExt};
use kube::api::{ListParams, WatchEvent, WatchParams};
use kube::{Api, Resource};
use serde::de::DeserializeOwned;

use crate::failure::{Failure, seconds};
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

/// An API server ends a watch after this time.
const WATCH_SECONDS: u32 = 290;
/// After so long without a word the connection is dead, though nobody has noticed: the watch should have ended.
const SILENCE: Duration = Duration::from_secs(WATCH_SECONDS as u64 + 30);
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
                Some(open) => heard(open, SILENCE).await,
                None => match self.open().await {
                    Ok(()) => continue,
                    Err(CallError::Other {
                        cause: kube::Error::Api(status),
                        ..
                    }) if status.code == 410 => return self.relist().await,
                    Err(error) => return self.pause_after(error).await,
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
                Some(Ok(WatchEvent::Error(status))) => {
                    return self.interrupted(kube::Error::Api(status)).await;
                }
                Some(Err(error)) => return self.interrupted(error).await,
                None => self.open = None,
            }
        }
    }

    async fn open(&mut self) -> Result<(), CallError> {
        let params = WatchParams {
            label_selector: self.feed.labels.clone(),
            field_selector: self.feed.fields.clone(),
            timeout: Some(WATCH_SECONDS),
            bookmarks: true,
            ..WatchParams::default()
        };
        let call = self.feed.call("watch");
        let watch = self.feed.api.watch(&params, &self.version);
        let open = self.feed.access.call(&call, watch).await?;
        self.open = Some(open.boxed());
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
                | CallError::Login(_)
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

/// The next of a stream; one that is silent for too long is broken.
async fn heard<T>(
    stream: &mut (impl Stream<Item = kube::Result<T>> + Unpin),
    silence: Duration,
) -> Option<kube::Result<T>> {
    let late = |_| {
        let reason = format!("nothing came for {}", seconds(silence));
        let error = io::Error::new(io::ErrorKind::TimedOut, reason);
        Some(Err(kube::Error::Service(error.into())))
    };
    tokio::time::timeout(silence, stream.next())
        .await
        .unwrap_or_else(late)
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::net::TcpListener;
    use std::pin::pin;

    use serde_json::json;

    use super::*;
    use crate::cli::{GlobalFlags, limit};

    #[tokio::test]
    async fn silence_breaks_a_watch() {
        let mut silent = stream::pending::<kube::Result<()>>();
        let heard = heard(&mut silent, Duration::from_millis(1)).await;
        let error = heard.unwrap().unwrap_err();
        assert!(error.to_string().contains("nothing came for"), "{error}");
    }

    #[tokio::test]
    async fn a_server_that_opens_no_watch_is_lost() {
        // Connections come about, and nobody ever answers.
        let mute = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = format!("http://{}", mute.local_addr().unwrap());
        let mut file = tempfile::NamedTempFile::new().unwrap();
        let config = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "lab",
            "contexts": [{ "name": "lab", "context": { "cluster": "lab", "user": "ann" } }],
            "clusters": [{ "name": "lab", "cluster": { "server": server } }],
            "users": [{ "name": "ann", "user": {} }],
        });
        file.write_all(config.to_string().as_bytes()).unwrap();
        let flags = GlobalFlags {
            kubeconfig: Some(file.path().to_owned()),
            request_timeout: Some(limit("20ms").unwrap()),
            ..GlobalFlags::default()
        };
        let access = Access::open(&flags).await.unwrap();
        let feed = Feed {
            access: &access,
            api: access.pods(),
            kind: Kind::Pods,
            labels: None,
            fields: None,
        };
        let mut changes = pin!(feed.from("7".to_owned()));
        match changes.next().await {
            Some(Ok(Change::Lost(why))) => assert!(why.contains("did not answer within 20ms"), "{why}"),
            other => panic!("{other:?}"),
        }
    }
}
