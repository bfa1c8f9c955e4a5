//! Who leads: one `Lease`, written by compare-and-swap on its resourceVersion.
//!
//! A lease coordinates, it does not fence: every write of the operator stays guarded by its own precondition. What the
//! lease adds is that two operators do not work against each other, and [`Leadership::holds`] lets a process that was
//! suspended past the end of its lease notice before it writes.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::api::{ObjectMeta, PostParams};
use kube::{Api, Client};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::failure::Failure;

/// What a candidate may do about a lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Nobody has it: write ourselves in.
    Take,
    /// It is ours: renew it.
    Renew,
    /// Another holds it, for this long at most unless it is renewed.
    Wait {
        /// Identity of the holder.
        holder: String,
        /// Time until it may be taken, if nobody renews it.
        at_most: Duration,
    },
}

/// Judges `lease`, which has not changed for `unchanged_for` by our own clock.
///
/// The holder's `renewTime` is not compared with our clock: two nodes' clocks may differ by more than the lease lasts,
/// and a candidate whose clock is ahead would take a live lease.
pub fn evaluate(lease: Option<&LeaseSpec>, me: &str, unchanged_for: Duration) -> Verdict {
    let Some(lease) = lease else { return Verdict::Take };
    let holder = match lease.holder_identity.as_deref() {
        None | Some("") => return Verdict::Take,
        Some(holder) if holder == me => return Verdict::Renew,
        Some(holder) => holder,
    };
    let seconds = u64::try_from(lease.lease_duration_seconds.unwrap_or_default()).unwrap_or_default();
    match Duration::from_secs(seconds).checked_sub(unchanged_for) {
        None | Some(Duration::ZERO) => Verdict::Take,
        Some(at_most) => Verdict::Wait {
            holder: holder.to_owned(),
            at_most,
        },
    }
}

/// The lease as `me` writes it after `previous`.
pub fn claim(previous: Option<&LeaseSpec>, me: &str, lasts: Duration, now: Timestamp) -> LeaseSpec {
    let mine = previous.is_some_and(|lease| lease.holder_identity.as_deref() == Some(me));
    let transitions = previous
        .and_then(|lease| lease.lease_transitions)
        .unwrap_or_default();
    LeaseSpec {
        holder_identity: Some(me.to_owned()),
        lease_duration_seconds: Some(i32::try_from(lasts.as_secs()).unwrap_or(i32::MAX).max(1)),
        acquire_time: match previous {
            Some(lease) if mine => lease.acquire_time.clone(),
            _ => Some(MicroTime(now)),
        },
        renew_time: Some(MicroTime(now)),
        lease_transitions: Some(match previous {
            None => 0,
            Some(_) if mine => transitions,
            Some(_) => transitions.saturating_add(1),
        }),
        ..LeaseSpec::default()
    }
}

/// A candidate for the lease.
#[derive(Debug, Clone)]
pub struct Candidate {
    /// Leases of the namespace.
    pub leases: Api<Lease>,
    /// Name of the lease.
    pub name: String,
    /// Identity of this process among all candidates.
    pub me: String,
    /// How long the lease lasts without renewal.
    pub lasts: Duration,
}

/// The lease is held. Renew it with [`Leadership::keep`], give it back with [`Leadership::release`].
#[derive(Debug)]
pub struct Leadership {
    candidate: Candidate,
    held: Lease,
    ends: watch::Sender<Instant>,
}

/// Tells whether the lease still holds.
#[derive(Debug, Clone)]
pub struct Term {
    began: Timestamp,
    ends: Option<watch::Receiver<Instant>>,
}

impl Term {
    /// A term without end, for an operator that runs without election.
    pub fn without_election() -> Self {
        Self::from_now_on(None)
    }

    fn from_now_on(ends: Option<watch::Receiver<Instant>>) -> Self {
        Self {
            began: Timestamp::now(),
            ends,
        }
    }

    /// When it was asked for, once the lease was held.
    pub fn began(&self) -> Timestamp {
        self.began
    }

    /// False once the lease may have passed to another.
    pub fn holds(&self) -> bool {
        self.ends
            .as_ref()
            .is_none_or(|ends| Instant::now() < *ends.borrow())
    }
}

impl Candidate {
    /// Leases of `namespace`.
    pub fn new(client: Client, namespace: &str, name: &str, me: &str, lasts: Duration) -> Self {
        Self {
            leases: Api::namespaced(client, namespace),
            name: name.to_owned(),
            me: me.to_owned(),
            lasts,
        }
    }

    /// Waits until the lease is ours. Another holder, a conflict or an API server that cannot be reached only delay.
    pub async fn acquire(self) -> Leadership {
        let mut seen: Option<(Option<String>, Instant)> = None;
        let mut told = None;
        loop {
            let again_in = match self.attempt(&mut seen).await {
                Ok(Attempt::Held { lease, ends }) => {
                    tracing::info!(lease = self.name, identity = self.me, "leading");
                    return Leadership {
                        held: *lease,
                        ends: watch::Sender::new(ends),
                        candidate: self,
                    };
                }
                Ok(Attempt::HeldBy { holder, at_most }) => {
                    if told.as_ref() != Some(&holder) {
                        tracing::info!(lease = self.name, holder, "waiting: another operator leads");
                        told = Some(holder);
                    }
                    at_most.min(self.lasts / 3)
                }
                Err(Failure::Conflict(_)) => Duration::ZERO,
                Err(failure) => {
                    tracing::warn!("cannot take lease {}: {failure}", self.name);
                    self.lasts / 3
                }
            };
            // A conflict means that another candidate just wrote; a short pause keeps two of them from racing on.
            sleep(again_in.max(Duration::from_millis(50))).await;
        }
    }

    async fn attempt(&self, seen: &mut Option<(Option<String>, Instant)>) -> Result<Attempt, Failure> {
        let began = Instant::now();
        let stored = self
            .leases
            .get_opt(&self.name)
            .await
            .map_err(|e| self.failure(e))?;
        let version = stored
            .as_ref()
            .and_then(|lease| lease.metadata.resource_version.clone());
        let since = match seen {
            Some((last, since)) if *last == version => *since,
            _ => seen.insert((version, began)).1,
        };
        let spec = stored.as_ref().and_then(|lease| lease.spec.as_ref());
        match evaluate(spec, &self.me, began.duration_since(since)) {
            Verdict::Wait { holder, at_most } => Ok(Attempt::HeldBy { holder, at_most }),
            Verdict::Take | Verdict::Renew => {
                let lease = self.write(stored).await?;
                Ok(Attempt::Held {
                    lease: Box::new(lease),
                    ends: began + self.lasts,
                })
            }
        }
    }

    /// Writes ourselves in under the resourceVersion of `stored`; creates the lease if there is none.
    pub async fn write(&self, stored: Option<Lease>) -> Result<Lease, Failure> {
        let previous = stored.as_ref().and_then(|lease| lease.spec.as_ref());
        let spec = Some(claim(previous, &self.me, self.lasts, Timestamp::now()));
        let written = match stored {
            None => {
                let metadata = ObjectMeta {
                    name: Some(self.name.clone()),
                    ..ObjectMeta::default()
                };
                self.leases
                    .create(&PostParams::default(), &Lease { metadata, spec })
                    .await
            }
            Some(stored) => {
                self.leases
                    .replace(&self.name, &PostParams::default(), &Lease { spec, ..stored })
                    .await
            }
        };
        written.map_err(|error| self.failure(error))
    }

    fn failure(&self, error: kube::Error) -> Failure {
        Failure::of_api(format!("lease {}", self.name), error)
    }
}

enum Attempt {
    Held { lease: Box<Lease>, ends: Instant },
    HeldBy { holder: String, at_most: Duration },
}

impl Leadership {
    /// Tells whether the lease still holds.
    pub fn term(&self) -> Term {
        Term::from_now_on(Some(self.ends.subscribe()))
    }

    /// Renews the lease every third of its time, and returns with the reason once that has failed for two thirds of
    /// it: the last third is left for what is under way to stop.
    pub async fn keep(&mut self) -> Failure {
        let third = self.candidate.lasts / 3;
        let mut last = Failure::Timeout(format!("lease {} was not renewed in time", self.candidate.name));
        loop {
            let give_up = *self.ends.borrow() - third;
            if Instant::now() >= give_up {
                return last;
            }
            sleep_until(give_up - third).await;
            let began = Instant::now();
            match timeout(third, self.renew()).await {
                Ok(Ok(lease)) => {
                    self.held = lease;
                    self.ends.send_replace(began + self.candidate.lasts);
                }
                Ok(Err(Renewal::Taken(failure))) => return failure,
                Ok(Err(Renewal::Failed(failure))) => {
                    tracing::warn!("cannot renew the lease: {failure}");
                    last = failure;
                    sleep(third / 10).await;
                }
                Err(_) => tracing::warn!("cannot renew the lease: the API server does not answer"),
            }
        }
    }

    async fn renew(&mut self) -> Result<Lease, Renewal> {
        match self.candidate.write(Some(self.held.clone())).await {
            Err(Failure::Conflict(_)) => {}
            other => return other.map_err(Renewal::Failed),
        }
        // Someone wrote meanwhile; it may have been us, when the answer to an earlier renewal was lost.
        let candidate = &self.candidate;
        let stored = candidate.leases.get_opt(&candidate.name).await;
        let stored = stored.map_err(|error| Renewal::Failed(candidate.failure(error)))?;
        let holder = stored
            .as_ref()
            .and_then(|lease| lease.spec.as_ref()?.holder_identity.as_deref());
        if holder == Some(candidate.me.as_str()) {
            return candidate.write(stored).await.map_err(Renewal::Failed);
        }
        let holder = holder.filter(|name| !name.is_empty()).unwrap_or("nobody");
        Err(Renewal::Taken(Failure::Conflict(format!(
            "lease {} is held by {holder}",
            candidate.name
        ))))
    }

    /// Gives the lease back, so that the next operator need not wait for its end. Last act of a graceful stop.
    pub async fn release(self) {
        let mut lease = self.held;
        if let Some(spec) = &mut lease.spec {
            spec.holder_identity = Some(String::new());
            spec.lease_duration_seconds = Some(1);
        }
        let name = &self.candidate.name;
        let write = async {
            self.candidate
                .leases
                .replace(name, &PostParams::default(), &lease)
                .await
        };
        match timeout(Duration::from_secs(2), write).await {
            Ok(Ok(_)) => tracing::info!(lease = name, "lease released"),
            Ok(Err(error)) => tracing::warn!("cannot release lease {name}: {error}"),
            Err(_) => tracing::warn!("cannot release lease {name}: the API server does not answer"),
        }
    }
}

enum Renewal {
    /// Another holds it: certain.
    Taken(Failure),
    /// It did not work this time.
    Failed(Failure),
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn held_by(holder: Option<&str>, seconds: i32) -> LeaseSpec {
        LeaseSpec {
            holder_identity: holder.map(str::to_owned),
            lease_duration_seconds: Some(seconds),
            ..LeaseSpec::default()
        }
    }

    fn wait(holder: &str, seconds: u64) -> Verdict {
        Verdict::Wait {
            holder: holder.to_owned(),
            at_most: Duration::from_secs(seconds),
        }
    }

    #[rstest]
    #[case::no_lease(None, 0, Verdict::Take)]
    #[case::released(Some(held_by(Some(""), 1)), 0, Verdict::Take)]
    #[case::never_held(Some(held_by(None, 15)), 0, Verdict::Take)]
    #[case::ours(Some(held_by(Some("me"), 15)), 0, Verdict::Renew)]
    #[case::ours_long_ago(Some(held_by(Some("me"), 15)), 900, Verdict::Renew)]
    #[case::just_seen(Some(held_by(Some("other"), 15)), 0, wait("other", 15))]
    #[case::unchanged_for_a_while(Some(held_by(Some("other"), 15)), 14, wait("other", 1))]
    #[case::ended(Some(held_by(Some("other"), 15)), 15, Verdict::Take)]
    #[case::ended_long_ago(Some(held_by(Some("other"), 15)), 99, Verdict::Take)]
    #[case::nonsense_duration(Some(held_by(Some("other"), -1)), 0, Verdict::Take)]
    fn judges(#[case] lease: Option<LeaseSpec>, #[case] unchanged_seconds: u64, #[case] verdict: Verdict) {
        assert_eq!(
            evaluate(lease.as_ref(), "me", Duration::from_secs(unchanged_seconds)),
            verdict
        );
    }

    #[rstest]
    #[case::first(None, 0, 100)]
    #[case::taken_over(Some(("other", 7)), 8, 100)]
    #[case::renewed(Some(("me", 7)), 7, 50)]
    fn claims(#[case] previous: Option<(&str, i32)>, #[case] transitions: i32, #[case] acquired: i64) {
        let at = |second| Timestamp::from_second(second).unwrap();
        let previous = previous.map(|(holder, transitions)| LeaseSpec {
            acquire_time: Some(MicroTime(at(50))),
            lease_transitions: Some(transitions),
            ..held_by(Some(holder), 15)
        });
        let claimed = claim(previous.as_ref(), "me", Duration::from_secs(15), at(100));
        assert_eq!(claimed.holder_identity.as_deref(), Some("me"));
        assert_eq!(claimed.lease_duration_seconds, Some(15));
        assert_eq!(claimed.lease_transitions, Some(transitions));
        assert_eq!(claimed.acquire_time, Some(MicroTime(at(acquired))));
        assert_eq!(claimed.renew_time, Some(MicroTime(at(100))));
    }

    #[tokio::test(start_paused = true)]
    async fn a_term_ends_by_itself() {
        let ends = watch::Sender::new(Instant::now() + Duration::from_secs(15));
        let term = Term::from_now_on(Some(ends.subscribe()));
        assert!(term.holds());
        tokio::time::advance(Duration::from_secs(16)).await;
        assert!(!term.holds());
        ends.send_replace(Instant::now() + Duration::from_secs(15));
        assert!(term.holds());
        assert!(Term::without_election().holds());
    }
}
