//! What tests may ask for, and how it is done.

use std::net::Ipv4Addr;
use std::sync::Arc;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

use crate::kubelet::{Kubelet, set_cordon, set_power};
use crate::names::{ClusterId, PodId};
use crate::ring::{Keyspace, Partitions, Sight};
use crate::steering::{CallRule, Cordon, PodBehaviour, Power, Scope};
use crate::world::Waiting;

/// A change of the simulated world.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Command {
    /// Adds a rule for calls. Of several that match a call, the one added last counts.
    AddCallRule {
        /// The rule.
        rule: CallRule,
    },
    /// Sets how pods behave, in place of what was set for exactly this scope.
    SetPodBehaviour {
        /// Which pods.
        scope: Scope,
        /// How.
        behaviour: PodBehaviour,
    },
    /// Forgets all rules and behaviours.
    ClearSteering,
    /// Ends calls in flight that take [`crate::Span::UntilReleased`].
    ReleaseCalls {
        /// On which pods.
        scope: Scope,
        /// Of which operation or attribute; of any where absent.
        name: Option<String>,
    },
    /// Lets pods that start [`crate::Span::UntilReleased`] go on.
    ReleaseStarts {
        /// Which pods.
        scope: Scope,
    },
    /// Lets Cassandra come up where it warms up [`crate::Span::UntilReleased`].
    ReleaseWarmUps {
        /// On which pods.
        scope: Scope,
    },
    /// Lets nodes that join [`crate::Span::UntilReleased`] become members.
    ReleaseJoins {
        /// Which pods.
        scope: Scope,
    },
    /// Lets pods that stop [`crate::Span::UntilReleased`] be gone.
    ReleaseStops {
        /// Which pods.
        scope: Scope,
    },
    /// Ends the Cassandra process of a pod. Its kubelet starts it again, unless the pod's behaviour says otherwise.
    Crash {
        /// Which pod.
        pod: PodId,
    },
    /// Switches a machine on or off. While it is off, its pods run nothing and their deletion does not complete.
    SetPower {
        /// Name of the Node.
        node: String,
        /// On or off.
        power: Power,
    },
    /// Lets the scheduler use a machine or not. With none left for them, new pods are Unschedulable.
    SetCordon {
        /// Name of the Node.
        node: String,
        /// Whether it takes pods.
        cordon: Cordon,
    },
    /// The next pod of this name gets this address.
    NextAddress {
        /// Which pod.
        pod: PodId,
        /// An address of the simulator's block.
        address: Ipv4Addr,
    },
    /// Makes one node see another as down, or stop doing so.
    SetSight {
        /// Cluster of both.
        cluster: ClusterId,
        /// Pod of the node that looks.
        observer: PodId,
        /// Pod of the node that is looked at.
        subject: PodId,
        /// What the observer sees.
        sight: Sight,
    },
    /// Creates or alters a keyspace.
    PutKeyspace {
        /// In which cluster.
        cluster: ClusterId,
        /// Its name.
        name: String,
        /// What it is.
        keyspace: Keyspace,
    },
    /// Drops a keyspace.
    DropKeyspace {
        /// In which cluster.
        cluster: ClusterId,
        /// Its name.
        name: String,
    },
    /// Writes to partitions of a keyspace.
    Write {
        /// In which cluster.
        cluster: ClusterId,
        /// Keyspace.
        keyspace: String,
        /// What is written.
        partitions: Partitions,
    },
    /// Empties the call log.
    ClearCalls,
}

impl Command {
    /// Carries the command out; it has taken effect when this returns.
    pub(super) async fn carry_out(self, kubelet: &Arc<Kubelet>) -> anyhow::Result<()> {
        let world = &kubelet.world;
        match self {
            Self::AddCallRule { rule } => world.change(|state| state.steering.add_rule(rule)),
            Self::SetPodBehaviour { scope, behaviour } => {
                world.change(|state| state.steering.set_behaviour(scope, behaviour));
                world.wake_all();
            }
            Self::ClearSteering => {
                world.change(|state| state.steering.clear());
                world.wake_all();
            }
            Self::ReleaseCalls { scope, name } => world.release(scope, Waiting::Call { name }),
            Self::ReleaseStarts { scope } => world.release(scope, Waiting::Start),
            Self::ReleaseWarmUps { scope } => world.release(scope, Waiting::WarmUp),
            Self::ReleaseJoins { scope } => world.release(scope, Waiting::Join),
            Self::ReleaseStops { scope } => world.release(scope, Waiting::Stop),
            Self::Crash { pod } => world.change(|state| {
                let found = state
                    .pods_named(&pod)
                    .map(|pod| pod.crash.send_modify(|crashes| *crashes += 1))
                    .count();
                anyhow::ensure!(found > 0, "no Cassandra runs in a pod {pod}");
                Ok(())
            })?,
            Self::SetPower { node, power } => {
                set_power(&kubelet.client, world, &node, power).await?;
            }
            Self::SetCordon { node, cordon } => set_cordon(&kubelet.client, &node, cordon).await?,
            Self::NextAddress { pod, address } => kubelet.addresses.want(pod, address),
            Self::SetSight {
                cluster,
                observer,
                subject,
                sight,
            } => {
                let host = |pod: &PodId| {
                    let found = world.look(|state| state.pods_named(pod).map(|pod| pod.host).next());
                    found.with_context(|| format!("no Cassandra runs in a pod {pod}"))
                };
                let (observer, subject) = (host(&observer)?, host(&subject)?);
                world.change_ring(&cluster, |ring| ring.set_sight(observer, subject, sight));
            }
            Self::PutKeyspace {
                cluster,
                name,
                keyspace,
            } => {
                world.change_ring(&cluster, |ring| ring.put_keyspace(&name, keyspace));
            }
            Self::DropKeyspace { cluster, name } => {
                world.change_ring(&cluster, |ring| ring.drop_keyspace(&name));
            }
            Self::Write {
                cluster,
                keyspace,
                partitions,
            } => {
                world.change_ring(&cluster, |ring| ring.write(&keyspace, partitions));
            }
            Self::ClearCalls => world.change(|state| state.calls.clear()),
        }
        Ok(())
    }
}
