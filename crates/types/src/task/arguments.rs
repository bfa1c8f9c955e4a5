//! The arguments of a job.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Arguments of a job's command. Each command reads its own; the names are the resource's, with underscores.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct JobArguments {
    /// Keyspace to work on: cleanup, upgradesstables, compact, scrub, garbagecollect, flush. All where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keyspace_name: Option<String>,
    /// Tables of the keyspace to work on; all where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tables: Option<Vec<String>>,
    /// Compaction threads on each node: cleanup, upgradesstables, scrub, garbagecollect. The operator's choice where 0 or absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jobs: Option<i64>,
    /// Datacenter to stream from: rebuild.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_datacenter: Option<String>,
    /// The only pod to work on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod_name: Option<String>,
    /// The only rack to work on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rack: Option<String>,
    /// Whether a scrub leaves values of columns unread.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub no_validate: Option<bool>,
    /// Whether a scrub makes no snapshot first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub no_snapshot: Option<bool>,
    /// Whether a scrub drops rows of counter tables that it cannot read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skip_corrupted: Option<bool>,
    /// Whether a compaction makes several data files of falling sizes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub split_output: Option<bool>,
    /// First token of the range to compact, together with the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_token: Option<String>,
    /// Last token of the range to compact, together with the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_token: Option<String>,
    /// New token by pod: move, of nodes that have one token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new_tokens: Option<BTreeMap<String, String>>,
    /// Whether a restart stops all nodes of a rack at once: refused, two nodes are never down together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fast: Option<bool>,
    /// Whether a fast restart goes on while another rack lacks nodes: refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub force: Option<bool>,
}
