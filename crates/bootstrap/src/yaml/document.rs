//! A YAML mapping as text: entries can be replaced, merged and removed, everything else stays as it was written.

use super::write;
use serde_json::{Map, Value};

/// The entries of one block mapping, in the order and with the text of the file.
///
/// Only the outline is parsed: which lines belong to which key. That is enough to replace an entry, and nothing of an
/// entry that is left alone can change its meaning on the way.
#[derive(Debug, Clone)]
pub struct Document {
    indent: usize,
    parts: Vec<Part>,
}

#[derive(Debug, Clone)]
enum Part {
    /// Comments, blank lines, document markers.
    Between(String),
    Entry {
        key: String,
        text: String,
    },
}

impl Document {
    /// Parses the outline of a mapping that starts in the first column.
    pub fn parse(text: &str) -> Self {
        Self::parse_at(text, 0)
    }

    fn parse_at(text: &str, indent: usize) -> Self {
        let mut parts: Vec<Part> = Vec::new();
        // Comments and blank lines belong to the entry before them only if more of that entry follows.
        let mut pending = String::new();
        for line in text.split_inclusive('\n') {
            if is_blank_or_comment(line) {
                pending.push_str(line);
            } else if let Some(key) = key_at(line, indent) {
                push_between(&mut parts, &mut pending);
                parts.push(Part::Entry {
                    key,
                    text: line.to_owned(),
                });
            } else if let Some(Part::Entry { text, .. }) = parts.last_mut() {
                text.push_str(&pending);
                text.push_str(line);
                pending.clear();
            } else {
                pending.push_str(line);
            }
        }
        push_between(&mut parts, &mut pending);
        Self { indent, parts }
    }

    /// The text of the whole mapping.
    pub fn text(&self) -> String {
        self.parts
            .iter()
            .map(|part| match part {
                Part::Between(text) | Part::Entry { text, .. } => text.as_str(),
            })
            .collect()
    }

    /// The keys, in the order of the file.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            Part::Entry { key, .. } => Some(key.as_str()),
            Part::Between(_) => None,
        })
    }

    /// The value of `key`, read with the rules of YAML 1.2; `None` if the key is absent or its value unreadable.
    pub fn value(&self, key: &str) -> Option<Value> {
        let text = self.parts.iter().find_map(|part| match part {
            Part::Entry { key: found, text } if found == key => Some(text),
            _ => None,
        })?;
        let mut map: Map<String, Value> = serde_yaml::from_str(text).ok()?;
        map.remove(key)
    }

    /// Removes the entry of `key`, if there is one.
    pub fn remove(&mut self, key: &str) {
        self.parts
            .retain(|part| !matches!(part, Part::Entry { key: found, .. } if found == key));
    }

    /// Gives `key` the value, in the place where the file has it, or at the end.
    ///
    /// A mapping is merged into the mapping that is there, key by key: a cluster that turns client encryption on keeps
    /// the other encryption settings of its image. Null removes the entry, which leaves Cassandra's built-in default.
    pub fn set(&mut self, key: &str, value: &Value) {
        if value.is_null() {
            self.remove(key);
            return;
        }
        let indent = self.indent;
        let place = self.parts.iter_mut().find_map(|part| match part {
            Part::Entry { key: found, text } if found == key => Some(text),
            _ => None,
        });
        if let Some(text) = place {
            *text = value
                .as_object()
                .and_then(|overrides| merged(text, overrides))
                .unwrap_or_else(|| write::entry(key, value, indent));
            return;
        }
        if let Some(Part::Between(last) | Part::Entry { text: last, .. }) = self.parts.last_mut()
            && !last.ends_with('\n')
        {
            last.push('\n');
        }
        self.parts.push(Part::Entry {
            key: key.to_owned(),
            text: write::entry(key, value, indent),
        });
    }
}

/// An entry's text with `overrides` applied to its block mapping; `None` if its value is anything else.
fn merged(text: &str, overrides: &Map<String, Value>) -> Option<String> {
    let (header, body) = text.split_once('\n')?;
    let (_, inline) = header.split_once(':')?;
    if !is_blank_or_comment(inline) || overrides.is_empty() {
        return None;
    }
    let first = body.lines().find(|line| !is_blank_or_comment(line))?;
    let indent = first.len() - first.trim_start().len();
    key_at(first, indent)?;
    let mut inner = Document::parse_at(body, indent);
    for (key, value) in overrides {
        inner.set(key, value);
    }
    Some(format!("{header}\n{}", inner.text()))
}

fn push_between(parts: &mut Vec<Part>, pending: &mut String) {
    if !pending.is_empty() {
        parts.push(Part::Between(std::mem::take(pending)));
    }
}

fn is_blank_or_comment(line: &str) -> bool {
    let line = line.trim_start();
    line.is_empty() || line.starts_with('#')
}

/// The key of a line `key: ...` at exactly `indent` columns. The stock file of 5.0 also writes `key : ...`.
fn key_at(line: &str, indent: usize) -> Option<String> {
    let content = line.trim_start_matches(' ');
    if line.len() - content.len() != indent {
        return None;
    }
    let content = content.trim_end();
    let (key, _) = match content.split_once(": ") {
        Some(split) => split,
        None => (content.strip_suffix(':')?, ""),
    };
    let key = key.trim_end().trim_matches(['"', '\'']);
    let is_key = !key.is_empty()
        && key
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '/'));
    (is_key && !key.starts_with('-')).then(|| key.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const STOCK: &str = "\
# about the cluster
cluster_name: 'Test Cluster'

# on is a boolean for SnakeYAML, and stays as it is written
cdc_enabled: on
data_file_directories:
- /var/lib/cassandra/data
# num_tokens: 256
client_encryption_options:
  enabled: false
  # the keystore
  keystore: conf/.keystore
  nested:
    - one
authenticator:
  class_name : AllowAllAuthenticator
seed_provider:
    # comment
    - class_name: org.apache.cassandra.locator.SimpleSeedProvider
      parameters:
          - seeds: \"127.0.0.1:7000\"
last: 1";

    #[test]
    fn what_is_not_touched_keeps_its_text() {
        assert_eq!(Document::parse(STOCK).text(), STOCK);
    }

    #[test]
    fn keys_are_those_of_the_outline() {
        let document = Document::parse(STOCK);
        let keys: Vec<&str> = document.keys().collect();
        assert_eq!(
            keys,
            [
                "cluster_name",
                "cdc_enabled",
                "data_file_directories",
                "client_encryption_options",
                "authenticator",
                "seed_provider",
                "last"
            ]
        );
    }

    #[test]
    fn values_can_be_read() {
        let document = Document::parse(STOCK);
        assert_eq!(
            document.value("data_file_directories"),
            Some(json!(["/var/lib/cassandra/data"]))
        );
        assert_eq!(
            document.value("authenticator"),
            Some(json!({"class_name": "AllowAllAuthenticator"}))
        );
        assert_eq!(document.value("num_tokens"), None);
    }

    #[test]
    fn overrides_replace_merge_remove_and_append() {
        let mut document = Document::parse(STOCK);
        document.set("cluster_name", &json!("demo"));
        document.set("data_file_directories", &json!(["/data1", "/data2"]));
        document.set(
            "client_encryption_options",
            &json!({"enabled": true, "keystore_password": "12:30"}),
        );
        document.set("authenticator", &json!("PasswordAuthenticator"));
        document.set("cdc_enabled", &Value::Null);
        document.set("num_tokens", &json!(16));
        insta::assert_snapshot!(document.text(), @r#"
        # about the cluster
        cluster_name: demo

        # on is a boolean for SnakeYAML, and stays as it is written
        data_file_directories:
            - /data1
            - /data2
        # num_tokens: 256
        client_encryption_options:
          enabled: true
          # the keystore
          keystore: conf/.keystore
          nested:
            - one
          keystore_password: "12:30"
        authenticator: PasswordAuthenticator
        seed_provider:
            # comment
            - class_name: org.apache.cassandra.locator.SimpleSeedProvider
              parameters:
                  - seeds: "127.0.0.1:7000"
        last: 1
        num_tokens: 16
        "#);
    }

    #[test]
    fn a_flow_mapping_is_replaced_whole() {
        let mut document = Document::parse("a: {b: 1}\n");
        document.set("a", &json!({"c": 2}));
        assert_eq!(document.text(), "a:\n    c: 2\n");
    }

    #[test]
    fn a_merge_into_the_last_entry_of_a_file_without_final_newline_stays_readable() {
        let mut document = Document::parse("a:\n  b: 1");
        document.set("a", &json!({"c": 2}));
        document.set("d", &json!(3));
        assert_eq!(document.text(), "a:\n  b: 1\n  c: 2\nd: 3\n");
    }

    #[test]
    fn any_text_survives_an_untouched_document() {
        for text in [
            "",
            "\n",
            "# only\n",
            "---\na: 1\n...\n",
            "  a: 1\n",
            "- a\n- b\n",
            "a:\n\n\n# x\n\n  b\n# y",
            "a: |\n  # text\n  b: c\n",
        ] {
            assert_eq!(Document::parse(text).text(), text);
        }
    }
}
