//! What comes back: Jolokia's envelope, and the few JSON forms that attributes have.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use serde_json::Value;

use crate::address::endpoint_address;
use crate::error::{Refusal, Unexpected};

/// The value inside Jolokia's envelope.
///
/// Jolokia's agent answers HTTP 200 whatever happened; the `status` in the body tells (200, or 404 for a
/// missing MBean, attribute or operation, 500 for an exception out of the operation).
pub(crate) fn value_of(answer: &Value) -> Result<&Value, Refusal> {
    let status = answer.get("status").and_then(Value::as_u64);
    match status {
        Some(200) => answer
            .get("value")
            .ok_or_else(|| Refusal::Malformed("no value in the answer".into())),
        Some(status) => Err(Refusal::Jolokia {
            status,
            error_type: text_at(answer, "error_type"),
            message: first_line(&text_at(answer, "error"), &text_at(answer, "error_type")),
        }),
        None => Err(Refusal::Malformed("no status in the answer".into())),
    }
}

fn text_at(answer: &Value, key: &str) -> String {
    answer
        .get(key)
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned()
}

/// The first line of Jolokia's error text without the exception's class in front: operators read the
/// sentence Cassandra wrote, not the Java around it. The stack trace is never looked at.
fn first_line(error: &str, error_type: &str) -> String {
    let line = error.lines().next().unwrap_or_default();
    let line = line
        .strip_prefix(error_type)
        .map_or(line, |rest| rest.trim_start_matches([' ', ':']));
    line.trim().to_owned()
}

/// What an operation without a result returns.
pub(crate) fn nothing(value: &Value) -> Result<(), Unexpected> {
    if value.is_null() {
        Ok(())
    } else {
        Err(Unexpected::new("nothing", value))
    }
}

pub(crate) fn string(value: &Value) -> Result<String, Unexpected> {
    value
        .as_str()
        .map(str::to_owned)
        .ok_or_else(|| Unexpected::new("a string", value))
}

pub(crate) fn boolean(value: &Value) -> Result<bool, Unexpected> {
    value.as_bool().ok_or_else(|| Unexpected::new("a boolean", value))
}

/// A whole number that Cassandra gives as a JSON number or, in maps of strings, as text.
pub(crate) fn whole_number(value: &Value) -> Result<u64, Unexpected> {
    match value {
        Value::String(text) => text.parse().ok(),
        // Byte counts of a stream whose size is not known yet are reported as -1.
        Value::Number(number) => number.as_u64().or_else(|| number.as_i64().map(|_| 0)),
        _ => None,
    }
    .ok_or_else(|| Unexpected::new("a whole number", value))
}

pub(crate) fn list(value: &Value) -> Result<&[Value], Unexpected> {
    value
        .as_array()
        .map(Vec::as_slice)
        .ok_or_else(|| Unexpected::new("a list", value))
}

pub(crate) fn strings<C: FromIterator<String>>(value: &Value) -> Result<C, Unexpected> {
    list(value)?.iter().map(string).collect()
}

pub(crate) fn addresses(value: &Value) -> Result<BTreeSet<IpAddr>, Unexpected> {
    list(value)?.iter().map(address).collect()
}

pub(crate) fn by_address<T>(
    value: &Value,
    read: impl Fn(&Value) -> Result<T, Unexpected>,
) -> Result<BTreeMap<IpAddr, T>, Unexpected> {
    let entries = value.as_object().ok_or_else(|| Unexpected::new("a map", value))?;
    entries
        .iter()
        .map(|(key, value)| Ok((address(&Value::from(key.as_str()))?, read(value)?)))
        .collect()
}

fn address(value: &Value) -> Result<IpAddr, Unexpected> {
    value
        .as_str()
        .and_then(endpoint_address)
        .ok_or_else(|| Unexpected::new("an address", value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_stack_trace_and_the_class_in_front_are_dropped() {
        let answer = json!({
            "status": 500,
            "error_type": "java.lang.UnsupportedOperationException",
            "error": "java.lang.UnsupportedOperationException : Node in LEAVING state\n\tat somewhere",
            "stacktrace": "java.lang.UnsupportedOperationException: ...",
        });
        assert_eq!(
            value_of(&answer),
            Err(Refusal::Jolokia {
                status: 500,
                error_type: "java.lang.UnsupportedOperationException".into(),
                message: "Node in LEAVING state".into(),
            })
        );
    }

    #[test]
    fn an_answer_without_a_status_is_malformed() {
        assert!(matches!(
            value_of(&json!({"value": 1})),
            Err(Refusal::Malformed(_))
        ));
        assert!(matches!(value_of(&json!("busy")), Err(Refusal::Malformed(_))));
    }
}
