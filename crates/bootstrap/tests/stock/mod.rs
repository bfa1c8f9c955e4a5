//! The stock configurations of this crate's tests, and a cluster's settings over them.

#![expect(clippy::unwrap_used, reason = "a fixture that does not load fails its test")]

use casskop_bootstrap::config::{Files, Node, Rendered, Tree, render};
use std::path::Path;

/// The files of `tests/fixtures/<series>`.
pub(crate) fn files(series: &str) -> Files {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(series);
    std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| {
            (
                path.file_name().unwrap().to_str().unwrap().to_owned(),
                std::fs::read_to_string(&path).unwrap(),
            )
        })
        .collect()
}

/// `tests/fixtures/config-<series>.json`, rendered over `stock` for a node on `address`.
pub(crate) fn rendered(series: &str, stock: &Files, product_version: &str, address: &str) -> Rendered {
    let config = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/fixtures/config-{series}.json"));
    let tree = Tree::parse(&std::fs::read_to_string(config).unwrap()).unwrap();
    let node = Node {
        address: address.to_owned(),
        rack: "rack1".to_owned(),
        product_version: product_version.to_owned(),
    };
    render(stock, &tree, &node).unwrap()
}
