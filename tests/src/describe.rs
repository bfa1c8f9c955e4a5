//! What `kubectl describe cassandracluster` says, as a person reads it.

use anyhow::{Result, ensure};
use casskop_lab::wait::{Answer, until};
use casskop_types::conditions::{ConditionReason, ConditionStatus, ConditionType, condition};
use casskop_types::status::CassandraClusterStatus;

use crate::cluster::{Cluster, PATIENCE};
use crate::ground::Ground;

/// The whole text.
#[derive(Debug)]
pub struct Description {
    text: String,
}

/// A condition in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Told<'a> {
    /// Whether it holds.
    pub status: &'a str,
    /// Why.
    pub reason: &'a str,
    /// The same for people.
    pub message: &'a str,
}

/// What somebody who looks has to find while a cluster is stuck.
#[derive(Clone, Copy, Debug)]
pub struct Stuck<'a> {
    /// Why.
    pub reason: ConditionReason,
    /// What is waited for, by the name of the object.
    pub waits_for: &'a str,
    /// What the reader can do.
    pub remedy: &'a str,
    /// An event of this reason that has these words.
    pub event: (&'a str, &'a str),
}

impl Description {
    /// Asks for it.
    pub fn of(ground: &Ground, cluster: &str) -> Result<Self> {
        let asked = ground
            .kubectl()?
            .arguments(["describe", "cassandracluster", cluster]);
        let outcome = asked.run()?;
        ensure!(outcome.success, "kubectl describe: {outcome:?}");
        Ok(Self { text: outcome.stdout })
    }

    /// The condition of a type. Its fields are printed in the order of the alphabet, the type last.
    pub fn condition(&self, kind: ConditionType) -> Option<Told<'_>> {
        let mut told = Told::default();
        let conditions = self.text.lines().skip_while(|line| line.trim() != "Conditions:");
        for (field, value) in conditions.filter_map(|line| line.split_once(':')) {
            let value = value.trim();
            match field.trim() {
                "Message" => told.message = value,
                "Reason" => told.reason = value,
                "Status" => told.status = value,
                "Type" if value == kind.as_str() => return Some(told),
                _ => {}
            }
        }
        None
    }

    /// What the cluster waits for, if it does.
    pub fn waiting(&self) -> Option<Told<'_>> {
        let waiting = self.condition(ConditionType::Waiting);
        waiting.filter(|waiting| waiting.status == ConditionStatus::True.as_str())
    }

    /// Whether an event of that reason has these words.
    pub fn has_event(&self, reason: &str, words: &str) -> bool {
        let events = self.text.lines().skip_while(|line| !line.starts_with("Events:"));
        let mut of_reason = events.filter(|line| line.split_whitespace().nth(1) == Some(reason));
        of_reason.any(|line| line.contains(words))
    }
}

/// Waits until somebody who looks is told what a cluster is stuck for and what to do, in a condition and an event. Returns what
/// the condition says.
pub async fn tells(ground: &Ground, cluster: &Cluster<'_>, stuck: Stuck<'_>) -> Result<String> {
    let what = format!("{} is waited for", stuck.waits_for);
    // Cheaper than to start kubectl again and again.
    let status = cluster.status_is(&what, |status| {
        let message = waits(status, stuck.reason);
        message.is_some_and(|message| message.contains(stuck.waits_for) && message.contains(stuck.remedy))
    });
    status.await?;
    until(&format!("{what}, as describe tells"), PATIENCE, async || {
        let description = Description::of(ground, &cluster.name)?;
        let (reason, words) = stuck.event;
        let told = description.waiting().filter(|told| {
            told.reason == stuck.reason.as_str()
                && told.message.contains(stuck.waits_for)
                && told.message.contains(stuck.remedy)
        });
        Ok(match told {
            Some(told) if description.has_event(reason, words) => Answer::Yes(told.message.to_owned()),
            _ => Answer::not_yet(description.text),
        })
    })
    .await
}

/// Waits until somebody who looks is told that nothing is waited for.
pub async fn waits_no_more(ground: &Ground, cluster: &Cluster<'_>) -> Result<()> {
    let over = |status: &CassandraClusterStatus| {
        let waiting = condition(&status.conditions, ConditionType::Waiting);
        waiting.is_some_and(|waiting| waiting.status == ConditionStatus::False.as_str())
    };
    cluster.status_is("nothing is waited for", over).await?;
    until("nothing is waited for, as describe tells", PATIENCE, async || {
        let description = Description::of(ground, &cluster.name)?;
        let told = description.condition(ConditionType::Waiting);
        Ok(
            if told.is_some_and(|told| told.status == ConditionStatus::False.as_str()) {
                Answer::Yes(())
            } else {
                Answer::not_yet(description.text)
            },
        )
    })
    .await
}

/// Waits until somebody who looks is told in an event that an edit was put back, why, and what to do instead.
pub async fn tells_put_back(ground: &Ground, cluster: &Cluster<'_>, what: &str, instead: &str) -> Result<()> {
    let told = format!("{what} was put back, as describe tells");
    until(&told, PATIENCE, async || {
        let description = Description::of(ground, &cluster.name)?;
        let mut lines = description.text.lines();
        let told = lines.any(|line| {
            line.contains("CorrectCRDConfig")
                && line.contains(&format!("{what} was put back"))
                && line.contains(instead)
        });
        Ok(if told && description.waiting().is_none() {
            Answer::Yes(())
        } else {
            Answer::not_yet(description.text)
        })
    })
    .await
}

fn waits(status: &CassandraClusterStatus, reason: ConditionReason) -> Option<&str> {
    let waiting = condition(&status.conditions, ConditionType::Waiting)?;
    let holds = waiting.status == ConditionStatus::True.as_str() && waiting.reason == reason.as_str();
    holds.then_some(waiting.message.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_and_events_are_found_in_the_text() {
        let text = "\
Name:         demo
Spec:
  Reason:  none
Status:
  Conditions:
    Last Transition Time:  2026-11-21T08:00:00Z
    Message:               0 of 1 nodes are ready
    Reason:                NodesNotReady
    Status:                False
    Type:                  Ready
    Last Transition Time:  2026-11-21T08:00:00Z
    Message:               pod a is not ready: see `kubectl logs a`
    Observed Generation:   1
    Reason:                PodBlocked
    Status:                True
    Type:                  Waiting
  Phase:                   Pending
Events:
  Type     Reason   Age  From              Message
  ----     ------   ---  ----              -------
  Warning  Waiting  2s   casskop-operator  pod a is not ready
";
        let description = Description {
            text: text.to_owned(),
        };
        let waiting = Told {
            status: "True",
            reason: "PodBlocked",
            message: "pod a is not ready: see `kubectl logs a`",
        };
        assert_eq!(description.waiting(), Some(waiting));
        let ready = description.condition(ConditionType::Ready).unwrap();
        assert_eq!((ready.status, ready.reason), ("False", "NodesNotReady"));
        assert_eq!(description.condition(ConditionType::Valid), None);
        assert!(description.has_event("Waiting", "pod a"));
        assert!(!description.has_event("Waiting", "pod b"));
        assert!(!description.has_event("PodBlocked", "pod a"));
    }
}
