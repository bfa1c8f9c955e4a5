//! Renders a node's configuration: the files of its image, changed where the cluster's `spec.config` says so.
//!
//! The input is the tree that users of `CassKop` write for cass-config-builder, merged by the operator over cluster, DC and
//! rack and handed over as JSON in `CONFIG_FILE_DATA`. Settings it does not name keep the value the image ships.

pub mod cassandra_yaml;
pub mod env_sh;
pub mod jvm_options;
pub mod keys;
pub mod logback;
pub mod notice;
pub mod rackdc;

pub use notice::Notice;

use crate::version::{Release, StockEvidence, UnknownRelease};
use crate::yaml::Document;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// The text of each file in the configuration directory, by name.
pub type Files = BTreeMap<String, String>;

/// The settings of one block of the tree.
pub type Block = Map<String, Value>;

/// Renders all files that differ from `stock`, which holds at least `cassandra.yaml`.
pub fn render(stock: &Files, tree: &Tree, node: &Node) -> Result<Rendered, RenderError> {
    let yaml = stock.get("cassandra.yaml").ok_or(RenderError::NoCassandraYaml)?;
    let document = Document::parse(yaml);
    let detected = Release::detect(
        &StockEvidence {
            yaml_keys: &document.keys().collect::<Vec<_>>(),
            files: &stock.keys().map(String::as_str).collect::<Vec<_>>(),
        },
        &node.product_version,
    )?;
    let release = detected.release;
    let mut notices: Vec<Notice> = detected
        .contradicts
        .map(|_| Notice::VersionContradicted {
            claimed: node.product_version.clone(),
            release,
        })
        .into_iter()
        .collect();

    let mut files = stock.clone();
    let rendered = cassandra_yaml::render(document, release, tree, node, &mut notices);
    serde_yaml::from_str::<serde_yaml::Mapping>(&rendered).map_err(|error| RenderError::Unreadable {
        line: error.location().map_or(0, |location| location.line()),
    })?;
    files.insert("cassandra.yaml".into(), rendered);
    jvm_options::render(&mut files, release, tree, &mut notices);
    env_sh::render(&mut files, tree, &mut notices);
    logback::render(&mut files, tree, &mut notices);
    rackdc::render(&mut files, tree, node, &mut notices);
    notices.extend(tree.unknown_blocks());

    files.retain(|name, text| stock.get(name) != Some(text));
    Ok(Rendered {
        release,
        files,
        notices,
    })
}

/// What [`render`] makes.
#[derive(Debug, Clone)]
pub struct Rendered {
    /// The release the files are for.
    pub release: Release,
    /// The files to write, by name.
    pub files: Files,
    /// What the user should know; never a value, which may be a secret.
    pub notices: Vec<Notice>,
}

/// The node that the configuration is for.
#[derive(Debug, Clone)]
pub struct Node {
    /// The pod's address, as Kubernetes gives it.
    pub address: String,
    /// The rack, by the pod's label.
    pub rack: String,
    /// The operator's idea of the version: `spec.serverVersion`, or the image's tag.
    pub product_version: String,
}

/// `CONFIG_FILE_DATA`: blocks of settings, each named for the file it ends up in.
#[derive(Debug, Clone)]
pub struct Tree {
    /// The cluster's name.
    pub cluster: String,
    /// The seed list, comma-separated.
    pub seeds: String,
    /// The datacenter's name.
    pub datacenter: String,
    blocks: Map<String, Value>,
}

/// Blocks that a renderer reads. `jvm-options` is 3.11's, and where the operator puts its defaults unless it is told of a 4.x.
const BLOCKS: [&str; 9] = [
    "cassandra-yaml",
    "jvm-options",
    "jvm-server-options",
    "jvm8-server-options",
    "jvm11-server-options",
    "jvm17-server-options",
    "cassandra-env-sh",
    "logback-xml",
    "cassandra-rackdc-properties",
];

/// Blocks that tell of the cluster and the node rather than of a file.
const INFO_BLOCKS: [&str; 3] = ["cluster-info", "datacenter-info", "node-info"];

impl Tree {
    /// Reads the tree. The error does not repeat the input, which may hold secrets.
    pub fn parse(json: &str) -> Result<Self, RenderError> {
        let blocks: Map<String, Value> =
            serde_json::from_str(json).map_err(|error| RenderError::NotATree {
                line: error.line(),
                column: error.column(),
            })?;
        let text = |block: &str, key: &str| {
            blocks
                .get(block)
                .and_then(|info| info.get(key))
                .and_then(Value::as_str)
                .map(str::to_owned)
        };
        Ok(Self {
            cluster: text("cluster-info", "name").ok_or(RenderError::Missing("cluster-info.name"))?,
            seeds: text("cluster-info", "seeds").unwrap_or_default(),
            datacenter: text("datacenter-info", "name")
                .ok_or(RenderError::Missing("datacenter-info.name"))?,
            blocks,
        })
    }

    /// The block `name`; absent and null blocks are empty.
    fn block(&self, name: &str) -> Option<&Block> {
        self.blocks.get(name).and_then(Value::as_object)
    }

    fn unknown_blocks(&self) -> impl Iterator<Item = Notice> {
        self.blocks
            .iter()
            .filter(|(name, value)| {
                let name = name.as_str();
                let known = BLOCKS.contains(&name) && (value.is_object() || value.is_null());
                !known && !INFO_BLOCKS.contains(&name)
            })
            .map(|(name, _)| Notice::UnknownBlock { block: name.clone() })
    }
}

/// The keys and values of a block in a stable order, whatever order the JSON reader keeps.
fn sorted(block: &Block) -> BTreeMap<&str, &Value> {
    block.iter().map(|(key, value)| (key.as_str(), value)).collect()
}

/// A scalar as the text that a file holds; `None` for lists, mappings and null, and for text that would break the line.
fn scalar_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if !text.contains(['\n', '\r']) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        _ => None,
    }
}

/// No configuration can be rendered.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    /// The first init container copied no `cassandra.yaml`.
    #[error(
        "the stock configuration holds no cassandra.yaml: does the image of spec.cassandraImage keep it in /etc/cassandra?"
    )]
    NoCassandraYaml,
    /// `CONFIG_FILE_DATA` is no JSON object.
    #[error("CONFIG_FILE_DATA is not a JSON object (line {line}, column {column})")]
    NotATree {
        /// Where the reader stopped.
        line: usize,
        /// Where the reader stopped.
        column: usize,
    },
    /// A part of `CONFIG_FILE_DATA` that the operator always writes is not there.
    #[error("CONFIG_FILE_DATA lacks {0}")]
    Missing(&'static str),
    /// The release can not be told.
    #[error(transparent)]
    Release(#[from] UnknownRelease),
    /// The stock file and the overrides do not make one readable file.
    #[error(
        "the rendered cassandra.yaml would not be readable at line {line}: check spec.config.cassandra-yaml against the image's file"
    )]
    Unreadable {
        /// Line in the rendered file; 0 if unknown.
        line: usize,
    },
}
