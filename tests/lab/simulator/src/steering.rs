//! What tests ask of the simulated world: rules for calls, behaviour of pods, and the precedence between them.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::names::{ClusterId, PodId};
use crate::ring::{CompactionStatus, Transport};

/// Which pods something is about.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Scope {
    /// All of them.
    #[default]
    Everywhere,
    /// Those of one cluster.
    Cluster(ClusterId),
    /// One, and whatever pod comes after it under the same name.
    Pod(PodId),
}

impl Scope {
    /// Whether a pod, and the cluster it belongs to, are meant.
    pub fn covers(&self, cluster: Option<&ClusterId>, pod: &PodId) -> bool {
        match self {
            Self::Everywhere => true,
            Self::Cluster(wanted) => cluster == Some(wanted),
            Self::Pod(wanted) => pod == wanted,
        }
    }
}

/// How long something takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Span {
    /// No time at all.
    #[default]
    AtOnce,
    /// So many milliseconds.
    Millis(u64),
    /// Until [`Command::Release`] says so: a test that waits for nothing but what it asked for.
    UntilReleased,
}

/// Which calls a rule is about. A part that is not given matches anything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CallPattern {
    /// Substring of the MBean's name, e.g. `type=StorageService`.
    pub mbean: Option<String>,
    /// Operation without its signature, or attribute.
    pub name: Option<String>,
    /// A value among the arguments.
    pub argument: Option<Value>,
}

impl CallPattern {
    /// Calls of one operation, or reads of one attribute, of whatever MBean.
    pub fn named(name: impl Into<String>) -> Self {
        Self {
            name: Some(name.into()),
            ..Self::default()
        }
    }

    /// Whether a call is meant.
    pub fn matches(&self, mbean: &str, name: &str, arguments: &[Value]) -> bool {
        self.mbean.as_deref().is_none_or(|part| mbean.contains(part))
            && self.name.as_deref().is_none_or(|wanted| wanted == name)
            && self
                .argument
                .as_ref()
                .is_none_or(|wanted| arguments.contains(wanted))
    }
}

/// How a call ends.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Ending {
    /// As the ring has it.
    #[default]
    Normal,
    /// An exception after the call was accepted: it has run for its time and achieved nothing.
    Exception {
        /// Java class.
        class: String,
        /// Its message.
        message: String,
    },
    /// The node accepts nothing and throws at once.
    Refused {
        /// Java class.
        class: String,
        /// Its message.
        message: String,
    },
    /// The call returns this status instead of success and achieves nothing.
    Returns(CompactionStatus),
    /// The value a read yields instead of the ring's.
    Value(Value),
    /// Jolokia answers with this HTTP status and no body.
    HttpStatus(u16),
    /// The connection is cut without an answer; a call that was accepted goes on in the node.
    Disconnect,
}

/// A rule for calls over Jolokia. Of several that match, the one added last counts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CallRule {
    /// On which pods.
    pub scope: Scope,
    /// Which calls.
    pub calls: CallPattern,
    /// How long they take.
    pub takes: Span,
    /// How they end.
    pub ends: Ending,
    /// For how many calls the rule is good; for ever when absent.
    pub times: Option<u32>,
}

/// What may go wrong with a pod, or take its time. A part that is absent leaves it to the wider scope.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PodBehaviour {
    /// Whether its images can be pulled.
    pub image: Option<Image>,
    /// Whether Cassandra stays up once started.
    pub process: Option<ProcessFate>,
    /// From the pod's start to Cassandra's.
    pub start: Option<Span>,
    /// From Jolokia's start to Cassandra's: the agent answers, and knows none of Cassandra's `MBeans`.
    pub warm_up: Option<Span>,
    /// How long a fresh node streams.
    pub join: Option<Span>,
    /// From the deletion to the end of the containers.
    pub stop: Option<Span>,
    /// Whether Cassandra accepts CQL once NORMAL.
    pub native_transport: Option<Transport>,
    /// Credentials Jolokia asks for, whatever the pod's environment says.
    pub credentials: Option<Credentials>,
}

impl PodBehaviour {
    /// This behaviour where it says something, `wider` where it does not.
    #[must_use]
    pub fn over(self, wider: Self) -> Self {
        Self {
            image: self.image.or(wider.image),
            process: self.process.or(wider.process),
            start: self.start.or(wider.start),
            warm_up: self.warm_up.or(wider.warm_up),
            join: self.join.or(wider.join),
            stop: self.stop.or(wider.stop),
            native_transport: self.native_transport.or(wider.native_transport),
            credentials: self.credentials.or(wider.credentials),
        }
    }
}

/// Whether an image can be pulled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Image {
    /// It can.
    Present,
    /// It cannot: the pod hangs in `ImagePullBackOff`.
    Missing,
}

/// Whether a process stays up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ProcessFate {
    /// It does.
    Runs,
    /// It ends at each start: `CrashLoopBackOff`.
    Crashes,
    /// The bootstrap init container fails at each start: `Init:CrashLoopBackOff`.
    InitFails,
}

/// Whether a machine runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Power {
    /// It does.
    On,
    /// It does not.
    Off,
}

/// Whether a machine takes new pods.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Cordon {
    /// It takes none.
    Cordoned,
    /// It does.
    Open,
}

/// User and password.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Credentials {
    /// User.
    pub user: String,
    /// Password.
    pub password: String,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials")
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}

/// All that was asked for so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Steering {
    rules: Vec<CallRule>,
    behaviours: Vec<(Scope, PodBehaviour)>,
}

impl Steering {
    pub(crate) fn add_rule(&mut self, rule: CallRule) {
        self.rules.push(rule);
    }

    /// Replaces what was asked for exactly this scope.
    pub(crate) fn set_behaviour(&mut self, scope: Scope, behaviour: PodBehaviour) {
        self.behaviours.retain(|(other, _)| *other != scope);
        self.behaviours.push((scope, behaviour));
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    /// The rule for one call, used up by one.
    pub(crate) fn take_rule(
        &mut self,
        cluster: &ClusterId,
        pod: &PodId,
        (mbean, name, arguments): (&str, &str, &[Value]),
    ) -> Option<(Span, Ending)> {
        let position = self.rules.iter().rposition(|rule| {
            rule.times != Some(0)
                && rule.scope.covers(Some(cluster), pod)
                && rule.calls.matches(mbean, name, arguments)
        })?;
        let rule = &mut self.rules[position];
        if let Some(times) = &mut rule.times {
            *times -= 1;
        }
        Some((rule.takes, rule.ends.clone()))
    }

    /// A pod's behaviour: its own, over its cluster's, over everybody's.
    pub(crate) fn behaviour(&self, cluster: Option<&ClusterId>, pod: &PodId) -> PodBehaviour {
        let rank = |scope: &Scope| match scope {
            Scope::Everywhere => 0,
            Scope::Cluster(_) => 1,
            Scope::Pod(_) => 2,
        };
        let mut applying: Vec<_> = self
            .behaviours
            .iter()
            .filter(|(scope, _)| scope.covers(cluster, pod))
            .collect();
        applying.sort_by_key(|(scope, _)| rank(scope));
        applying
            .into_iter()
            .fold(PodBehaviour::default(), |wider, (_, own)| own.clone().over(wider))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod() -> (ClusterId, PodId) {
        (ClusterId::new("ns", "demo"), PodId::new("ns", "demo-dc1-rack1-0"))
    }

    #[test]
    fn a_rule_with_a_count_gives_way_when_it_is_used_up() {
        let (cluster, pod) = pod();
        let mut steering = Steering::default();
        let rule = |takes, times| CallRule {
            takes,
            times,
            ..CallRule::default()
        };
        steering.add_rule(rule(Span::Millis(1), None));
        steering.add_rule(rule(Span::Millis(2), Some(2)));
        let mut taken = || {
            let found = steering.take_rule(&cluster, &pod, ("type=StorageService", "OperationMode", &[]));
            found.map(|(takes, _)| takes)
        };
        assert_eq!(taken(), Some(Span::Millis(2)));
        assert_eq!(taken(), Some(Span::Millis(2)));
        assert_eq!(taken(), Some(Span::Millis(1)));
    }

    #[test]
    fn a_rule_is_for_the_calls_it_names() {
        let pattern = CallPattern {
            name: Some("forceKeyspaceCleanup".to_owned()),
            argument: Some("ks1".into()),
            ..CallPattern::default()
        };
        let arguments = [Value::from(0), Value::from("ks1")];
        assert!(pattern.matches("db:type=StorageService", "forceKeyspaceCleanup", &arguments));
        assert!(!pattern.matches("db:type=StorageService", "forceKeyspaceCleanup", &[]));
        assert!(!pattern.matches("db:type=StorageService", "rebuild", &arguments));
    }

    #[test]
    fn the_narrower_scope_wins_where_it_says_something() {
        let (cluster, pod) = pod();
        let mut steering = Steering::default();
        let behaviour = |image, join| PodBehaviour {
            image,
            join,
            ..PodBehaviour::default()
        };
        steering.set_behaviour(Scope::Pod(pod.clone()), behaviour(Some(Image::Missing), None));
        steering.set_behaviour(
            Scope::Everywhere,
            behaviour(Some(Image::Present), Some(Span::Millis(5))),
        );
        let found = steering.behaviour(Some(&cluster), &pod);
        assert_eq!(found, behaviour(Some(Image::Missing), Some(Span::Millis(5))));
        let other = PodId::new("ns", "demo-dc1-rack2-0");
        assert_eq!(
            steering.behaviour(Some(&cluster), &other).image,
            Some(Image::Present)
        );
    }
}
