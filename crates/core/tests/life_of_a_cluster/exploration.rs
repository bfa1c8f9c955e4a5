//! Every interleaving of operator, API server, StatefulSet controller, nodes and user that small clusters can get into.
//!
//! The operator's step is split where the world can change: it looks, and then writes one thing after the other, each under
//! what it has read. Between any two of these anything else may happen: a write of somebody else's makes the next one lose, the
//! operator dies, work in a node ends, a node goes down or comes back, the user edits. From the states found, the cluster has to
//! settle in what the spec asks for.
//!
//! That this finds bugs is shown with bugs put in on purpose.

mod scenarios;

use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeMap, HashSet};
use std::hash::{Hash, Hasher};

use casskop_core::call::NodeCall;
use casskop_core::effect::Effect;
use casskop_core::plan::Plan;
use casskop_core::validate::validate;
use casskop_types::status::ActionStatus;
use scenarios::{nodes, ring, scenarios};

use super::world::{self, CLUSTER, Conflict, Death, World};

/// How far an exploration goes.
#[derive(Clone, Copy)]
struct Bounds {
    /// States per scenario.
    states: usize,
    /// Deaths of the operator in one history.
    deaths: u8,
}

/// States whose way to rest is followed: one of so many.
const SETTLED_OF: usize = 40;

/// What the user does, each once and in any order.
type Edit = fn(&mut World);

struct Scenario {
    name: &'static str,
    start: World,
    edits: Vec<Edit>,
    /// The pod whose node goes down and comes back, and how often.
    falls: Option<(&'static str, u8)>,
}

/// Bugs put in on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Bug {
    None,
    /// The ring is not asked whether the node left: it is believed to have, as soon as it was told to.
    RingUnchecked,
    /// The claim goes before the node does.
    ClaimFirst,
    /// What is about to be done is not written first.
    IntentForgotten,
    /// Writes do not mind what was read.
    StaleReads,
}

/// The plan being carried out, the versions it was made on, and how many of its writes are done.
type Work = (Plan, BTreeMap<String, u32>, usize);

#[derive(Clone)]
struct State {
    world: World,
    carries_out: Option<Work>,
    /// What a dead operator has sent, and has not arrived yet. Calls arrive in a moment, or never.
    late: Option<Work>,
    /// Edits to come, one bit each.
    edits: u8,
    deaths: u8,
    fall: Fall,
    history: Vec<String>,
}

/// How it stands with the node that falls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
struct Fall {
    is_down: bool,
    to_come: u8,
}

/// What an exploration found.
#[derive(Debug)]
struct Report {
    states: usize,
    settled: usize,
    violation: Option<String>,
}

fn explore(scenario: &Scenario, bug: Bug, bounds: Bounds) -> Report {
    let mut seen = HashSet::new();
    let edits = (1_u16 << scenario.edits.len()) - 1;
    let mut open = vec![State {
        world: scenario.start.clone(),
        carries_out: None,
        late: None,
        edits: u8::try_from(edits).unwrap(),
        deaths: bounds.deaths,
        fall: Fall {
            is_down: false,
            to_come: scenario.falls.map_or(0, |(_, times)| times),
        },
        history: Vec::new(),
    }];
    let mut report = Report {
        states: 0,
        settled: 0,
        violation: None,
    };
    while let Some(state) = open.pop() {
        if report.states >= bounds.states {
            break;
        }
        if !seen.insert(state.fingerprint()) {
            continue;
        }
        report.states += 1;
        if let Some(what) = state.world.violations.first() {
            report.violation = Some(format!("{}: {what}, after {:?}", scenario.name, state.history));
            return report;
        }
        if report.states % SETTLED_OF == 1 && state.late.is_none() {
            report.settled += 1;
            if let Err(why) = state.comes_to_rest(scenario) {
                report.violation = Some(format!("{}: {why}, after {:?}", scenario.name, state.history));
                return report;
            }
        }
        open.extend(state.next(scenario, bug));
    }
    report
}

/// What a plan does once so many of its writes are done, the status being one of them.
fn effect_after(plan: &Plan, done: usize) -> Option<&Effect> {
    plan.effects.get(done.checked_sub(plan.first.len() + 1)?)
}

/// Whether the next thing to do is to call a node.
fn is_call((plan, _, done): &Work) -> bool {
    matches!(effect_after(plan, *done), Some(Effect::StartCall { .. }))
}

impl State {
    fn next(&self, scenario: &Scenario, bug: Bug) -> Vec<Self> {
        let mut next = Vec::new();
        let mut step = |what: String, change: &dyn Fn(&mut Self)| {
            let mut state = self.clone();
            state.history.push(what);
            change(&mut state);
            next.push(state);
        };
        if self.carries_out.is_some() {
            step("write".to_owned(), &|state| state.write(bug));
        } else {
            step("look".to_owned(), &|state| state.look(bug));
        }
        if self.deaths > 0 && (self.carries_out.is_some() || !self.world.calls.is_empty()) {
            step("die".to_owned(), &|state| {
                state.deaths -= 1;
                state.late = state.carries_out.take();
                state.world.die();
            });
        }
        if !self.world.calls_have_arrived() {
            step("a moment passes".to_owned(), &|state| state.world.calls_arrive());
        }
        let late = self.late.as_ref();
        if late.is_some_and(|work| !(self.world.calls_have_arrived() && is_call(work))) {
            step("a late write".to_owned(), &|state| {
                let alive = state.carries_out.take();
                state.carries_out = state.late.take();
                state.write(bug);
                state.carries_out = alive;
            });
        }
        for name in self.world.sets.keys() {
            step(format!("control {name}"), &|state| {
                state.world.control(name);
            });
        }
        if self.world.volumes_lag() {
            step("volumes have grown".to_owned(), &|state| {
                state.world.volumes_grow();
            });
        }
        for pod in self.world.in_flight.keys() {
            step(format!("{pod} is done"), &|state| state.world.node_finishes(pod));
        }
        for (pod, call) in &self.world.in_flight {
            if matches!(call, NodeCall::Move { .. }) {
                step(format!("{pod} breaks off"), &|state| state.world.move_fails(pod));
            }
        }
        for (at, edit) in scenario.edits.iter().enumerate() {
            let bit = 1 << at;
            if self.edits & bit != 0 {
                step(format!("edit {at}"), &|state| {
                    state.edits &= !bit;
                    edit(&mut state.world);
                });
            }
        }
        if let Some((pod, _)) = scenario.falls {
            let Fall { is_down, to_come } = self.fall;
            if is_down {
                step(format!("{pod} comes back"), &|state| {
                    state.fall.is_down = false;
                    state.world.node_is(pod, true);
                });
            } else if to_come > 0 {
                step(format!("{pod} falls"), &|state| {
                    state.fall = Fall {
                        is_down: true,
                        to_come: to_come - 1,
                    };
                    state.world.node_is(pod, false);
                });
            }
        }
        next
    }

    fn look(&mut self, bug: Bug) {
        let mut plan = if bug == Bug::RingUnchecked {
            self.world.believing_that_who_leaves_is_gone().think()
        } else {
            self.world.think()
        };
        if bug == Bug::ClaimFirst {
            self.world.claims_first(&mut plan);
        }
        self.carries_out = Some((plan, self.world.versions.clone(), 0));
    }

    /// The next write of the plan. A pass that lost is given up.
    fn write(&mut self, bug: Bug) {
        let Some((plan, mut read, done)) = self.carries_out.take() else {
            return;
        };
        let stale = bug == Bug::StaleReads;
        let first = plan.first.len();
        if let Some(effect) = plan.first.get(done) {
            if self.world.execute(effect, None) == Err(Conflict) {
                return;
            }
        } else if done == first && self.world.status_differs(&plan) && bug != Bug::IntentForgotten {
            if !stale && self.world.versions.get(CLUSTER) != read.get(CLUSTER) {
                return;
            }
            self.world.write_status(&plan);
            read.insert(CLUSTER.to_owned(), self.world.versions[CLUSTER]);
        } else if let Some(effect) = effect_after(&plan, done) {
            let under = (!stale).then_some(&read);
            if self.world.execute(effect, under) == Err(Conflict) && !stale {
                return;
            }
        }
        if done < first + plan.effects.len() {
            self.carries_out = Some((plan, read, done + 1));
        }
    }

    /// From here on nothing goes wrong any more, and what was asked for is what there is in the end.
    fn comes_to_rest(&self, scenario: &Scenario) -> Result<(), String> {
        let mut world = self.world.clone();
        world.lenient = true;
        for (at, edit) in scenario.edits.iter().enumerate() {
            if self.edits & (1 << at) != 0 {
                edit(&mut world);
            }
        }
        if let Some((pod, _)) = scenario.falls {
            world.node_is(pod, true);
        }
        if let Some(pod) = world.left_moving() {
            // What the record of its move tells to do.
            world.label(
                &pod,
                &[("operation-name", "restart"), ("operation-status", "ToDo")],
            );
        }
        world.try_to_settle()?;
        if let Some(pod) = world.left_moving() {
            return Err(format!("{pod} is not brought back: {}", world.waiting().message));
        }
        let wanted = validate(&world.cluster)
            .map_err(|problems| format!("{problems:?}"))?
            .nodes();
        let ready = world.pods.values().filter(|pod| world::is_ready(pod)).count();
        let counts = [ready, world.pods.len(), world.claims.len(), world.members.len()];
        if counts.iter().any(|count| i32::try_from(*count) != Ok(wanted)) {
            return Err(format!(
                "{wanted} nodes are wanted, and ready, pods, claims, members are {counts:?}"
            ));
        }
        let status = world.cluster.status.clone().unwrap_or_default();
        let unfinished = status.cassandra_rack_status.iter().find(|(_, rack)| {
            let action = rack.cassandra_last_action.as_ref();
            action.is_some_and(|action| action.status != Some(ActionStatus::Done))
        });
        if let Some((rack, _)) = unfinished {
            return Err(format!("the action of rack {rack} never ends"));
        }
        let records = status
            .cassandra_rack_status
            .values()
            .flat_map(|rack| &rack.operations);
        let mut open = records.filter(|record| record.end_time.is_none());
        open.next().map_or(Ok(()), |record| {
            Err(format!("{} on pod {} never ends", record.name, record.pod))
        })
    }

    /// The same for states between which nothing can tell a difference.
    fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        let world = &self.world;
        let object =
            |hasher: &mut DefaultHasher, value: serde_json::Result<String>| value.unwrap().hash(hasher);
        object(&mut hasher, serde_json::to_string(&world.cluster));
        object(&mut hasher, serde_json::to_string(&world.sets));
        object(&mut hasher, serde_json::to_string(&world.pods));
        format!(
            "{:?}",
            (
                &world.members,
                &world.calls,
                &world.in_flight,
                (&world.claims, &world.kept),
                &world.ring_recorded,
                &world.hooks,
                &world.told,
                &world.volumes,
                &world.drained,
                &world.tokens,
                &world.stuck,
                &world.violations
            )
        )
        .hash(&mut hasher);
        (self.edits, self.deaths, self.fall, world.calls_have_arrived()).hash(&mut hasher);
        for (plan, read, done) in self.carries_out.iter().chain(&self.late) {
            let outdated: Vec<_> = world
                .versions
                .iter()
                .filter(|(name, version)| read.get(*name) != Some(version))
                .collect();
            let outdated: Vec<_> = outdated.into_iter().map(|(name, _)| name).collect();
            format!("{:?}", (&plan.first, &plan.effects, outdated, done)).hash(&mut hasher);
            object(&mut hasher, serde_json::to_string(&plan.status));
        }
        hasher.finish()
    }
}

impl World {
    /// The ring as an operator sees it that takes a node for gone as soon as it was told to leave.
    fn believing_that_who_leaves_is_gone(&self) -> Self {
        let mut believed = self.clone();
        let leaves = |call: &NodeCall| matches!(call, NodeCall::Decommission { .. });
        for (pod, _) in self.in_flight.iter().filter(|(_, call)| leaves(call)) {
            believed.leave(pod);
        }
        believed
    }

    /// The plan of an operator that deletes the claim of a node before it tells the node to leave.
    fn claims_first(&self, plan: &mut Plan) {
        let Some(licence) = self.any_licence() else { return };
        let leaving = plan.effects.iter().position(|effect| {
            matches!(
                effect,
                Effect::StartCall {
                    call: NodeCall::Decommission { .. },
                    ..
                }
            )
        });
        let Some(at) = leaving else { return };
        let Effect::StartCall { pod, .. } = &plan.effects[at] else {
            return;
        };
        let (uid, _) = self.claims[&pod.to_string()].clone();
        let deletion = Effect::DeleteClaim {
            name: pod.data_claim(),
            uid,
            resource_version: "1".to_owned(),
            licence,
        };
        plan.effects.insert(at, deletion);
    }

    /// A proof about another cluster: what a bug may have at hand.
    fn any_licence(&self) -> Option<casskop_core::licence::Licence> {
        let mut other = self.cluster.clone();
        other.spec.delete_pvc = Some(true);
        other.metadata.deletion_timestamp =
            Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(self.now));
        casskop_core::licence::cluster_deleted(&other)
    }
}

/// The node that is replaced.
const LOST: &str = "ring-dc1-rack2-0";

/// With `CASSKOP_TEST_FULL` a second operator may die as well: a million states and more.
#[expect(clippy::disallowed_methods, reason = "how long a test runs is no decision")]
fn bounds() -> Bounds {
    if std::env::var_os("CASSKOP_TEST_FULL").is_some() {
        Bounds {
            states: 100_000,
            deaths: 2,
        }
    } else {
        Bounds {
            states: 600,
            deaths: 1,
        }
    }
}

#[test]
fn nothing_forbidden_happens_in_any_interleaving() {
    let reports = std::thread::scope(|threads| {
        let explorers: Vec<_> = scenarios()
            .into_iter()
            .map(|scenario| threads.spawn(move || (scenario.name, explore(&scenario, Bug::None, bounds()))))
            .collect();
        explorers
            .into_iter()
            .map(|explorer| explorer.join().unwrap())
            .collect::<Vec<_>>()
    });
    for (name, report) in &reports {
        println!(
            "{name}: {} states, {} of them followed to rest",
            report.states, report.settled
        );
    }
    let states: usize = reports.iter().map(|(_, report)| report.states).sum();
    println!("{states} states in all");
    for (_, report) in reports {
        assert_eq!(report.violation, None);
    }
}

#[test]
fn bugs_put_in_on_purpose_are_found() {
    let bounds = Bounds {
        states: 3_000,
        deaths: 1,
    };
    for bug in [
        Bug::RingUnchecked,
        Bug::ClaimFirst,
        Bug::IntentForgotten,
        Bug::StaleReads,
    ] {
        let found = scenarios()
            .iter()
            .find_map(|scenario| explore(scenario, bug, bounds).violation);
        println!("{bug:?}: {found:?}");
        assert!(found.is_some(), "{bug:?} goes unnoticed");
    }
}

/// A pass carried out at once is the same as a pass taken apart.
#[test]
fn the_steps_of_a_pass_add_up_to_a_pass() {
    let mut whole = ring(&["rack1"], 2);
    nodes(&mut whole, 1);
    let mut apart = State {
        world: whole.clone(),
        carries_out: None,
        late: None,
        edits: 0,
        deaths: 0,
        fall: Fall::default(),
        history: Vec::new(),
    };
    apart.world.now += jiff::SignedDuration::from_secs(1);
    whole.pass(Death::Never);
    apart.look(Bug::None);
    while apart.carries_out.is_some() {
        apart.write(Bug::None);
    }
    assert_eq!(apart.world.cluster, whole.cluster);
    assert_eq!(apart.world.pods, whole.pods);
}
