//! On which pods Cassandra's own tools may be run, and with which arguments.

use super::{PodSelection, Refusal, selected};
use crate::view::{ClusterView, NodeView, PodState};

/// A tool is not run. The texts name the object first and end with what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ToolRefusal {
    /// The command changes something, and nobody has said where.
    #[error("say on which pods to run `nodetool {command}` with --pod, --prefix, --crd, --dc or --rack")]
    NamePods {
        /// The command.
        command: String,
    },
    /// The command takes a node out of service.
    #[error(
        "`nodetool {command}` takes a node out of service and was asked for on {pods} pods; \
         run it on one with --pod, wait until the node is back or gone, then on the next"
    )]
    OneAtATime {
        /// The command.
        command: String,
        /// How many pods were selected.
        pods: usize,
    },
    /// Arguments of a command are read by whoever may see the pod's processes or the API server's audit log.
    #[error("`{flag}` would show a password in the process list and in audit logs; {instead}")]
    Password {
        /// The flag.
        flag: String,
        /// What to do instead.
        instead: &'static str,
    },
    /// The pod cannot run anything.
    #[error("pod `{pod}` is {state} and cannot run a command; see why with `kubectl describe pod {pod}`")]
    NotRunning {
        /// The pod.
        pod: String,
        /// How far it is.
        state: PodState,
    },
    /// Nothing to run it on is no success: a script would take it for done.
    #[error(
        "no pod is selected, so nothing would be run; see which there are with `kubectl casskop status -v`"
    )]
    NoPods,
    /// No pod of the selection runs.
    #[error(
        "none of the {pods} selected pods runs; see why with `kubectl get pods --selector app=cassandracluster`"
    )]
    NoneRuns {
        /// How many were selected.
        pods: usize,
    },
}

/// Whether a person has said which pods, or leaves it to the tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Named {
    /// With a flag that selects.
    Pods,
    /// Without any.
    Nothing,
}

/// What a command of nodetool does to its node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Effect {
    /// Nothing: it shows.
    Shows,
    /// Work beside the serving.
    Works,
    /// The node stops serving.
    TakesOut,
}

/// Flags of nodetool whose value is the next argument.
const WITH_VALUE: [&str; 8] = [
    "-h",
    "--host",
    "-p",
    "--port",
    "-u",
    "--username",
    "-pwf",
    "--password-file",
];

/// The pods to run a command of nodetool on, in the order in which to.
///
/// What only shows something runs on any ready node where nobody says which; what changes something has to be told.
pub fn nodetool<'a>(
    clusters: &'a [ClusterView],
    selection: &PodSelection,
    named: Named,
    arguments: &[String],
) -> Result<Vec<&'a NodeView>, Refusal> {
    if let Some(flag) = password_flag(arguments, |argument| argument == "-pw") {
        return Err(ToolRefusal::Password {
            flag,
            instead: "put it into a file of the pod and name that with -pwf",
        }
        .into());
    }
    let command = nodetool_command(arguments);
    let effect = effect(command);
    if named == Named::Nothing && effect != Effect::Shows {
        return Err(ToolRefusal::NamePods {
            command: command.to_owned(),
        }
        .into());
    }
    let nodes: Vec<&NodeView> = selected(clusters, selection)?
        .into_iter()
        .map(|(_, node)| node)
        .collect();
    if named == Named::Nothing {
        return any_ready(&nodes).map(|node| vec![node]);
    }
    if nodes.is_empty() {
        return Err(ToolRefusal::NoPods.into());
    }
    if effect == Effect::TakesOut && nodes.len() > 1 {
        return Err(ToolRefusal::OneAtATime {
            command: command.to_owned(),
            pods: nodes.len(),
        }
        .into());
    }
    match nodes.iter().find(|node| !node.state.runs()) {
        Some(node) => Err(ToolRefusal::NotRunning {
            pod: node.pod.clone(),
            state: node.state,
        }
        .into()),
        None => Ok(nodes),
    }
}

/// The pod to open a CQL shell in: the first ready one of the selection.
pub fn cqlsh<'a>(
    clusters: &'a [ClusterView],
    selection: &PodSelection,
    arguments: &[String],
) -> Result<&'a NodeView, Refusal> {
    if let Some(flag) = password_flag(arguments, |argument| argument.starts_with("-p")) {
        return Err(ToolRefusal::Password {
            flag,
            instead: "leave it out, and cqlsh asks for it on a terminal; without one name a file of the pod with --credentials",
        }
        .into());
    }
    let nodes: Vec<&NodeView> = selected(clusters, selection)?
        .into_iter()
        .map(|(_, node)| node)
        .collect();
    any_ready(&nodes)
}

/// The operator's own verb for a command that it should know of.
pub fn better_verb(arguments: &[String]) -> Option<&'static str> {
    Some(match nodetool_command(arguments) {
        "decommission" => "decommission",
        "removenode" | "assassinate" => "removenode",
        "cleanup" => "cleanup",
        "rebuild" => "rebuild",
        "upgradesstables" => "upgradesstables",
        _ => return None,
    })
}

/// A node that runs, a ready one before others.
fn any_ready<'a>(nodes: &[&'a NodeView]) -> Result<&'a NodeView, Refusal> {
    let ready = nodes.iter().find(|node| node.state == PodState::Ready);
    let runs = || nodes.iter().find(|node| node.state.runs());
    match (ready.or_else(runs), nodes) {
        (Some(node), _) => Ok(node),
        (None, [node]) => Err(ToolRefusal::NotRunning {
            pod: node.pod.clone(),
            state: node.state,
        }
        .into()),
        (None, []) => Err(ToolRefusal::NoPods.into()),
        (None, _) => Err(ToolRefusal::NoneRuns { pods: nodes.len() }.into()),
    }
}

/// The word of the arguments that is nodetool's command; empty where there is none, for which it shows its help.
fn nodetool_command(arguments: &[String]) -> &str {
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        if WITH_VALUE.contains(&argument.as_str()) {
            rest.next();
        } else if !argument.starts_with('-') {
            return argument;
        }
    }
    ""
}

fn effect(command: &str) -> Effect {
    const SHOWS: [&str; 20] = [
        "",
        "cfhistograms",
        "cfstats",
        "clientstats",
        "compactionhistory",
        "compactionstats",
        "datapaths",
        "failuredetector",
        "gcstats",
        "gossipinfo",
        "info",
        "netstats",
        "proxyhistograms",
        "rangekeysample",
        "ring",
        "tablehistograms",
        "tablestats",
        "tpstats",
        "version",
        "viewbuildstatus",
    ];
    const TAKES_OUT: [&str; 8] = [
        "assassinate",
        "decommission",
        "disablebinary",
        "disablegossip",
        "drain",
        "move",
        "removenode",
        "stopdaemon",
    ];
    const SHOWS_BY_BEGINNING: [&str; 5] = ["describe", "get", "help", "list", "status"];
    let begins = |beginning: &&str| command.starts_with(*beginning);
    if SHOWS.contains(&command) || SHOWS_BY_BEGINNING.iter().any(begins) {
        Effect::Shows
    } else if TAKES_OUT.contains(&command) {
        Effect::TakesOut
    } else {
        Effect::Works
    }
}

/// A flag that carries a password: nodetool's `-pw`, cqlsh's `-p` (also with its value behind it), `--password` of both.
fn password_flag(arguments: &[String], is_short: fn(&str) -> bool) -> Option<String> {
    let is_long = |argument: &str| argument == "--password" || argument.starts_with("--password=");
    let found = arguments
        .iter()
        .find(|argument| is_long(argument) || is_short(argument))?;
    // Without its value, which is not to be repeated in a message.
    Some(
        if is_long(found) {
            "--password"
        } else if found == "-pw" {
            "-pw"
        } else {
            "-p"
        }
        .to_owned(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guard::PodScope;
    use crate::view::tests::{cluster, pod};

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(str::to_owned).collect()
    }

    fn views() -> Vec<ClusterView> {
        let pods = [
            pod(0, "u0", "", "not ready"),
            pod(1, "u1", "", "ready"),
            pod(2, "u2", "", "pending"),
        ];
        vec![ClusterView::of(&cluster(), &pods)]
    }

    fn of(scope: PodScope) -> PodSelection {
        PodSelection { cluster: None, scope }
    }

    fn on(selection: &PodSelection, named: Named, line: &str) -> Result<Vec<String>, String> {
        nodetool(&views(), selection, named, &words(line))
            .map(|nodes| nodes.iter().map(|node| node.pod.clone()).collect())
            .map_err(|refusal| refusal.to_string())
    }

    #[test]
    fn what_only_shows_runs_on_a_ready_node_where_none_is_named() {
        let anywhere = of(PodScope::All);
        for line in [
            "status",
            "-p 7199 status -r",
            "getlogginglevels",
            "describecluster",
            "",
        ] {
            assert_eq!(
                on(&anywhere, Named::Nothing, line),
                Ok(vec!["demo-dc1-rack1-1".to_owned()]),
                "{line}"
            );
        }
    }

    #[test]
    fn what_changes_something_has_to_be_told_where() {
        insta::assert_snapshot!(
            on(&of(PodScope::All), Named::Nothing, "-h ::1 flush ks").unwrap_err(),
            @"say on which pods to run `nodetool flush` with --pod, --prefix, --crd, --dc or --rack"
        );
        let two = of(PodScope::Prefix("demo-dc1-rack1".to_owned()));
        insta::assert_snapshot!(
            on(&two, Named::Pods, "drain").unwrap_err(),
            @"`nodetool drain` takes a node out of service and was asked for on 3 pods; run it on one with --pod, wait until the node is back or gone, then on the next"
        );
        insta::assert_snapshot!(
            on(&two, Named::Pods, "flush").unwrap_err(),
            @"pod `demo-dc1-rack1-2` is not running and cannot run a command; see why with `kubectl describe pod demo-dc1-rack1-2`"
        );
        let named = of(PodScope::Named(words("demo-dc1-rack1-1 demo-dc1-rack1-0")));
        assert_eq!(
            on(&named, Named::Pods, "flush ks"),
            Ok(words("demo-dc1-rack1-1 demo-dc1-rack1-0"))
        );
    }

    #[test]
    fn a_password_in_arguments_is_refused_and_not_repeated() {
        let anywhere = of(PodScope::All);
        for line in ["-u a -pw S3cret status", "--password=S3cret status"] {
            let refusal = on(&anywhere, Named::Nothing, line).unwrap_err();
            assert!(
                refusal.contains("-pwf") && !refusal.contains("S3cret"),
                "{refusal}"
            );
        }
        for line in ["-u a -p S3cret", "-pS3cret", "--password S3cret"] {
            let refusal = cqlsh(&views(), &anywhere, &words(line)).unwrap_err().to_string();
            assert!(
                refusal.contains("--credentials") && !refusal.contains("S3cret"),
                "{refusal}"
            );
        }
        assert!(on(&anywhere, Named::Nothing, "-pwf /etc/jmx status").is_ok());
        assert_eq!(
            cqlsh(&views(), &anywhere, &words("-u a")).map(|node| node.pod.clone()),
            Ok("demo-dc1-rack1-1".to_owned())
        );
    }

    #[test]
    fn a_selection_without_pods_is_refused() {
        let views = vec![ClusterView::of(&cluster(), &[])];
        let scopes = [
            PodScope::All,
            PodScope::Racks(vec!["dc1.rack1".parse().unwrap()]),
            PodScope::Datacenters(words("dc1")),
        ];
        for scope in scopes {
            let refusal = nodetool(&views, &of(scope.clone()), Named::Pods, &words("flush")).unwrap_err();
            assert_eq!(refusal, ToolRefusal::NoPods.into(), "{scope:?}");
            assert_eq!(
                cqlsh(&views, &of(scope), &[]).unwrap_err(),
                ToolRefusal::NoPods.into()
            );
        }
        insta::assert_snapshot!(
            ToolRefusal::NoPods,
            @"no pod is selected, so nothing would be run; see which there are with `kubectl casskop status -v`"
        );
    }

    #[test]
    fn where_nothing_runs_nothing_is_run() {
        let views = vec![ClusterView::of(
            &cluster(),
            &[pod(0, "u0", "", "pending"), pod(1, "u1", "", "deleted")],
        )];
        insta::assert_snapshot!(
            cqlsh(&views, &of(PodScope::All), &[]).unwrap_err(),
            @"none of the 2 selected pods runs; see why with `kubectl get pods --selector app=cassandracluster`"
        );
    }
}
