//! What the decisions are made with: no runtime, no client, no way to the network. That the clock and the environment are left
//! alone too is a matter of `clippy.toml`.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "cargo is asked for the dependencies, and without it nothing is tested"
)]

use std::collections::BTreeSet;
use std::process::Command;

/// Crates that run something or reach something, and `kube`'s own parts that do.
const RUNTIMES_AND_CLIENTS: [&str; 18] = [
    "async-std",
    "axum",
    "chrono",
    "futures-executor",
    "getrandom",
    "hyper",
    "hyper-util",
    "kube-client",
    "kube-runtime",
    "mio",
    "rand",
    "reqwest",
    "rustix",
    "rustls",
    "smol",
    "socket2",
    "tokio",
    "tower",
];

fn dependencies(package: &str) -> BTreeSet<String> {
    let tree = Command::new(env!("CARGO"))
        .args([
            "tree",
            "--offline",
            "--locked",
            "--edges",
            "normal",
            "--prefix",
            "none",
            "--format",
            "{p}",
        ])
        .args(["--package", package])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(tree.status.success(), "{}", String::from_utf8_lossy(&tree.stderr));
    let text = String::from_utf8(tree.stdout).unwrap();
    let names = text.lines().filter_map(|line| line.split_whitespace().next());
    names.map(str::to_owned).collect()
}

#[test]
fn the_decisions_and_the_types_depend_on_no_runtime_and_no_client() {
    for package in ["casskop-core", "casskop-types"] {
        let known = dependencies(package);
        assert!(
            known.contains("k8s-openapi"),
            "cargo tree lists nothing: {known:?}"
        );
        let found: Vec<_> = RUNTIMES_AND_CLIENTS
            .iter()
            .filter(|name| known.contains(**name))
            .collect();
        assert!(found.is_empty(), "{package} depends on {found:?}");
    }
}

/// The lists above would prove nothing if the names were wrong: the operator has them.
#[test]
fn the_operator_has_what_the_decisions_have_not() {
    let known = dependencies("casskop-operator");
    for name in [
        "tokio",
        "hyper",
        "kube-client",
        "kube-runtime",
        "mio",
        "socket2",
        "tower",
    ] {
        assert!(known.contains(name), "{name}");
    }
}
