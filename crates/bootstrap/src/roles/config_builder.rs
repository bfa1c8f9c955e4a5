//! The init container `config-builder`: renders the copied stock configuration in place.

use super::{Environment, Readers, read_file, write_file};
use crate::config::{self, Files, Node, Tree};
use anyhow::{Context as _, Result, bail};
use std::io::Write;
use std::path::Path;

/// Reads the stock files, renders, writes what changed, and says what was left out.
pub fn run(environment: &Environment, out: &mut dyn Write) -> Result<()> {
    if let Some(product) = environment
        .get("PRODUCT_NAME")
        .filter(|product| *product != "cassandra")
    {
        bail!("serverType {product:?} cannot be configured: only Apache Cassandra is supported");
    }
    let directory = Path::new(environment.get("CONFIG_OUTPUT_DIRECTORY").unwrap_or("/bootstrap"));
    let tree = Tree::parse(environment.require("CONFIG_FILE_DATA")?)?;
    let node = Node {
        address: environment.require("POD_IP")?.to_owned(),
        rack: environment.require("RACK_NAME")?.to_owned(),
        product_version: environment.get("PRODUCT_VERSION").unwrap_or_default().to_owned(),
    };
    let rendered = config::render(&stock_files(directory)?, &tree, &node)?;
    for notice in &rendered.notices {
        writeln!(out, "config-builder: {notice}")?;
    }
    for (name, text) in &rendered.files {
        write_file(&directory.join(name), text.as_bytes(), Readers::All)?;
    }
    let names: Vec<&str> = rendered.files.keys().map(String::as_str).collect();
    writeln!(
        out,
        "config-builder: configuration of cluster {} for Cassandra {}, rack {} of {}: {}",
        tree.cluster,
        rendered.release,
        node.rack,
        tree.datacenter,
        if names.is_empty() {
            "nothing to change".to_owned()
        } else {
            names.join(", ")
        }
    )?;
    Ok(())
}

/// The text files of the directory. Anything else (keystores, triggers) is not ours to read.
fn stock_files(directory: &Path) -> Result<Files> {
    let entries =
        std::fs::read_dir(directory).with_context(|| format!("cannot list {}", directory.display()))?;
    let mut files = Files::new();
    for entry in entries {
        let path = entry
            .with_context(|| format!("cannot list {}", directory.display()))?
            .path();
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let is_text = [".yaml", ".options", ".xml", ".properties", ".sh"]
            .iter()
            .any(|suffix| name.ends_with(suffix));
        if is_text && path.is_file() {
            files.insert(name, read_file(&path)?);
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(directory: &Path, data: &str) -> Environment {
        Environment::from_iter([
            ("CONFIG_FILE_DATA", data),
            ("CONFIG_OUTPUT_DIRECTORY", directory.to_str().unwrap()),
            ("RACK_NAME", "rack1"),
            ("PRODUCT_NAME", "cassandra"),
            ("PRODUCT_VERSION", "5.0.9"),
            ("POD_IP", "10.0.0.1"),
        ])
    }

    #[test]
    fn files_are_rendered_in_place_and_secrets_stay_out_of_the_log() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("cassandra.yaml"), "cluster_name: x\n").unwrap();
        std::fs::write(directory.path().join("jvm-server.options"), "-ea\n").unwrap();
        std::fs::write(directory.path().join("keystore.jks"), [0xff, 0xfe]).unwrap();
        let data = r#"{"cluster-info":{"name":"demo","seeds":"a"},"datacenter-info":{"name":"dc1"},
            "cassandra-yaml":{"num_tokens":8,"unknown_password":"hunter2",
            "client_encryption_options":{"keystore_password":"hunter2"}}}"#;
        let mut out = Vec::new();
        run(&environment(directory.path(), data), &mut out).unwrap();
        let log = String::from_utf8(out).unwrap();
        insta::assert_snapshot!(log, @r"
        config-builder: cassandra.yaml: Cassandra 5.0 has no setting unknown_password, left out
        config-builder: configuration of cluster demo for Cassandra 5.0, rack rack1 of dc1: cassandra-rackdc.properties, cassandra.yaml
        ");
        let yaml = std::fs::read_to_string(directory.path().join("cassandra.yaml")).unwrap();
        assert!(yaml.contains("num_tokens: 8\n") && yaml.contains("keystore_password: hunter2"));

        run(&environment(directory.path(), data), &mut Vec::new()).unwrap();
        assert_eq!(
            std::fs::read_to_string(directory.path().join("cassandra.yaml")).unwrap(),
            yaml
        );
    }

    #[test]
    fn bad_input_is_named_but_not_repeated() {
        let directory = tempfile::tempdir().unwrap();
        let error = run(&environment(directory.path(), "{\"a\": hunter2"), &mut Vec::new()).unwrap_err();
        assert_eq!(
            format!("{error:#}"),
            "CONFIG_FILE_DATA is not a JSON object (line 1, column 7)"
        );
    }
}
