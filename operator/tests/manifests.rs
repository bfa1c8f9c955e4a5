//! The manifests of `operator/deploy/` against each other and against the binary they start.

use std::path::Path;

use casskop_operator::cli::{Cli, Command, Scope};
use clap::Parser as _;
use serde::Deserialize as _;
use serde_json::Value;

fn manifest(name: &str) -> anyhow::Result<Vec<Value>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy").join(name);
    let text = std::fs::read_to_string(path)?;
    serde_yaml::Deserializer::from_str(&text)
        .map(|document| Ok(Value::deserialize(document)?))
        .collect()
}

fn only<'a>(objects: &'a [Value], kind: &str, name: &str) -> &'a Value {
    let is_it = |object: &&Value| object["kind"] == kind && object["metadata"]["name"] == name;
    let found: Vec<_> = objects.iter().filter(is_it).collect();
    assert_eq!(found.len(), 1, "{kind} {name}");
    found[0]
}

fn container(objects: &[Value]) -> &Value {
    &only(objects, "Deployment", "casskop-operator")["spec"]["template"]["spec"]["containers"][0]
}

#[test]
fn one_namespace_and_all_namespaces_are_granted_the_same() {
    let (one, all) = (
        manifest("namespaced.yaml").unwrap(),
        manifest("cluster-wide.yaml").unwrap(),
    );
    assert_eq!(
        only(&one, "Role", "casskop-operator")["rules"],
        only(&all, "ClusterRole", "casskop-operator")["rules"]
    );
}

#[test]
fn nothing_is_granted_wholesale() {
    for name in ["namespaced.yaml", "cluster-wide.yaml", "cassandra-pods.yaml"] {
        for object in manifest(name).unwrap() {
            for rule in object["rules"].as_array().into_iter().flatten() {
                for granted in ["apiGroups", "resources", "verbs"] {
                    let granted = rule[granted].as_array().unwrap();
                    assert!(
                        !granted.is_empty() && granted.iter().all(|it| it != "*"),
                        "{name}: {rule}"
                    );
                }
            }
        }
    }
}

#[test]
fn the_deployment_starts_this_version_with_arguments_it_takes() {
    for (name, scope) in [
        ("namespaced.yaml", Scope::Namespace("cassandra".to_owned())),
        ("cluster-wide.yaml", Scope::AllNamespaces),
    ] {
        let objects = manifest(name).unwrap();
        let container = container(&objects);
        let image = container["image"].as_str().unwrap();
        let (_, tag) = image.rsplit_once(':').unwrap();
        assert_eq!(tag, env!("CARGO_PKG_VERSION"), "{name}");

        let arguments = container["args"]
            .as_array()
            .unwrap()
            .iter()
            .map(|it| it.as_str().unwrap());
        let variable = |wanted: &str| {
            let variables = container["env"].as_array().unwrap();
            let found = variables.iter().find(|variable| variable["name"] == wanted);
            found.unwrap()["value"].as_str().unwrap().to_owned()
        };
        // What the environment gives in the pod is given by flags here: other tests run in this process.
        let flags = [
            ("--watch-namespace", variable("WATCH_NAMESPACE")),
            ("--log-level", variable("LOG_LEVEL")),
            ("--log-type", variable("LOG_TYPE")),
        ];
        let flags = flags.iter().flat_map(|(flag, value)| [*flag, value]);
        let parsed = Cli::try_parse_from(std::iter::once("casskop-operator").chain(arguments).chain(flags));
        let Command::Run(args) = parsed.unwrap().command else {
            panic!("{name} does not run the operator")
        };
        assert_eq!(args.watch_namespace, scope, "{name}");
    }
}

#[test]
fn probes_ask_where_the_operator_answers() {
    let objects = manifest("namespaced.yaml").unwrap();
    let container = container(&objects);
    let Command::Run(defaults) = Cli::parse_from(["casskop-operator", "run"]).command else {
        panic!()
    };
    let port = |name: &str| {
        let ports = container["ports"].as_array().unwrap();
        ports.iter().find(|port| port["name"] == name).unwrap()["containerPort"].clone()
    };
    assert_eq!(port("metrics"), defaults.metrics_addr.0.port());
    assert_eq!(port("health"), defaults.health_probe_bind_address.0.port());
    for (probe, path) in [("livenessProbe", "/healthz"), ("readinessProbe", "/readyz")] {
        assert_eq!(container[probe]["httpGet"]["path"], path);
        assert_eq!(container[probe]["httpGet"]["port"], "health");
    }
}
