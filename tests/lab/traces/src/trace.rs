//! The files: one a topic, with what differs from run to run replaced.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::{Map, Value, json};

use crate::exchange::Exchange;

/// A host id no node has; the scenario asks for it by name, so it stays.
pub(crate) const NO_HOST_ID: &str = "ffffffff-ffff-4fff-bfff-ffffffffffff";

/// Recorded exchanges by topic.
pub(crate) struct Traces {
    cassandra: String,
    topics: BTreeMap<String, Vec<Value>>,
    uuids: BTreeMap<String, usize>,
    /// Directory of the nodes' own directories, as the nodes print it.
    scratch: String,
}

impl Traces {
    pub(crate) fn of(cassandra: &str, scratch: &Path) -> Self {
        let scratch = format!("{}/", scratch.display());
        Self {
            scratch,
            cassandra: cassandra.to_owned(),
            topics: BTreeMap::new(),
            uuids: BTreeMap::new(),
        }
    }

    /// Keeps `exchange` under `topic`; `state` says what the node and the ring were in.
    pub(crate) fn keep(&mut self, topic: &str, state: &str, exchange: Exchange) {
        let recorded = json!({
            "state": state,
            "request": self.scrub(exchange.request),
            "http_status": exchange.http_status,
            "answer": self.scrub(exchange.answer),
        });
        self.topics.entry(topic.to_owned()).or_default().push(recorded);
    }

    /// Writes the topics into `directory`, replacing it.
    pub(crate) fn write(&self, directory: &Path) -> Result<()> {
        if directory.exists() {
            fs::remove_dir_all(directory)?;
        }
        fs::create_dir_all(directory)?;
        for (topic, exchanges) in &self.topics {
            let file = directory.join(format!("{topic}.json"));
            let text = self.file(topic, exchanges)?;
            fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))?;
        }
        Ok(())
    }

    /// One line for each field of an exchange, and for each answer of a bulk: a recording made again then
    /// differs where an answer does.
    fn file(&self, topic: &str, exchanges: &[Value]) -> Result<String> {
        let mut lines = vec![
            "{".to_owned(),
            format!("  \"cassandra\": {},", json!(self.cassandra)),
            format!("  \"topic\": {},", json!(topic)),
            "  \"exchanges\": [".to_owned(),
        ];
        for (at, exchange) in exchanges.iter().enumerate() {
            lines.push("    {".to_owned());
            for (key, end) in [
                ("state", ","),
                ("http_status", ","),
                ("request", ","),
                ("answer", ""),
            ] {
                let value = &exchange[key];
                if let Some(values) = value.as_array() {
                    let values = values
                        .iter()
                        .map(|value| format!("        {value}"))
                        .collect::<Vec<_>>();
                    lines.push(format!(
                        "      \"{key}\": [\n{}\n      ]{end}",
                        values.join(",\n")
                    ));
                } else {
                    lines.push(format!("      \"{key}\": {value}{end}"));
                }
            }
            lines.push(if at + 1 < exchanges.len() {
                "    },".to_owned()
            } else {
                "    }".to_owned()
            });
        }
        lines.extend(["  ]".to_owned(), "}".to_owned()]);
        let text = lines.join("\n") + "\n";
        serde_json::from_str::<Value>(&text).context("the file would not be json")?;
        Ok(text)
    }

    fn scrub(&mut self, value: Value) -> Value {
        match value {
            Value::Object(fields) => self.scrub_fields(fields),
            Value::Array(values) => values.into_iter().map(|value| self.scrub(value)).collect(),
            Value::String(text) => Value::from(self.scrub_text(&text)),
            other => other,
        }
    }

    fn scrub_fields(&mut self, fields: Map<String, Value>) -> Value {
        let mut scrubbed = Map::new();
        for (key, value) in fields {
            let value = match (key.as_str(), value) {
                ("timestamp", _) => json!(1_700_000_000),
                // The peer's end of a connection it opened.
                ("connecting_port", Value::Number(port)) if port.as_u64() != Some(7000) => json!(50_000),
                ("stacktrace", Value::String(trace)) => {
                    let first = trace.lines().next().unwrap_or_default();
                    Value::from(format!("{}\n\tat …", self.scrub_text(first)))
                }
                (_, value) => self.scrub(value),
            };
            scrubbed.insert(self.scrub_text(&key), value);
        }
        Value::Object(scrubbed)
    }

    fn scrub_text(&mut self, text: &str) -> String {
        let text = text.replace(&self.scratch, "/var/lib/cassandra/");
        let text = without_table_ids(&text);
        let text = if text.contains("Full thread dump") {
            threads_of_interest(&text)
        } else {
            text
        };
        self.number_uuids(&text)
    }

    /// Replaces every uuid by one that tells only in which order they first came.
    fn number_uuids(&mut self, text: &str) -> String {
        const LENGTH: usize = 36;
        let mut scrubbed = String::with_capacity(text.len());
        let mut rest = text;
        while !rest.is_empty() {
            if let Some(candidate) = rest.get(..LENGTH)
                && is_uuid(candidate)
                && candidate != NO_HOST_ID
            {
                let next = self.uuids.len() + 1;
                let number = *self.uuids.entry(candidate.to_owned()).or_insert(next);
                scrubbed.extend(["00000000-0000-4000-8000-", &format!("{number:012}")]);
                rest = rest.get(LENGTH..).unwrap_or_default();
            } else {
                let first = rest.chars().next().map_or(1, char::len_utf8);
                let (character, after) = rest.split_at(first);
                scrubbed.push_str(character);
                rest = after;
            }
        }
        scrubbed
    }
}

/// A table's directory has its id in its name, without dashes: `orders-5b5a6d60e58511f1bf3c9942b53e5033`.
fn without_table_ids(text: &str) -> String {
    const LENGTH: usize = 32;
    let segment = |segment: &str| match segment.split_once('-') {
        Some((table, id)) if id.len() == LENGTH && id.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
            format!("{table}-{}", "0".repeat(LENGTH))
        }
        _ => segment.to_owned(),
    };
    text.split('/').map(segment).collect::<Vec<_>>().join("/")
}

fn is_uuid(text: &str) -> bool {
    text.bytes().enumerate().all(|(at, byte)| {
        if matches!(at, 8 | 13 | 18 | 23) {
            byte == b'-'
        } else {
            byte.is_ascii_hexdigit()
        }
    })
}

/// The dump's first lines, the threads inside `StorageService`, and one idle thread for contrast.
fn threads_of_interest(dump: &str) -> String {
    let mut threads = dump.split("\n\n");
    let head = threads.next().unwrap_or_default();
    let (working, idle): (Vec<_>, Vec<_>) = threads
        .filter(|thread| thread.starts_with('"'))
        .partition(|thread| thread.contains("cassandra.service.StorageService."));
    let kept = working.into_iter().chain(
        idle.into_iter()
            .filter(|thread| thread.contains("GossipTasks"))
            .take(1),
    );
    let kept = kept.map(without_numbers).collect::<Vec<_>>().join("\n\n");
    format!(
        "{}\n\n{kept}\n",
        head.lines().skip(1).collect::<Vec<_>>().join("\n")
    )
}

/// Thread and lock addresses and times differ from run to run.
fn without_numbers(thread: &str) -> String {
    let word = |word: &str| match word.split_once('=') {
        Some((key @ ("cpu" | "elapsed" | "tid" | "nid"), _)) => format!("{key}=0"),
        _ if word.starts_with("[0x") => "[0]".to_owned(),
        _ if word.starts_with("<0x") => "<0>".to_owned(),
        _ => word.to_owned(),
    };
    let line = |line: &str| line.split(' ').map(word).collect::<Vec<_>>().join(" ");
    thread.lines().map(line).collect::<Vec<_>>().join("\n")
}
