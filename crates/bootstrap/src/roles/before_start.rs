//! Runs in the Cassandra container right before each start of the JVM, by a line in `cassandra-env.sh`: the one place where
//! both the data and the other nodes can be seen, and so where the seeds are decided (see [`crate::seeds`]).

use super::reach::{self, Survey};
use super::{Layout, Readers, read_file, write_file};
use crate::config::cassandra_yaml;
use crate::disk::{DataDirectories, Membership};
use crate::plan::Plan;
use crate::probe::Ports;
use crate::seed_list::{Peer, SeedList};
use crate::seeds::{Disk, Facts, JoiningAs, SeedDecision, Silence, Waiting, decide_seeds};
use crate::yaml::Document;
use anyhow::{Context as _, Result, bail};
use std::io::Write;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// How long the parts of the decision may take.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// Between two looks around.
    pub pause: Duration,
    /// After this long without an answer, pods that exist are taken to have no node to start.
    pub silence: Duration,
    /// How long a start is held back before the container gives up and is started again. The default liveness probe begins after
    /// two minutes.
    pub give_up: Duration,
    /// How long a seed waits for the name service to list it, so that seeds starting at the same time find each other.
    pub publication: Duration,
    /// How many looks in a row must find no other pod before the first seed is taken to be the first pod of all.
    pub lonely_looks: u32,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            pause: Duration::from_secs(1),
            silence: Duration::from_mins(1),
            give_up: Duration::from_secs(90),
            publication: Duration::from_secs(15),
            lonely_looks: 3,
        }
    }
}

/// Decides over the seeds and writes them; an error if the node may not start.
pub fn run(layout: &Layout, patience: Patience, out: &mut dyn Write) -> Result<()> {
    let mut plan: Plan = serde_json::from_str(&read_file(&layout.plan())?)
        .context("cannot read the bootstrap container's plan")?;
    let list = plan.seed_list();
    if list.is_empty() {
        return Ok(());
    }
    let mut yaml = Document::parse(&read_file(&layout.cassandra_yaml())?);
    if cassandra_yaml::seeds_of(&yaml).is_none_or(|seeds| !plan.written_seeds.contains(&seeds)) {
        writeln!(
            out,
            "casskop: cassandra.yaml holds seeds that post_run.sh chose: left as they are"
        )?;
        return Ok(());
    }

    let data = DataDirectories::of(&yaml);
    let disk = data.state().context("cannot read the data directories")?;
    let hold = Hold::begin(layout, patience)?;
    let start = hold_back(
        &plan,
        &list,
        disk,
        Ports::of(&yaml, layout.jolokia_port),
        patience,
        out,
    );
    hold.end();
    let (decision, answered) = start?;

    let seeds = match decision {
        Start::Complete => list.complete(),
        Start::ThroughOthers => list.through_others(&answered),
    };
    match (disk, decision) {
        (Disk::Joined, _) => {}
        (Disk::Empty | Disk::Joining, Start::ThroughOthers) => data
            .set_record(Membership::Joining)
            .context("cannot record that the node joins")?,
        // A record without data, of a disk that was emptied: the founder's data must not pass for a half-joined node's.
        (Disk::Empty | Disk::Joining, Start::Complete) => data
            .clear_record()
            .context("cannot clear the membership record")?,
    }
    writeln!(
        out,
        "casskop: {}; starting with the seeds {seeds}",
        describe(disk, decision)
    )?;
    if cassandra_yaml::seeds_of(&yaml).as_deref() != Some(&seeds) {
        // The plan first: a list found in cassandra.yaml must never be taken for a user's because of a kill in between.
        plan.written_seeds.push(seeds.clone());
        write_file(
            &layout.plan(),
            serde_json::to_string_pretty(&plan)?.as_bytes(),
            Readers::All,
        )?;
        cassandra_yaml::with_seeds(&mut yaml, &seeds, None);
        write_file(&layout.cassandra_yaml(), yaml.text().as_bytes(), Readers::All)?;
    }
    Ok(())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Start {
    Complete,
    ThroughOthers,
}

const fn describe(disk: Disk, start: Start) -> &'static str {
    match (disk, start) {
        (Disk::Joined, _) => "this node is a member of the ring",
        (Disk::Empty, Start::Complete) => "this first seed founds the ring",
        (Disk::Empty, Start::ThroughOthers) => "this node joins through others",
        (Disk::Joining, _) => "this node goes on joining through others",
    }
}

/// Looks around until the decision is to start, or for too long.
fn hold_back(
    plan: &Plan,
    list: &SeedList,
    disk: Disk,
    ports: Ports,
    patience: Patience,
    out: &mut dyn Write,
) -> Result<(Start, Vec<Peer>)> {
    let begun = Instant::now();
    let mut lonely = 0;
    let mut said: Option<Waiting> = None;
    loop {
        // A member starts in any case, so it need not look; only its name should be known before others look for it.
        let survey = if disk == Disk::Joined {
            Survey::default()
        } else {
            reach::survey(plan, ports)
        };
        lonely = if survey.someone_there { 0 } else { lonely + 1 };
        let silence = if lonely >= patience.lonely_looks {
            Silence::NobodyThere
        } else if begun.elapsed() >= patience.silence {
            Silence::Long
        } else {
            Silence::Short
        };
        let facts = Facts {
            disk,
            standing: list.standing(),
            others: survey.others(silence),
            history: plan.history,
            joining_as: if plan.replaces.is_some() {
                JoiningAs::Replacement
            } else {
                JoiningAs::NewMember
            },
        };
        let waiting = match decide_seeds(facts) {
            SeedDecision::CompleteList => {
                await_publication(plan, list, begun, patience);
                return Ok((Start::Complete, survey.answered));
            }
            SeedDecision::ThroughOthers => return Ok((Start::ThroughOthers, survey.answered)),
            SeedDecision::Wait(waiting) => waiting,
        };
        if said != Some(waiting) {
            writeln!(out, "casskop: waiting: {waiting}")?;
            said = Some(waiting);
        }
        if begun.elapsed() >= patience.give_up {
            bail!(
                "not started: {waiting} (seeds: {}); the container will be started again",
                plan.seeds
            );
        }
        std::thread::sleep(patience.pause);
    }
}

/// Of two seeds that start at the same time, the later one finds the earlier one's name. It is a help, not a condition.
fn await_publication(plan: &Plan, list: &SeedList, begun: Instant, patience: Patience) {
    if list.others().next().is_none() {
        return;
    }
    while !reach::is_published(plan) && begun.elapsed() < patience.publication {
        std::thread::sleep(patience.pause);
    }
}

/// Tells the liveness probe that there is no JVM yet, and until when that may be so.
struct Hold<'a> {
    layout: &'a Layout,
}

impl<'a> Hold<'a> {
    fn begin(layout: &'a Layout, patience: Patience) -> Result<Self> {
        let until = SystemTime::now() + patience.give_up + Duration::from_secs(30);
        let until = until.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        write_file(&layout.waiting(), until.to_string().as_bytes(), Readers::All)?;
        Ok(Self { layout })
    }

    fn end(self) {
        // If it stays, it only means mercy for a minute.
        let _ = std::fs::remove_file(self.layout.waiting());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Jolokia;
    use crate::seeds::History;
    use std::net::TcpListener;

    /// For starts that are expected, however slow the machine is.
    const PATIENT: Patience = Patience {
        pause: Duration::from_millis(5),
        silence: Duration::from_millis(50),
        give_up: Duration::from_mins(5),
        publication: Duration::ZERO,
        lonely_looks: 3,
    };

    /// For starts that are not: it looks once.
    const IMPATIENT: Patience = Patience {
        give_up: Duration::ZERO,
        silence: Duration::from_mins(5),
        ..PATIENT
    };

    /// A pod's file system: its configuration and its data.
    struct Pod {
        root: tempfile::TempDir,
        layout: Layout,
    }

    impl Pod {
        fn new(address: &str, seeds: &str) -> Self {
            let root = tempfile::tempdir().unwrap();
            let layout = Layout {
                configuration: root.path().join("etc"),
                jolokia_port: 1,
                ..Layout::default()
            };
            std::fs::create_dir(&layout.configuration).unwrap();
            let yaml = format!(
                "data_file_directories: ['{}']\nstorage_port: 1\nssl_storage_port: 1\nseed_provider:\n- class_name: x\n  parameters:\n  - seeds: init\n",
                root.path().join("data").display()
            );
            std::fs::write(layout.cassandra_yaml(), yaml).unwrap();
            let plan = Plan {
                address: address.into(),
                full_name: None,
                seeds: seeds.into(),
                written_seeds: vec!["init".into()],
                history: History::Unknown,
                replaces: None,
                jolokia: Jolokia::On,
            };
            std::fs::write(layout.plan(), serde_json::to_string(&plan).unwrap()).unwrap();
            Self { root, layout }
        }

        fn edit_plan(&self, edit: impl FnOnce(&mut Plan)) {
            let mut plan: Plan = serde_json::from_str(&read_file(&self.layout.plan()).unwrap()).unwrap();
            edit(&mut plan);
            std::fs::write(self.layout.plan(), serde_json::to_string(&plan).unwrap()).unwrap();
        }

        /// What Cassandra leaves once it has started for the first time.
        fn has_run(&self) {
            let table = self.root.path().join("data/system/local-1");
            std::fs::create_dir_all(&table).unwrap();
            std::fs::write(table.join("nb-1-big-Data.db"), "").unwrap();
        }

        fn start(&self) -> Result<String> {
            run(&self.layout, PATIENT, &mut Vec::new())?;
            assert!(!self.layout.waiting().exists());
            Ok(cassandra_yaml::seeds_of(&Document::parse(
                &read_file(&self.layout.cassandra_yaml()).unwrap(),
            ))
            .unwrap())
        }

        fn refusal(&self) -> String {
            let error = run(&self.layout, IMPATIENT, &mut Vec::new()).unwrap_err();
            assert!(!self.layout.waiting().exists());
            format!("{error:#}")
        }

        fn record(&self) -> Option<String> {
            std::fs::read_to_string(self.root.path().join("data").join(crate::disk::RECORD)).ok()
        }
    }

    fn silent_address(ip: &str) -> String {
        TcpListener::bind((ip, 0))
            .unwrap()
            .local_addr()
            .unwrap()
            .to_string()
    }

    #[test]
    fn the_first_seed_founds_the_ring() {
        let pod = Pod::new("127.82.0.1", "127.82.0.1");
        assert_eq!(pod.start().unwrap(), "127.82.0.1");
        assert_eq!(pod.record(), None);
        // Before it was ever NORMAL its container starts again: it still is the founder.
        pod.has_run();
        assert_eq!(pod.start().unwrap(), "127.82.0.1");
    }

    #[test]
    fn another_seed_joins_through_the_first_and_is_its_own_seed_later() {
        let first = TcpListener::bind("127.82.1.1:0").unwrap();
        let seeds = format!("{},127.82.1.2", first.local_addr().unwrap());
        let pod = Pod::new("127.82.1.2", &seeds);
        assert_eq!(pod.start().unwrap(), first.local_addr().unwrap().to_string());
        assert_eq!(pod.record().as_deref(), Some("joining\n"));

        // Interrupted, and then everybody else goes down: it must not come up half-joined.
        pod.has_run();
        drop(first);
        let error = pod.refusal();
        assert!(error.contains("this node was joining when it stopped"), "{error}");

        // Had it joined, it would start alone, as one of its own seeds.
        std::fs::write(pod.root.path().join("data").join(crate::disk::RECORD), "joined\n").unwrap();
        assert_eq!(pod.start().unwrap(), seeds);
    }

    #[test]
    fn a_node_without_data_that_reaches_nobody_does_not_start() {
        let pod = Pod::new(
            "127.82.2.2",
            &format!("{},127.82.2.2", silent_address("127.82.2.1")),
        );
        let error = pod.refusal();
        assert!(error.starts_with("not started: this node has no data"), "{error}");
        assert_eq!(pod.record(), None);
    }

    #[test]
    fn the_first_seed_waits_for_pods_that_exist() {
        let pod = Pod::new(
            "127.82.3.1",
            &format!("127.82.3.1,{}", silent_address("127.82.3.2")),
        );
        let begun = Instant::now();
        assert!(pod.start().unwrap().starts_with("127.82.3.1,"));
        assert!(begun.elapsed() >= PATIENT.silence);
    }

    #[test]
    fn the_first_seed_that_lost_its_disk_joins_and_never_founds() {
        let other = TcpListener::bind("127.82.4.2:0").unwrap();
        let pod = Pod::new(
            "127.82.4.1",
            &format!("127.82.4.1,{}", other.local_addr().unwrap()),
        );
        pod.edit_plan(|plan| plan.history = History::Formed);
        assert_eq!(pod.start().unwrap(), other.local_addr().unwrap().to_string());
        drop(other);
        let error = pod.refusal();
        assert!(error.contains("although the ring has formed before"), "{error}");
    }

    #[test]
    fn seeds_of_the_users_hook_are_left_alone() {
        let pod = Pod::new("127.82.5.2", "127.82.5.1,127.82.5.2");
        pod.edit_plan(|plan| plan.written_seeds = vec!["other".into()]);
        assert_eq!(pod.start().unwrap(), "init");
    }

    #[test]
    fn a_new_start_overwrites_the_list_of_the_last_one() {
        let pod = Pod::new("127.82.6.1", "127.82.6.1");
        pod.start().unwrap();
        pod.edit_plan(|plan| plan.seeds = "127.82.6.1,127.82.6.9:1".into());
        pod.has_run();
        assert_eq!(pod.start().unwrap(), "127.82.6.1,127.82.6.9:1");
    }
}
