//! When to read the ConfigMap with a cluster's hooks, and what is in it.
//!
//! It is a user's own, and carries no label of the cluster's: the watch tells of every ConfigMap, and only here is it known who
//! reads which. A pass that reads says so before it does, so that no change falls between the read and the watch.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use casskop_core::fact::Fact;
use casskop_core::hooks::digest;
use casskop_core::validate::ValidatedCluster;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{Api, Client};

use crate::cluster_id::ClusterId;
use crate::failure::Failure;

/// What the watch has seen of the ConfigMaps in its scope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConfigMapNews {
    /// It starts over: those that are there follow.
    ListBegins,
    /// There is one, in this version.
    There {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
        /// Its resourceVersion.
        version: String,
    },
    /// It was deleted.
    Gone {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
    /// Of those that did not follow there are none.
    Listed,
}

/// Which cluster reads which ConfigMap. Losing it costs a read of each, nothing else.
#[derive(Debug, Default)]
pub struct Hooks(Mutex<HashMap<ClusterId, Reading>>);

#[derive(Debug)]
struct Reading {
    name: String,
    /// Generation of the cluster under which it was read.
    generation: i64,
    last: LastRead,
    /// What the watch has told since that read began.
    told: Told,
    /// Whether the watch has seen it since it last started over.
    listed: bool,
}

#[derive(Debug, PartialEq, Eq)]
enum LastRead {
    /// There was none, or the read failed, or nobody knows what became of it.
    Void,
    /// The API server does not let us.
    Refused,
    /// The resourceVersion that was read.
    Version(String),
}

#[derive(Debug, PartialEq, Eq)]
enum Told {
    Nothing,
    Version(String),
    Gone,
}

impl Reading {
    /// Whether it may be another than the one that was read.
    fn is_outdated(&self) -> bool {
        match (&self.last, &self.told) {
            (LastRead::Refused | LastRead::Version(_), Told::Nothing) => false,
            (LastRead::Version(read), Told::Version(told)) => read != told,
            (LastRead::Void, _)
            | (LastRead::Refused, Told::Version(_) | Told::Gone)
            | (LastRead::Version(_), Told::Gone) => true,
        }
    }
}

impl Hooks {
    /// The content of the ConfigMap that the spec names, if there is one. Unknown where it is not due: it is read in the first pass
    /// of this process, under a new generation, after it changed, and for as long as it is not there.
    ///
    /// Where the operator may not read it, new content rolls nothing, and everything else goes on.
    pub async fn content(
        &self,
        client: &Client,
        id: &ClusterId,
        cluster: &ValidatedCluster,
    ) -> Result<Fact<Option<String>>, Failure> {
        let Some(name) = &cluster.pod.hooks else {
            self.forget(id);
            return Ok(Fact::default());
        };
        if !self.begin(id, cluster.generation, name) {
            return Ok(Fact::Unknown(
                "not read in this pass: unchanged since it was last read".to_owned(),
            ));
        }
        let config_maps: Api<ConfigMap> = Api::namespaced(client.clone(), &id.namespace);
        let read = config_maps.get_opt(name).await;
        let what = || format!("configmap {}/{name}", id.namespace);
        match read.map_err(|error| Failure::of_api(what(), error)) {
            Ok(None) => Ok(Fact::Known(None)),
            Ok(Some(config_map)) => {
                let version = config_map.metadata.resource_version.clone().unwrap_or_default();
                self.end(id, LastRead::Version(version));
                Ok(Fact::Known(Some(digest(&config_map))))
            }
            Err(Failure::Forbidden(why)) => {
                tracing::warn!("new content of the hooks is not seen: {why}");
                self.end(id, LastRead::Refused);
                Ok(Fact::Unknown(why))
            }
            Err(failure) => Err(failure),
        }
    }

    /// What became of the last read is not certain.
    pub fn uncertain(&self, cluster: &ClusterId) {
        self.end(cluster, LastRead::Void);
    }

    /// The cluster is no more, or has no hooks.
    pub fn forget(&self, cluster: &ClusterId) {
        self.lock().remove(cluster);
    }

    /// The clusters that have to look at their ConfigMap.
    pub fn hear(&self, news: &ConfigMapNews) -> Vec<ClusterId> {
        match news {
            ConfigMapNews::ListBegins => {
                for reading in self.lock().values_mut() {
                    reading.listed = false;
                }
                Vec::new()
            }
            ConfigMapNews::There {
                namespace,
                name,
                version,
            } => self.tell(|id, reading| {
                let is_it = id.namespace == *namespace && reading.name == *name;
                is_it.then(|| Told::Version(version.clone()))
            }),
            ConfigMapNews::Gone { namespace, name } => self.tell(|id, reading| {
                let is_it = id.namespace == *namespace && reading.name == *name;
                is_it.then_some(Told::Gone)
            }),
            ConfigMapNews::Listed => self.tell(|_, reading| {
                let is_lost = !reading.listed && matches!(reading.last, LastRead::Version(_));
                is_lost.then_some(Told::Gone)
            }),
        }
    }

    fn tell(&self, news: impl Fn(&ClusterId, &Reading) -> Option<Told>) -> Vec<ClusterId> {
        let mut readings = self.lock();
        let concerned = readings.iter_mut().filter_map(|(id, reading)| {
            reading.told = news(id, reading)?;
            reading.listed = true;
            reading.is_outdated().then(|| id.clone())
        });
        concerned.collect()
    }

    /// Whether a read is due, which then begins.
    fn begin(&self, cluster: &ClusterId, generation: i64, name: &str) -> bool {
        let mut readings = self.lock();
        let is_due = readings.get(cluster).is_none_or(|reading| {
            reading.name != name || reading.generation != generation || reading.is_outdated()
        });
        if is_due {
            let reading = Reading {
                name: name.to_owned(),
                generation,
                last: LastRead::Void,
                told: Told::Nothing,
                // What was deleted while nobody watched is found missing by the read.
                listed: true,
            };
            readings.insert(cluster.clone(), reading);
        }
        is_due
    }

    fn end(&self, cluster: &ClusterId, last: LastRead) {
        if let Some(reading) = self.lock().get_mut(cluster) {
            reading.last = last;
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ClusterId, Reading>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn demo() -> ClusterId {
        ClusterId::new("ns", "demo")
    }

    fn there(name: &str, version: &str) -> ConfigMapNews {
        ConfigMapNews::There {
            namespace: "ns".to_owned(),
            name: name.to_owned(),
            version: version.to_owned(),
        }
    }

    fn gone(name: &str) -> ConfigMapNews {
        ConfigMapNews::Gone {
            namespace: "ns".to_owned(),
            name: name.to_owned(),
        }
    }

    /// Cluster `demo` has read `hooks` in version 1.
    fn read() -> Hooks {
        let hooks = Hooks::default();
        assert!(hooks.begin(&demo(), 1, "hooks"), "the first time");
        hooks.end(&demo(), LastRead::Version("1".to_owned()));
        hooks
    }

    #[test]
    fn it_is_read_once_and_again_when_something_changed() {
        let hooks = read();
        assert!(!hooks.begin(&demo(), 1, "hooks"));
        assert!(hooks.begin(&demo(), 2, "hooks"), "another generation");
        assert!(hooks.begin(&demo(), 2, "hooks"), "nobody knows how that ended");
        hooks.end(&demo(), LastRead::Version("1".to_owned()));
        assert!(hooks.begin(&demo(), 2, "others"));
        hooks.end(&demo(), LastRead::Version("7".to_owned()));
        hooks.uncertain(&demo());
        assert!(hooks.begin(&demo(), 2, "others"));
    }

    #[test]
    fn only_a_version_that_was_not_read_is_news_and_only_to_who_reads_it() {
        let hooks = read();
        assert_eq!(
            hooks.hear(&there("hooks", "1")),
            [],
            "the list a watch begins with"
        );
        assert_eq!(hooks.hear(&there("others", "2")), []);
        let elsewhere = ConfigMapNews::There {
            namespace: "elsewhere".to_owned(),
            name: "hooks".to_owned(),
            version: "2".to_owned(),
        };
        assert_eq!(hooks.hear(&elsewhere), []);
        assert!(!hooks.begin(&demo(), 1, "hooks"));
        assert_eq!(hooks.hear(&there("hooks", "2")), [demo()]);
        assert!(hooks.begin(&demo(), 1, "hooks"));
    }

    #[test]
    fn what_changes_while_it_is_read_is_read_again() {
        let hooks = read();
        assert!(hooks.begin(&demo(), 2, "hooks"));
        assert_eq!(hooks.hear(&there("hooks", "2")), [demo()]);
        hooks.end(&demo(), LastRead::Version("1".to_owned()));
        assert!(hooks.begin(&demo(), 2, "hooks"));
        hooks.end(&demo(), LastRead::Version("2".to_owned()));
        assert!(!hooks.begin(&demo(), 2, "hooks"));
    }

    #[test]
    fn what_goes_away_is_noticed_also_while_nobody_watches() {
        let hooks = read();
        assert_eq!(hooks.hear(&gone("hooks")), [demo()]);
        let hooks = read();
        hooks.hear(&ConfigMapNews::ListBegins);
        assert_eq!(hooks.hear(&there("hooks", "1")), []);
        assert_eq!(hooks.hear(&ConfigMapNews::Listed), []);
        hooks.hear(&ConfigMapNews::ListBegins);
        assert_eq!(hooks.hear(&ConfigMapNews::Listed), [demo()]);
    }

    #[test]
    fn one_that_is_missing_is_looked_for_until_it_is_there() {
        let hooks = Hooks::default();
        assert!(hooks.begin(&demo(), 1, "hooks"));
        assert!(hooks.begin(&demo(), 1, "hooks"));
        assert_eq!(hooks.hear(&there("hooks", "1")), [demo()]);
    }

    #[test]
    fn one_that_may_not_be_read_is_tried_again_when_the_watch_sees_it() {
        let hooks = Hooks::default();
        assert!(hooks.begin(&demo(), 1, "hooks"));
        hooks.end(&demo(), LastRead::Refused);
        assert!(!hooks.begin(&demo(), 1, "hooks"));
        assert_eq!(hooks.hear(&there("hooks", "1")), [demo()]);
        assert!(hooks.begin(&demo(), 1, "hooks"));
    }
}
