//! Whole runs, from the command line to the streams and the exit status. What needs an API server is in the workspace's tests.

mod api_server;

use std::ffi::OsString;
use std::io::{self, Write};

use insta::assert_snapshot;

use crate::exit::ExitStatus;
use crate::host::{Buffers, Host};

/// A run in which nothing comes from, or goes to, this process's surroundings but what the command line names.
fn run(line: &str) -> String {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let status = run_to(line, &mut out, &mut err);
    let shown = |title: &str, bytes: Vec<u8>| match String::from_utf8(bytes).unwrap() {
        text if text.is_empty() => String::new(),
        text => format!("--- {title}\n{text}"),
    };
    format!(
        "exit {}\n{}{}",
        status.code(),
        shown("stdout", out),
        shown("stderr", err)
    )
}

fn run_to(line: &str, out: &mut dyn Write, err: &mut dyn Write) -> ExitStatus {
    let args: Vec<OsString> = line.split_whitespace().map(OsString::from).collect();
    let mut buffers = Buffers::default();
    Host {
        out,
        err,
        ..buffers.host()
    }
    .run(&args)
}

/// A kubeconfig with the contexts `lab`, whose server nobody listens for, and `prod`.
fn kubeconfig() -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    let text = "
apiVersion: v1
kind: Config
current-context: lab
contexts:
- {name: lab, context: {cluster: lab, user: ann, namespace: data}}
- {name: prod, context: {cluster: lab, user: ann}}
clusters:
- {name: lab, cluster: {server: 'http://127.0.0.1:1'}}
users:
- {name: ann, user: {}}
";
    file.write_all(text.as_bytes()).unwrap();
    file
}

fn run_with_kubeconfig(line: &str) -> String {
    let file = kubeconfig();
    run(&format!("{line} --kubeconfig {}", file.path().display()))
}

/// What the helper was given and what it printed is no business of a log.
#[test]
fn a_credential_helper_that_fails_is_told_without_its_secrets() {
    let helped = |mode: &str, script: &str| {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        let user = serde_json::json!({ "exec": {
            "apiVersion": "client.authentication.k8s.io/v1", "interactiveMode": mode,
            "command": "sh", "args": ["-c", script, "sh", "s3cret-argument"],
            "env": [{ "name": "PASSWORD", "value": "s3cret-variable" }],
        } });
        let text = format!(
            "{{current-context: lab, contexts: [{{name: lab, context: {{cluster: lab, user: ann}}}}],
              clusters: [{{name: lab, cluster: {{server: 'http://127.0.0.1:1'}}}}],
              users: [{{name: ann, user: {user}}}]}}"
        );
        file.write_all(text.as_bytes()).unwrap();
        run(&format!(
            "kubectl-casskop status -v --kubeconfig {}",
            file.path().display()
        ))
    };
    let fails = "echo s3cret-answer; echo >&2; echo the session is over >&2; exit 3";
    assert_snapshot!(helped("Never", fails), @r"
        exit 1
        --- stderr
        error: user `ann` of context `lab` cannot log in: the kubeconfig's credential helper ended with exit status: 3: the session is over; log in again, or choose another --user or --context
    ");
    assert_snapshot!(helped("IfAvailable", "echo s3cret-answer; exit 3"), @r"
        exit 1
        --- stderr
        error: user `ann` of context `lab` cannot log in: the kubeconfig's credential helper ended with exit status: 3; log in again, or choose another --user or --context
    ");
    assert_snapshot!(helped("Never", "echo 'token: [s3cret-answer'"), @r"
        exit 1
        --- stderr
        error: user `ann` of context `lab` cannot log in: the kubeconfig's credential helper answered with something else than an ExecCredential; log in again, or choose another --user or --context
    ");
}

#[test]
fn help_shows_what_was_typed_and_what_can_be() {
    assert_snapshot!(run("/usr/local/bin/kubectl-casskop --help"), @r"
        exit 0
        --- stdout
        Ask the operator for day-2 work on Cassandra clusters, and watch it being done

        Usage: kubectl casskop VERB [FLAGS]

        Look:
          status          Show clusters, their racks and pods, what runs on them and what is waited for

        Restart:
          restart         Restart racks or single nodes, one node at a time

        Operations on nodes:
          cleanup         Drop the data of tokens that nodes no longer own
          upgradesstables Rewrite SSTables that an older Cassandra wrote
          scrub           Rewrite data files, and see whether what is in them can be read
          compact         Merge the data files of each table
          flush           Write what is in memory to data files
          garbagecollect  Rewrite data files without what was deleted or overwritten
          rebuild         Stream a node's data from another datacenter
          pause           Hold back an operation that has not begun
          unpause         Let go an operation that is held back

        Tasks of whole clusters:
          task            Declare work on whole datacenters, and look after it
          schedule        Have a task run again and again, and look after that

        Fewer nodes:
          decommission    Have one node of each rack of a datacenter leave the ring

        Lost nodes:
          removenode      Take a lost node out of the ring
          remove          Take a lost node out of the ring, as CassKop's plugin spells it
          replace         Have a fresh node take the place of a lost one

        Clusters:
          plan            Show what the operator would do with an edited manifest
          reconcile       Keep the operator from working on a cluster, or let it go on

        Looking closer:
          tree            Show the objects of a cluster as a tree, and whether they are ready
          seeds           Show the seeds of a cluster, and whether their names lead to them
          logs            Show logs of pods, all at once
          nodetool        Run Cassandra's nodetool in pods
          cqlsh           Open a CQL shell in a pod

        When something is wrong:
          check           Check permissions, definitions, the operator and names before they are needed
          report          Write what a person who helps has to see, without secrets

        Other:
          install         Install, or bring up to date, the definition, the roles and the operator
          version         Show the versions of the plugin, the operator, the definitions and Cassandra
          completion      Print what makes a shell complete the plugin's words

        Global flags:
          -n, --namespace <NAMESPACE>       Namespace of the clusters
              --context <CONTEXT>           The name of the kubeconfig context to use
              --kubeconfig <FILE>           Path to the kubeconfig file to use for CLI requests
              --cluster <CLUSTER>           The name of the kubeconfig cluster to use
              --user <USER>                 The name of the kubeconfig user to use
              --as <USER>                   Username to impersonate for the operation
              --as-group <GROUP>            Group to impersonate for the operation; repeat it for several
              --request-timeout <DURATION>  How long one request to the API server may take; 0 for no limit
                                            [default: 30s]
          -o, --output <FORM>               Form of the result: text, wide, json, yaml, name, or
                                            jsonpath='{.a.b[*].c}'
              --color <COLOR>               When to color; `auto` means on a terminal, unless `NO_COLOR` is
                                            set [default: auto] [possible values: auto, always, never]
          -v, --verbose...                  Say more about what goes wrong, and on which server
          -h, --help                        Print help
          -V, --version                     Print version

        Use `kubectl casskop VERB --help` for the flags and examples of a verb.
    ");
}

#[test]
fn help_of_a_verb_has_examples_under_the_typed_name() {
    assert_snapshot!(run("/opt/casskop cleanup -h"), @r"
        exit 0
        --- stdout
        Drop the data of tokens that nodes no longer own

        Usage: casskop cleanup [OPTIONS] [STEP]

        Arguments:
          [STEP]  What to do; may be left out where pods are named [possible values: start, pause, unpause,
                  abort, status]

        Options:
          -h, --help  Print help (see more with '--help')

        Selecting pods:
              --pod <NAME>         Only this pod; repeat it for several
              --prefix <TEXT>      Only pods whose names begin so
              --crd <NAME>         Only pods of this `CassandraCluster`
              --dc <DC>...         Only pods of these datacenters
              --rack <DC.RACK>...  Only pods of these racks
          -l, --selector <LABELS>  Only Cassandra pods with these labels
              --parallel <N>       With start: nodes of a rack at which it may be done at once

        Writing:
              --dry-run[=<WHERE>]  Write nothing: `client` only shows what would be written, `server` has
                                   the API server judge it as well [possible values: none, client, server]
          -y, --yes                Answer yes where it is asked whether something may be lost

        Waiting:
              --wait                Wait until the operator has carried the request out, and show how it
                                    goes
              --no-wait             Only write the request (the default)
              --timeout <DURATION>  Give up waiting after this time; the request stays [default: no limit]

        With start or create: which tables, and how:
              --keyspace <KEYSPACE>  Only this keyspace, instead of all
              --table <TABLE>        Only this table of the keyspace; may be given several times
              --threads <N>          Compaction threads of each node to work with; not of flush and compact
                                     [default: the operator's choice]

        Global flags:
          -n, --namespace <NAMESPACE>       Namespace of the clusters
              --context <CONTEXT>           The name of the kubeconfig context to use
              --kubeconfig <FILE>           Path to the kubeconfig file to use for CLI requests
              --cluster <CLUSTER>           The name of the kubeconfig cluster to use
              --user <USER>                 The name of the kubeconfig user to use
              --as <USER>                   Username to impersonate for the operation
              --as-group <GROUP>            Group to impersonate for the operation; repeat it for several
              --request-timeout <DURATION>  How long one request to the API server may take; 0 for no limit
                                            [default: 30s]
          -o, --output <FORM>               Form of the result: text, wide, json, yaml, name, or
                                            jsonpath='{.a.b[*].c}'
              --color <COLOR>               When to color; `auto` means on a terminal, unless `NO_COLOR` is
                                            set [default: auto] [possible values: auto, always, never]
          -v, --verbose...                  Say more about what goes wrong, and on which server

        Examples:
          # On every node of the only cluster of the namespace, watching it
          casskop cleanup start --wait
          # On the nodes of a rack, two at a time
          casskop cleanup start --crd demo --rack dc1.rack1 --parallel 2
          # Only some tables
          casskop cleanup start --keyspace shop --table carts --table orders
          # On pods by the beginning of their names
          casskop cleanup --prefix demo-dc1
          # How far it is
          casskop cleanup status --crd demo
          # Hold back what has not begun, and end what runs
          casskop cleanup pause --crd demo
          casskop cleanup abort --crd demo
    ");
}

#[test]
fn usage_errors_are_on_stderr_and_end_with_2() {
    assert_snapshot!(run("kubectl-casskop clenup start"), @r"
        exit 2
        --- stderr
        error: unrecognized subcommand 'clenup'

          tip: a similar subcommand exists: 'cleanup'

        Usage: kubectl casskop VERB [FLAGS]

        For more information, try '--help'.
    ");
    assert_snapshot!(run("kubectl-casskop cleanup"), @r"
        exit 2
        --- stderr
        error: say which pods with --pod, --prefix or --crd, or add the word `start` for the whole cluster

        Usage: kubectl casskop cleanup [OPTIONS] [STEP]

        For more information, try '--help'.
    ");
    assert_snapshot!(run("kubectl-casskop restart --crd demo --rack dc1"), @r"
        exit 2
        --- stderr
        error: invalid value 'dc1' for '--rack <DC.RACK>...': `dc1` is not a rack: write datacenter and rack with a dot between them, as dc1.rack1

        For more information, try '--help'.
    ");
    assert_snapshot!(run("kubectl-casskop rebuild start --pod demo-dc2-rack1-0"), @r"
        exit 2
        --- stderr
        error: say from which datacenter to stream: rebuild [start] --pod NAME FROM-DC

        Usage: kubectl casskop rebuild [OPTIONS] <FROM-DC>...

        For more information, try '--help'.
    ");
}

#[test]
fn the_plugins_own_version_needs_no_cluster() {
    assert_snapshot!(run("kubectl-casskop version --client"), @r"
        exit 0
        --- stdout
        kubectl-casskop 0.1.0
    ");
    assert_snapshot!(run("kubectl-casskop version --client -o yaml"), @r"
        exit 0
        --- stdout
        clientVersion: 0.1.0
    ");
}

#[test]
fn without_a_cluster_the_plugins_own_version_is_told_all_the_same() {
    assert_snapshot!(run_with_kubeconfig("kubectl-casskop version"), @r"
        exit 1
        --- stdout
        kubectl-casskop 0.1.0
        --- stderr
        error: cannot reach API server http://127.0.0.1:1 of context `lab`: Connection refused (os error 111); check the server and the network with `kubectl cluster-info --context lab`
    ");
}

#[test]
fn an_installation_is_shown_without_a_server() {
    let shown = run_with_kubeconfig(
        "kubectl-casskop install --dry-run --crd demo --image registry/casskop-operator:0.1.0",
    );
    assert_snapshot!(shown, @r"
        exit 0
        --- stdout
        customresourcedefinition.apiextensions.k8s.io/cassandraclusters.db.orange.com serverside-applied (dry run)
        customresourcedefinition.apiextensions.k8s.io/cassandratasks.control.k8ssandra.io serverside-applied (dry run)
        customresourcedefinition.apiextensions.k8s.io/k8ssandratasks.control.k8ssandra.io serverside-applied (dry run)
        customresourcedefinition.apiextensions.k8s.io/scheduledtasks.control.k8ssandra.io serverside-applied (dry run)
        namespace/casskop-operator serverside-applied (dry run)
        serviceaccount/casskop-operator serverside-applied (dry run)
        role.rbac.authorization.k8s.io/casskop-operator serverside-applied (dry run)
        rolebinding.rbac.authorization.k8s.io/casskop-operator serverside-applied (dry run)
        role.rbac.authorization.k8s.io/casskop-operator-lease serverside-applied (dry run)
        rolebinding.rbac.authorization.k8s.io/casskop-operator-lease serverside-applied (dry run)
        deployment.apps/casskop-operator serverside-applied (dry run)
        serviceaccount/cassandra-cluster-node serverside-applied (dry run)
        role.rbac.authorization.k8s.io/cassandra-cluster-node serverside-applied (dry run)
        rolebinding.rbac.authorization.k8s.io/cassandra-cluster-node serverside-applied (dry run)
        --- stderr
        warning: no clusters but those of --crd are known: cannot reach API server http://127.0.0.1:1 of context `lab`: Connection refused (os error 111); check the server and the network with `kubectl cluster-info --context lab`
    ");
}

#[test]
fn words_are_completed_as_kubectl_asks_for_them() {
    assert_snapshot!(run("/usr/local/bin/kubectl_complete-casskop reco"), @r"
        exit 0
        --- stdout
        reconcile	Keep the operator from working on a cluster, or let it go on
        :4
    ");
    assert_snapshot!(run("kubectl-casskop __complete completion p"), @r"
        exit 0
        --- stdout
        powershell
        :4
    ");
    assert_snapshot!(run("kubectl_complete-casskop tree --kubeconfig x"), @r"
        exit 0
        --- stdout
        :0
    ");
}

#[test]
fn completion_is_silent_where_nobody_answers() {
    let file = kubeconfig();
    let path = file.path().display();
    for line in [
        format!("kubectl_complete-casskop --kubeconfig {path} restart --crd x"),
        "kubectl_complete-casskop --kubeconfig /nowhere/config restart --crd x".to_owned(),
        "kubectl_complete-casskop --nonsense x".to_owned(),
    ] {
        assert_eq!(run(&line), "exit 0\n--- stdout\n:4\n", "{line}");
    }
    assert_snapshot!(run(&format!("kubectl_complete-casskop --kubeconfig {path} --context p")), @r"
        exit 0
        --- stdout
        prod
        :4
    ");
}

#[test]
fn an_api_server_that_is_not_there_is_named() {
    assert_snapshot!(run_with_kubeconfig("kubectl-casskop restart --crd demo --full"), @r"
        exit 1
        --- stderr
        error: cannot reach API server http://127.0.0.1:1 of context `lab`: Connection refused (os error 111); check the server and the network with `kubectl cluster-info --context lab`
    ");
    assert_snapshot!(run_with_kubeconfig("kubectl-casskop cleanup start"), @r"
        exit 1
        --- stderr
        error: cannot reach API server http://127.0.0.1:1 of context `lab`: Connection refused (os error 111); check the server and the network with `kubectl cluster-info --context lab`
    ");
}

#[test]
fn a_context_that_is_not_there_is_named() {
    assert_snapshot!(run_with_kubeconfig("kubectl-casskop cleanup start --context prd"), @r"
        exit 1
        --- stderr
        error: the kubeconfig has no context `prd`; it has lab, prod
    ");
}

#[test]
fn a_kubeconfig_that_is_not_there_is_named() {
    assert_snapshot!(run("kubectl-casskop cleanup start --kubeconfig /nowhere/config"), @r"
        exit 1
        --- stderr
        error: cannot read the kubeconfig /nowhere/config: No such file or directory (os error 2); name one with --kubeconfig or in KUBECONFIG
    ");
}

/// Standard output into a pipe whose reader has gone.
struct ClosedPipe;

impl Write for ClosedPipe {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Err(io::ErrorKind::BrokenPipe.into())
    }
}

#[test]
fn a_reader_that_has_seen_enough_is_no_failure() {
    for line in ["kubectl-casskop version --client", "kubectl-casskop --help"] {
        let mut err = Vec::new();
        assert_eq!(
            run_to(line, &mut ClosedPipe, &mut err),
            ExitStatus::Success,
            "{line}"
        );
        assert!(err.is_empty(), "{line}");
    }
}
