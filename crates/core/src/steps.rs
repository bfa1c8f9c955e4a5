//! What the parts of a plan add up to.

use jiff::SignedDuration;

use crate::blocker::Blocker;
use crate::effect::{Effect, Notice, PodLabels, Wake};

/// Collected by every part of the plan in turn.
#[derive(Debug, Clone, Default)]
pub struct Steps {
    /// Effects that the status tells of as done.
    pub first: Vec<Effect>,
    /// Effects, in order.
    pub effects: Vec<Effect>,
    /// Events.
    pub notices: Vec<Notice>,
    /// What wanted steps wait for, the most important first.
    pub blockers: Vec<Blocker>,
    wake: Option<SignedDuration>,
}

impl Steps {
    /// Asks for another look after this time, for what no watch tells.
    pub fn look_again_after(&mut self, delay: SignedDuration) {
        self.wake = Some(self.wake.map_or(delay, |earlier| earlier.min(delay)));
    }

    /// Changes a pod's labels. All that a plan changes of one pod is one write: the first of two would outdate the second.
    pub fn label(&mut self, change: PodLabels) {
        let earlier = self.effects.iter_mut().find_map(|effect| match effect {
            Effect::LabelPod(earlier) if earlier.uid == change.uid => Some(earlier),
            _ => None,
        });
        match earlier {
            Some(earlier) => {
                earlier.labels.extend(change.labels);
                earlier.annotations.extend(change.annotations);
            }
            None => self.effects.push(Effect::LabelPod(change)),
        }
    }

    /// Records what a step waits for.
    pub fn wait_for(&mut self, blocker: Blocker) {
        if !self.blockers.contains(&blocker) {
            self.blockers.push(blocker);
        }
    }

    /// Tells of something expected.
    pub fn tell(&mut self, reason: &'static str, note: impl Into<String>) {
        self.notices.push(Notice::normal(reason, note));
    }

    /// Warns of something a person should look at.
    pub fn warn(&mut self, reason: &'static str, note: impl Into<String>) {
        self.notices.push(Notice::warning(reason, note));
    }

    /// When to look again.
    pub fn wake(&self) -> Wake {
        self.wake.map_or(Wake::OnEvent, Wake::After)
    }
}
