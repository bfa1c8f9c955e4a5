use std::ffi::OsString;

use clap::error::ErrorKind;

use super::*;

fn read(line: &str) -> Result<Cli, clap::Error> {
    let args: Vec<OsString> = line.split_whitespace().map(OsString::from).collect();
    parse(&Invocation::of(Some("kubectl-casskop".as_ref())), &args)
}

#[test]
fn command_lines_that_are_read() {
    for line in [
        // CassKop's own spellings.
        "kubectl-casskop restart --crd cassandra-e2e --rack dc1.rack1 dc2.rack1",
        "kubectl-casskop restart --crd cassandra-e2e --rack dc1/rack1",
        "kubectl-casskop restart --crd cassandra-e2e --dc dc1 dc2",
        "kubectl-casskop restart --crd cassandra-e2e --full",
        "kubectl-casskop cleanup --pod cassandra-demo-dc1-rack1-0",
        "kubectl-casskop cleanup --prefix cassandra-demo-dc1",
        "kubectl-casskop cleanup --pre cassandra-demo-dc1",
        "kubectl-casskop cleanup start",
        "kubectl-casskop upgradesstables --prefix cassandra-demo",
        "kubectl-casskop rebuild --pod cassandra-demo-dc2-rack1-0 dc1",
        "kubectl-casskop rebuild --prefix cassandra-demo-dc2 dc1",
        "kubectl-casskop remove --pod demo-dc1-rack1-1 --previous-ip 10.0.0.7 --from-pod demo-dc1-rack1-0",
        "kubectl-casskop remove --pod demo-dc1-rack1-1 --crd demo",
        // Ours.
        "kubectl-casskop restart --crd demo --rack dc1.rack1,dc1.rack2 --wait --timeout 5m",
        "kubectl-casskop restart --crd demo --rack dc1.rack1 --rack dc1.rack2",
        "kubectl-casskop restart --crd demo --full --wait --no-wait",
        "kubectl-casskop restart --pod demo-dc1-rack1-0,demo-dc1-rack2-0 --wait",
        "kubectl-casskop restart start --pod a --pod b --crd demo",
        "kubectl-casskop restart --prefix demo-dc1 --dry-run=server",
        "kubectl-casskop restart -l zone=a --crd demo",
        "kubectl-casskop restart status",
        "kubectl-casskop restart abort --crd demo --rack dc1.rack1",
        "kubectl-casskop pause restart --pod a",
        "kubectl-casskop cleanup start --crd demo --dc dc1",
        "kubectl-casskop cleanup start --rack dc1.rack1 dc1.rack2",
        "kubectl-casskop cleanup status",
        "kubectl-casskop cleanup status --crd demo -o json",
        "kubectl-casskop cleanup status -o wide",
        "kubectl-casskop cleanup status -o=jsonpath={.operations[*].pod}",
        "kubectl-casskop cleanup --pod a --pod b --crd demo",
        "kubectl-casskop upgradesstables start --wait",
        "kubectl-casskop rebuild start --rack dc2.rack1 dc1",
        "kubectl-casskop rebuild --dc dc2 dc1 --wait",
        "kubectl-casskop rebuild status --crd demo",
        "kubectl-casskop removenode --previous-ip 2001:db8::7 --crd demo",
        "kubectl-casskop removenode --host-id 5d3f8b3e-0a52-4b0b-9a39-6ac0f3c3c9d1",
        "kubectl-casskop replace --pod demo-dc1-rack1-1 --previous-ip 10.0.0.7",
        "kubectl-casskop replace --pod demo-dc1-rack1-1 --host-id 5d3f8b3e-0a52-4b0b-9a39-6ac0f3c3c9d1 -y --wait",
        "kubectl-casskop decommission --crd demo --dc dc1 --wait",
        "kubectl-casskop decommission --pod demo-dc1-rack1-2 --dry-run=server",
        "kubectl-casskop pause cleanup --prefix demo",
        "kubectl-casskop unpause upgradesstables --pod demo-dc1-rack1-0",
        "kubectl-casskop pause cleanup -l rack=a,zone!=b",
        "kubectl-casskop cleanup pause --crd demo",
        "kubectl-casskop cleanup unpause --wait",
        "kubectl-casskop rebuild pause --dc dc2",
        "kubectl-casskop cleanup start --parallel 3",
        "kubectl-casskop rebuild --dc dc2 dc1 --parallel 2",
        "kubectl-casskop cleanup abort --crd demo --wait",
        "kubectl-casskop rebuild abort --crd demo",
        "kubectl-casskop compact start --keyspace orders --dc dc1",
        "kubectl-casskop scrub --prefix demo",
        "kubectl-casskop flush status",
        "kubectl-casskop garbagecollect abort --crd demo",
        "kubectl-casskop cleanup start --dry-run",
        "kubectl-casskop cleanup start --dry-run=server --wait",
        "kubectl-casskop restart --crd demo --full --dry-run=client",
        "kubectl-casskop version",
        "kubectl-casskop status",
        "kubectl-casskop status demo -vv -o json",
        "kubectl-casskop status --crd demo --dc dc1 dc2",
        "kubectl-casskop status demo --rack dc1.rack1 --exit-code",
        "kubectl-casskop status -A -w",
        "kubectl-casskop status -A",
        "kubectl-casskop version --client -o json",
        "kubectl-casskop plan -f demo.yaml",
        "kubectl-casskop check -o json",
        "kubectl-casskop report --crd demo --logs --tail 100 -f out.tar.gz",
        "kubectl-casskop install -n data --image r/o:1 --crd demo --crd prod --dry-run=server",
        "kubectl-casskop install --everywhere --operator-namespace ops --force-conflicts",
        "kubectl-casskop plan -f -",
        "kubectl-casskop completion bash",
        "kubectl-casskop completion kubectl",
        "kubectl-casskop reconcile pause --crd demo",
        "kubectl-casskop reconcile resume",
        "kubectl-casskop seeds --crd demo",
        "kubectl-casskop tree -o yaml",
        "kubectl-casskop nodetool status",
        "kubectl-casskop nodetool status -r",
        "kubectl-casskop nodetool --crd demo --rack dc1.rack1 -- tablestats -H ks",
        "kubectl-casskop nodetool --pod a --pod b flush ks -n 3",
        "kubectl-casskop cqlsh",
        "kubectl-casskop cqlsh --pod a -n data -- -e DESCRIBE",
        "kubectl-casskop logs -f --tail 5 --since 1h",
        "kubectl-casskop logs --pod a -c bootstrap -n data",
        "kubectl-casskop logs --prefix demo-dc1 --all-containers --timestamps --no-prefix",
        // Global flags stand anywhere after the name.
        "kubectl-casskop -n data --context lab cleanup start",
        "kubectl-casskop cleanup -n data start --context lab",
        "kubectl-casskop cleanup start -n data --kubeconfig /tmp/k --cluster c --user u --as ann --as-group ops --request-timeout 5s -v --color never -o name",
    ] {
        if let Err(error) = read(line) {
            panic!("{line}: {error}");
        }
    }
}

#[test]
fn command_lines_of_tasks_that_are_read() {
    for line in [
        "kubectl-casskop task create upgradesstables --crd demo --dc dc2 dc1 --at-once 2 --wait --timeout 5m",
        "kubectl-casskop task create compact --keyspace shop --together --at 2026-12-01T03:00:00Z --keep 0",
        "kubectl-casskop task list -o json",
        "kubectl-casskop task wait nightly --timeout 5m",
        "kubectl-casskop task delete nightly -y",
        "kubectl-casskop schedule create cleanup --dc dc1 --cron @weekly --time-zone Europe/Paris",
        "kubectl-casskop schedule suspend cleanup-dc1 --dry-run=server",
    ] {
        if let Err(error) = read(line) {
            panic!("{line}: {error}");
        }
    }
}

#[test]
fn command_lines_that_are_refused() {
    use ErrorKind as Kind;
    for (line, kind) in [
        ("kubectl-casskop", Kind::DisplayHelpOnMissingArgumentOrSubcommand),
        ("kubectl-casskop --help", Kind::DisplayHelp),
        ("kubectl-casskop restart --help", Kind::DisplayHelp),
        ("kubectl-casskop --version", Kind::DisplayVersion),
        ("kubectl-casskop clenup start", Kind::InvalidSubcommand),
        (
            "kubectl-casskop restart --rack dc1.rack1",
            Kind::MissingRequiredArgument,
        ),
        (
            "kubectl-casskop restart --crd demo",
            Kind::MissingRequiredArgument,
        ),
        (
            "kubectl-casskop restart --crd demo --full --dc dc1",
            Kind::ArgumentConflict,
        ),
        ("kubectl-casskop restart", Kind::MissingRequiredArgument),
        ("kubectl-casskop restart start", Kind::MissingRequiredArgument),
        (
            "kubectl-casskop restart --full --pod a --crd demo",
            Kind::ArgumentConflict,
        ),
        (
            "kubectl-casskop restart --pod a --prefix b",
            Kind::ArgumentConflict,
        ),
        (
            "kubectl-casskop restart --crd demo --rack dc1",
            Kind::ValueValidation,
        ),
        ("kubectl-casskop restart --crd demo --rack", Kind::InvalidValue),
        (
            "kubectl-casskop restart --crd demo --full --timeout 5m",
            Kind::MissingRequiredArgument,
        ),
        (
            "kubectl-casskop restart --crd demo --full --wait --timeout soon",
            Kind::ValueValidation,
        ),
        ("kubectl-casskop cleanup", Kind::MissingRequiredArgument),
        ("kubectl-casskop cleanup stop", Kind::InvalidValue),
        (
            "kubectl-casskop cleanup start --pod a --prefix b",
            Kind::ArgumentConflict,
        ),
        (
            "kubectl-casskop cleanup start --dc a --rack a.b",
            Kind::ArgumentConflict,
        ),
        (
            "kubectl-casskop rebuild --pod demo-dc2-rack1-0",
            Kind::MissingRequiredArgument,
        ),
        (
            "kubectl-casskop rebuild start --pod demo-dc2-rack1-0",
            Kind::MissingRequiredArgument,
        ),
        ("kubectl-casskop rebuild dc1", Kind::MissingRequiredArgument),
        ("kubectl-casskop rebuild --pod a b c d", Kind::TooManyValues),
        (
            "kubectl-casskop removenode --crd demo",
            Kind::MissingRequiredArgument,
        ),
        (
            "kubectl-casskop removenode --pod a --previous-ip 10.0.0 --crd demo",
            Kind::ValueValidation,
        ),
        (
            "kubectl-casskop removenode --host-id 7 --crd demo",
            Kind::ValueValidation,
        ),
        (
            "kubectl-casskop removenode --pod a --crd demo --from-pod b",
            Kind::ArgumentConflict,
        ),
        ("kubectl-casskop status demo -A", Kind::ArgumentConflict),
        ("kubectl-casskop status -w --exit-code", Kind::ArgumentConflict),
        ("kubectl-casskop status -A --dc dc1", Kind::ArgumentConflict),
        ("kubectl-casskop status demo --crd prod", Kind::ArgumentConflict),
        ("kubectl-casskop nodetool", Kind::MissingRequiredArgument),
        ("kubectl-casskop cqlsh -e DESCRIBE", Kind::UnknownArgument),
        ("kubectl-casskop logs --tail few", Kind::ValueValidation),
        ("kubectl-casskop logs -f --previous", Kind::ArgumentConflict),
        (
            "kubectl-casskop logs -c a --all-containers",
            Kind::ArgumentConflict,
        ),
        ("kubectl-casskop report --tail 100", Kind::MissingRequiredArgument),
        ("kubectl-casskop install --dry-run=maybe", Kind::InvalidValue),
        ("kubectl-casskop plan", Kind::MissingRequiredArgument),
        ("kubectl-casskop reconcile", Kind::MissingRequiredArgument),
        ("kubectl-casskop reconcile stop", Kind::InvalidValue),
        ("kubectl-casskop _simple_operation", Kind::InvalidSubcommand),
    ] {
        refuses(line, kind);
    }
}

#[test]
fn requests_that_are_refused() {
    use ErrorKind as Kind;
    for (line, kind) in [
        (
            "kubectl-casskop replace --previous-ip 10.0.0.7",
            Kind::MissingRequiredArgument,
        ),
        (
            "kubectl-casskop replace --pod a --previous-ip 10.0.0.7 --host-id 5d3f8b3e-0a52-4b0b-9a39-6ac0f3c3c9d1",
            Kind::ArgumentConflict,
        ),
        (
            "kubectl-casskop cleanup start --parallel 0",
            Kind::ValueValidation,
        ),
        (
            "kubectl-casskop cleanup status --parallel 2",
            Kind::MissingRequiredArgument,
        ),
        (
            "kubectl-casskop decommission --crd demo",
            Kind::MissingRequiredArgument,
        ),
        (
            "kubectl-casskop decommission --dc dc1 --pod a",
            Kind::ArgumentConflict,
        ),
        ("kubectl-casskop pause --pod a", Kind::MissingRequiredArgument),
        ("kubectl-casskop pause cleanup", Kind::MissingRequiredArgument),
        ("kubectl-casskop pause clenup --pod a", Kind::InvalidValue),
        (
            "kubectl-casskop cleanup start --dry-run=maybe",
            Kind::InvalidValue,
        ),
        (
            "kubectl-casskop cleanup start --pod a -l b=c",
            Kind::ArgumentConflict,
        ),
        ("kubectl-casskop cleanup start -o table", Kind::ValueValidation),
        (
            "kubectl-casskop cleanup status -o jsonpath={range",
            Kind::ValueValidation,
        ),
    ] {
        refuses(line, kind);
    }
}

fn refuses(line: &str, kind: ErrorKind) {
    match read(line) {
        Ok(cli) => panic!("{line} was read as {cli:?}"),
        Err(error) => assert_eq!(error.kind(), kind, "{line}: {error}"),
    }
}

#[test]
fn nothing_at_all_is_no_name() {
    use ErrorKind as Kind;
    let too_long = format!("--keyspace={}", "k".repeat(49));
    for (words, kind) in [
        (["cleanup", "start", "--prefix="], Kind::InvalidValue),
        (["rebuild", "dc1", "--prefix="], Kind::InvalidValue),
        (["compact", "start", "--keyspace="], Kind::ValueValidation),
        (["compact", "start", "--keyspace= orders"], Kind::ValueValidation),
        (["scrub", "start", "--keyspace=or.ders"], Kind::ValueValidation),
        (["flush", "start", &too_long], Kind::ValueValidation),
        (
            ["flush", "abort", "--keyspace=orders"],
            Kind::MissingRequiredArgument,
        ),
        (
            ["compact", "status", "--keyspace=orders"],
            Kind::MissingRequiredArgument,
        ),
    ] {
        let args: Vec<OsString> = ["kubectl-casskop"]
            .iter()
            .chain(&words)
            .map(OsString::from)
            .collect();
        match parse(&Invocation::of(Some("kubectl-casskop".as_ref())), &args) {
            Ok(cli) => panic!("{words:?} was read as {cli:?}"),
            Err(error) => assert_eq!(error.kind(), kind, "{words:?}: {error}"),
        }
    }
}

#[test]
fn only_what_casskop_took_too_is_its_spelling() {
    let spelling = |flags: &str| match read(&format!("kubectl-casskop remove {flags}")).unwrap().verb {
        Verb::Remove(args) => args.spelling(),
        verb => panic!("{verb:?}"),
    };
    for flags in [
        "--pod a --crd demo",
        "--pod a --from-pod b",
        "--pod a --previous-ip 10.0.0.7 --from-pod b",
    ] {
        assert_eq!(spelling(flags), Spelling::CassKops, "{flags}");
    }
    for flags in [
        "--pod a",
        "--previous-ip 10.0.0.7 --crd demo",
        "--previous-ip 10.0.0.7 --from-pod b",
        "--host-id 5d3f8b3e-0a52-4b0b-9a39-6ac0f3c3c9d1 --crd demo",
    ] {
        assert_eq!(spelling(flags), Spelling::Ours, "{flags}");
    }
}

#[test]
fn command_lines_of_tasks_that_are_refused() {
    for line in [
        "kubectl-casskop task",
        "kubectl-casskop task create --crd demo",
        "kubectl-casskop task wait",
        "kubectl-casskop task list --crd demo",
        "kubectl-casskop task create flush --timeout 5m",
        "kubectl-casskop schedule create flush --dc dc1",
        "kubectl-casskop schedule list --cron @daily",
    ] {
        assert_eq!(
            read(line).unwrap_err().kind(),
            ErrorKind::MissingRequiredArgument,
            "{line}"
        );
    }
}
