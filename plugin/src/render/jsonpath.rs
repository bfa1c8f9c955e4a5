//! Parts of an object by kubectl's templates, the subset that takes values out: `{.items[*].metadata.name}{"\n"}`. Filters, ranges and
//! slices are refused, not misread.

use std::str::{Chars, FromStr};

use serde_json::Value;

/// A template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct JsonPath(Vec<Piece>);

/// A text is no template, or more than the subset.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum JsonPathError {
    /// Nothing would be taken out of the object.
    #[error("a jsonpath has its paths in braces: jsonpath='{{.a.b[*].c}}'")]
    NoPath,
    /// A brace is not closed.
    #[error("a brace of the jsonpath is not closed")]
    Open,
    /// Filters, ranges, slices, functions.
    #[error(
        "`{0}` is more than is understood: write paths as {{.a.b[*].c}}, and text as it is or in {{\"quotes\"}}"
    )]
    Unknown(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Path(Vec<Step>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Field(String),
    /// From the end where negative.
    Index(i64),
    Every,
}

impl FromStr for JsonPath {
    type Err = JsonPathError;

    fn from_str(template: &str) -> Result<Self, JsonPathError> {
        let mut pieces = Vec::new();
        let mut rest = template;
        while !rest.is_empty() {
            let (text, after) = rest.split_once('{').unwrap_or((rest, ""));
            if !text.is_empty() {
                pieces.push(Piece::Text(text.to_owned()));
            }
            if text.len() == rest.len() {
                break;
            }
            let (inner, after) = inner(after)?;
            pieces.push(expression(inner.trim())?);
            rest = after;
        }
        if pieces.iter().any(|piece| matches!(piece, Piece::Path(_))) {
            Ok(Self(pieces))
        } else {
            Err(JsonPathError::NoPath)
        }
    }
}

/// What stands up to the brace that closes, and what follows; a brace in quotes closes nothing.
fn inner(text: &str) -> Result<(&str, &str), JsonPathError> {
    let mut quote = None;
    for (at, c) in text.char_indices() {
        match quote {
            Some(open) if c == open => quote = None,
            None if c == '"' || c == '\'' => quote = Some(c),
            None if c == '}' => return Ok((&text[..at], &text[at + 1..])),
            _ => {}
        }
    }
    Err(JsonPathError::Open)
}

fn expression(inner: &str) -> Result<Piece, JsonPathError> {
    let unknown = || JsonPathError::Unknown(inner.to_owned());
    if let Some(text) = inner.strip_prefix('"').and_then(|text| text.strip_suffix('"')) {
        let text = serde_json::from_str(&format!("\"{text}\"")).map_err(|_| unknown())?;
        return Ok(Piece::Text(text));
    }
    let path = inner.strip_prefix(['$', '@']).unwrap_or(inner);
    let mut steps = Vec::new();
    let mut chars = path.chars();
    while let Some(c) = chars.next() {
        let step = match c {
            '.' if chars.as_str().starts_with('[') || (chars.as_str().is_empty() && steps.is_empty()) => {
                continue;
            }
            '.' => field(&mut chars),
            '[' => bracket(&mut chars),
            _ => None,
        };
        steps.push(step.ok_or_else(unknown)?);
    }
    Ok(Piece::Path(steps))
}

/// A name after a dot; a dot of its own is written `\.`.
fn field(chars: &mut Chars<'_>) -> Option<Step> {
    let mut name = String::new();
    while let Some(c) = chars.clone().next().filter(|c| !matches!(c, '.' | '[')) {
        chars.next();
        let c = if c == '\\' { chars.next()? } else { c };
        name.push(c);
    }
    match name.as_str() {
        "" => None,
        "*" => Some(Step::Every),
        _ if name
            .chars()
            .any(|c| c.is_whitespace() || matches!(c, '(' | ')' | '?')) =>
        {
            None
        }
        _ => Some(Step::Field(name)),
    }
}

fn bracket(chars: &mut Chars<'_>) -> Option<Step> {
    let (inner, after) = chars.as_str().split_once(']')?;
    *chars = after.chars();
    let quoted = |quote| inner.strip_prefix(quote)?.strip_suffix(quote);
    if inner == "*" {
        Some(Step::Every)
    } else if let Some(name) = quoted('\'').or_else(|| quoted('"')) {
        (!name.contains(['\'', '"'])).then(|| Step::Field(name.to_owned()))
    } else {
        inner.parse().ok().map(Step::Index)
    }
}

impl JsonPath {
    /// What the template takes out of a value. What is not there is left out, as kubectl does.
    pub(crate) fn of(&self, value: &Value) -> String {
        let piece = |piece: &Piece| match piece {
            Piece::Text(text) => text.clone(),
            Piece::Path(steps) => {
                let found: Vec<String> = found(value, steps).into_iter().map(shown).collect();
                found.join(" ")
            }
        };
        self.0.iter().map(piece).collect()
    }
}

fn found<'a>(value: &'a Value, steps: &[Step]) -> Vec<&'a Value> {
    steps.iter().fold(vec![value], |values, step| {
        values.into_iter().flat_map(|value| next(value, step)).collect()
    })
}

fn next<'a>(value: &'a Value, step: &Step) -> Vec<&'a Value> {
    match (step, value) {
        (Step::Field(name), Value::Object(fields)) => fields.get(name).into_iter().collect(),
        (Step::Index(index), Value::Array(items)) => {
            let from_end = |back: u64| items.len().checked_sub(usize::try_from(back).ok()?);
            let at = match usize::try_from(*index) {
                Ok(at) => Some(at),
                Err(_) => from_end(index.unsigned_abs()),
            };
            at.and_then(|at| items.get(at)).into_iter().collect()
        }
        (Step::Every, Value::Array(items)) => items.iter().collect(),
        (Step::Every, Value::Object(fields)) => fields.values().collect(),
        _ => Vec::new(),
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(template: &str) -> Result<String, String> {
        let value = json!({
            "metadata": { "name": "demo", "annotations": { "db.orange.com/paused": "true" } },
            "items": [{ "pod": "a", "ready": true }, { "pod": "b", "ready": false }, { "ready": null }],
        });
        let path: Result<JsonPath, _> = template.parse();
        path.map(|path| path.of(&value))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn values_are_taken_out_as_kubectl_does() {
        for (template, text) in [
            ("{.metadata.name}", "demo"),
            ("{$.metadata.name}", "demo"),
            ("{ .items[*].pod }", "a b"),
            ("{.items[*].ready}", "true false "),
            ("{.items[0].pod}-{.items[-2].pod}", "a-b"),
            ("name={.metadata.name}{\"\\n\"}", "name=demo\n"),
            ("{.metadata.annotations.db\\.orange\\.com/paused}", "true"),
            ("{.metadata.annotations['db.orange.com/paused']}", "true"),
            ("{.metadata.annotations.*}", "true"),
            ("{.items[0]}", r#"{"pod":"a","ready":true}"#),
            ("{.nothing.there}{.items[7]}", ""),
            ("{.metadata.name}{\"}\"}", "demo}"),
        ] {
            assert_eq!(of(template).as_deref(), Ok(text), "{template}");
        }
        assert!(of("{.}").unwrap().starts_with('{'));
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for template in [
            "{range .items[*]}{.pod}{end}",
            "{.items[?(@.ready)].pod}",
            "{.items[0:2]}",
            "{..pod}",
            "{.items[*]['a','b']}",
            "{metadata.name}",
        ] {
            let error = of(template).unwrap_err();
            assert!(
                error.contains("is more than is understood"),
                "{template}: {error}"
            );
        }
        assert_eq!(of("{.a").unwrap_err(), "a brace of the jsonpath is not closed");
        for template in ["", ".metadata.name", "{\"a\"}"] {
            assert!(
                of(template).unwrap_err().contains("paths in braces"),
                "{template}"
            );
        }
    }
}
