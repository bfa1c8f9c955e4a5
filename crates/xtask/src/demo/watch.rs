//! A look at the pods every second, while work is done on them.

use std::fmt;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};
use serde_json::Value;

use super::kubectl::Kubectl;
use super::{PODS, ring};

/// Time between two looks.
const EVERY: Duration = Duration::from_secs(1);

/// Looks in one line of the picture.
const LINE: usize = 60;

/// A thread that looks at the pods every second.
pub(super) struct Watch {
    stop: Sender<()>,
    thread: JoinHandle<Result<Seen>>,
}

impl Watch {
    pub(super) fn start(kubectl: &Kubectl) -> Self {
        let (stop, stopped) = channel();
        let kubectl = kubectl.clone();
        Self {
            stop,
            thread: std::thread::spawn(move || look_until(&kubectl, &stopped)),
        }
    }

    pub(super) fn end(self) -> Result<Seen> {
        drop(self.stop);
        self.thread
            .join()
            .map_err(|_| anyhow!("the watch on the pods broke off"))?
    }
}

fn look_until(kubectl: &Kubectl, stopped: &Receiver<()>) -> Result<Seen> {
    let mut seen = Seen::default();
    let mut next = Instant::now();
    loop {
        let pods = ring::pods(kubectl)?;
        seen.0.push(PODS.map(|pod| {
            pods.iter()
                .any(|found| found["metadata"]["name"] == pod && is_up(found))
        }));
        next += EVERY;
        match stopped.recv_timeout(next.saturating_duration_since(Instant::now())) {
            Err(RecvTimeoutError::Timeout) => {}
            Ok(()) | Err(RecvTimeoutError::Disconnected) => return Ok(seen),
        }
    }
}

/// A pod that is being deleted still says it is ready while its node drains.
fn is_up(pod: &Value) -> bool {
    let ready = |condition: &Value| condition["type"] == "Ready" && condition["status"] == "True";
    let conditions = pod["status"]["conditions"].as_array();
    pod["metadata"]["deletionTimestamp"].is_null() && conditions.is_some_and(|all| all.iter().any(ready))
}

/// What was seen: for each look, which of the pods were up.
#[derive(Debug, Default)]
pub(super) struct Seen(Vec<[bool; PODS.len()]>);

impl Seen {
    /// The most nodes that were down at one look.
    pub(super) fn most_down(&self) -> usize {
        let down = |look: &[bool; PODS.len()]| look.iter().filter(|up| !**up).count();
        self.0.iter().map(down).max().unwrap_or_default()
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            formatter,
            "  nodes, looked at every second (# up, . down): at most {} of {} down in {} looks",
            self.most_down(),
            PODS.len(),
            self.0.len()
        )?;
        for (index, looks) in self.0.chunks(LINE).enumerate() {
            if self.0.len() > LINE {
                writeln!(formatter, "    from second {}", index * LINE)?;
            }
            for (pod, name) in PODS.iter().enumerate() {
                let marks: String = looks
                    .iter()
                    .map(|look| if look[pod] { '#' } else { '.' })
                    .collect();
                writeln!(formatter, "    {name}  {marks}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_pod_on_its_way_out_is_down() {
        let ready = json!([{ "type": "Ready", "status": "True" }]);
        assert!(is_up(
            &json!({ "metadata": {}, "status": { "conditions": ready } })
        ));
        assert!(!is_up(
            &json!({ "metadata": { "deletionTimestamp": "x" }, "status": { "conditions": ready } })
        ));
        assert!(!is_up(
            &json!({ "metadata": {}, "status": { "conditions": [{ "type": "Ready", "status": "False" }] } })
        ));
        assert!(!is_up(&json!({ "metadata": {}, "status": {} })));
    }

    #[test]
    fn every_look_is_printed_and_the_worst_one_counts() {
        let (all, one, two) = ([true; 3], [false, true, true], [false, true, false]);
        assert_eq!(Seen(vec![all, one, one, all]).most_down(), 1);
        assert_eq!(Seen(vec![all, two, one]).most_down(), 2);
        assert_eq!(
            Seen(vec![all, one, two]).to_string(),
            "  nodes, looked at every second (# up, . down): at most 2 of 3 down in 3 looks\n\
             \x20   demo-dc1-rack1-0  #..\n\
             \x20   demo-dc1-rack2-0  ###\n\
             \x20   demo-dc1-rack3-0  ##.\n"
        );
        let long = Seen(vec![all; LINE + 2]).to_string();
        assert!(long.ends_with(
            "from second 60\n    demo-dc1-rack1-0  ##\n    demo-dc1-rack2-0  ##\n    demo-dc1-rack3-0  ##\n"
        ));
    }
}
