//! Writes JSON values as block-style YAML that a YAML 1.1 reader takes for the same values.

use serde_json::Value;
use std::fmt::Write as _;

/// Columns by which a nested block is indented.
pub const INDENT: usize = 4;

/// `key: value` as lines, each indented by `indent` columns and ended by a newline.
pub fn entry(key: &str, value: &Value, indent: usize) -> String {
    let mut out = " ".repeat(indent);
    out.push_str(&string(key));
    out.push(':');
    out.push_str(&after_indicator(value, indent + INDENT));
    out
}

/// What follows `key:`: a scalar on the same line, or a nested block at `indent` columns.
fn after_indicator(value: &Value, indent: usize) -> String {
    match value {
        Value::Object(map) if !map.is_empty() => {
            let mut out = String::from("\n");
            for (key, value) in map {
                out.push_str(&entry(key, value, indent));
            }
            out
        }
        Value::Array(items) if !items.is_empty() => {
            let mut out = String::from("\n");
            for item in items {
                out.push_str(&sequence_item(item, indent));
            }
            out
        }
        Value::Object(_) => " {}\n".to_owned(),
        Value::Array(_) => " []\n".to_owned(),
        scalar => format!(" {}\n", self::scalar(scalar)),
    }
}

/// `- item`, with the first key of a mapping on the line of the dash: `CassKop`'s own bootstrap script edits the line
/// `- seeds:` with sed, and must find it as such when only our config-builder is in use.
fn sequence_item(item: &Value, indent: usize) -> String {
    let inner = indent + 2;
    let mut block = match item {
        Value::Object(map) if !map.is_empty() => map
            .iter()
            .map(|(key, value)| entry(key, value, inner))
            .collect::<String>(),
        Value::Array(items) if !items.is_empty() => items
            .iter()
            .map(|item| sequence_item(item, inner))
            .collect::<String>(),
        other => format!(
            "{}{}",
            " ".repeat(inner),
            after_indicator(other, inner).trim_start()
        ),
    };
    block.replace_range(indent..inner, "- ");
    block
}

fn scalar(value: &Value) -> String {
    match value {
        Value::String(text) => string(text),
        other => other.to_string(),
    }
}

/// A string as a scalar: plain where no reader can take it for anything else, double-quoted everywhere else.
///
/// YAML 1.1 has more words than its booleans and numbers: `12:30` is a base-60 integer, `1e3` a float, `2001-01-01` a
/// date, `=` a type of its own. Rather than list them all, only what starts with a letter or a slash, holds nothing but letters,
/// digits and `._/-`, and is none of the reserved words is left unquoted.
pub fn string(text: &str) -> String {
    if is_plain(text) {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            ' '..='~' => out.push(character),
            other if u32::from(other) <= 0xFFFF => {
                // Writing to a String cannot fail.
                let _ = write!(out, "\\u{:04X}", u32::from(other));
            }
            other => {
                let _ = write!(out, "\\U{:08X}", u32::from(other));
            }
        }
    }
    out.push('"');
    out
}

/// Words that YAML 1.1 resolves to a boolean or to null.
const RESERVED: [&str; 9] = ["y", "n", "yes", "no", "on", "off", "true", "false", "null"];

fn is_plain(text: &str) -> bool {
    let mut characters = text.chars();
    characters
        .next()
        .is_some_and(|first| first.is_ascii_alphabetic() || first == '/')
        && characters.all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '/' | '-'))
        && !RESERVED.iter().any(|word| text.eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn strings_that_yaml_1_1_reads_as_something_else_are_quoted() {
        for text in YAML_1_1_TRAPS {
            assert!(string(text).starts_with('"'), "{text:?} must not stay plain");
        }
    }

    #[test]
    fn ordinary_names_stay_plain() {
        for text in [
            "PasswordAuthenticator",
            "org.apache.cassandra.dht.Murmur3Partitioner",
            "a/b-c_d",
        ] {
            assert_eq!(string(text), text);
        }
    }

    #[test]
    fn quoting_survives_a_reader() {
        for text in YAML_1_1_TRAPS
            .iter()
            .chain(&["a\"b\\c", "tab\there", "caf\u{e9}", "\u{1f600}", "\u{85}"])
        {
            let read: String = serde_yaml::from_str(&string(text)).unwrap();
            assert_eq!(&read, text);
        }
    }

    #[test]
    fn nested_values_are_blocks() {
        let value =
            json!([{"class_name": "a.B", "parameters": [{"seeds": "10.0.0.1,10.0.0.2"}]}, [1, [true]], "on"]);
        insta::assert_snapshot!(entry("seed_provider", &value, 0), @r#"
        seed_provider:
            - class_name: a.B
              parameters:
                  - seeds: "10.0.0.1,10.0.0.2"
            - - 1
              - - true
            - "on"
        "#);
        let read: serde_json::Map<String, Value> =
            serde_yaml::from_str(&entry("seed_provider", &value, 0)).unwrap();
        assert_eq!(read["seed_provider"], value);
    }

    #[test]
    fn empty_collections_are_written_as_such() {
        assert_eq!(entry("a", &json!({}), 0), "a: {}\n");
        assert_eq!(entry("a", &json!([]), 4), "    a: []\n");
        assert_eq!(entry("a", &json!([{}]), 0), "a:\n    - {}\n");
    }

    /// The same words are loaded by Cassandra's own `SnakeYAML` in `tests/cassandra_loader.rs`.
    const YAML_1_1_TRAPS: [&str; 34] = [
        "on",
        "Off",
        "yes",
        "NO",
        "y",
        "n",
        "true",
        "null",
        "~",
        "",
        "12:30",
        "1e3",
        "0o7",
        "017",
        "0x1F",
        "0b11",
        "1_000",
        ".5",
        ".inf",
        ".NaN",
        "-1",
        "+1",
        "1.0",
        "2001-01-01",
        "=",
        "<<",
        "- a",
        "a: b",
        "a #b",
        "*a",
        "&a",
        "!a",
        "%a",
        "@a",
    ];
}
