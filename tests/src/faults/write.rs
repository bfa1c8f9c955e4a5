//! A write of the operator's, as it comes by.

use std::fmt;

use axum::http::Method;
use k8s_openapi::jiff::Timestamp;
use serde_json::Value;

use super::proxy::Whole;

/// A request that changes something in the cluster.
#[derive(Clone, Debug, PartialEq)]
pub struct Write {
    /// Its method.
    pub method: Method,
    /// Plural name of the resource, with the subresource, if there is one.
    pub resource: String,
    /// The object's name; empty where the API server is asked to create one.
    pub name: String,
    /// What is written.
    pub body: Value,
}

impl Write {
    /// What a request writes, if it writes. Leases are left out, and events: nothing is decided on what they say. Nor does a
    /// dry run write anything.
    pub fn of(request: &Whole) -> Option<Self> {
        let (resource, name) = object(request)?;
        let dry = request.uri().query().unwrap_or_default().contains("dryRun=");
        let reads = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
        if dry || reads || matches!(resource.as_str(), "leases" | "events") {
            return None;
        }
        let body: Value = serde_json::from_slice(request.body()).unwrap_or_default();
        let named = body.pointer("/metadata/name").and_then(Value::as_str);
        Some(Self {
            method: request.method().clone(),
            resource,
            name: if name.is_empty() {
                named.unwrap_or_default().to_owned()
            } else {
                name
            },
            body,
        })
    }

    /// Equal for two tries of the same step: what differs between them is when they were made, on which version, and
    /// which try it is.
    pub fn likeness(&self) -> String {
        let mut body = self.body.clone();
        level(&mut body);
        format!("{self} {body}")
    }
}

impl fmt::Display for Write {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.method, self.resource, self.name)
    }
}

/// The resource and the name in a request's path.
pub fn object(request: &Whole) -> Option<(String, String)> {
    let mut segments = request.uri().path().split('/').skip(1);
    match segments.next()? {
        "api" => segments.next(),
        "apis" => segments.nth(1),
        _ => None,
    }?;
    let segments: Vec<&str> = segments.collect();
    let segments = match segments.as_slice() {
        ["namespaces", _, rest @ ..] if !rest.is_empty() => rest,
        all => all,
    };
    let (resource, rest) = segments.split_first()?;
    let name = rest.first().copied().unwrap_or_default();
    let resource = rest.get(1).map_or_else(
        || (*resource).to_owned(),
        |subresource| format!("{resource}/{subresource}"),
    );
    Some((resource, name.to_owned()))
}

fn level(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for of_the_try in ["resourceVersion", "attempt", "generation", "observedGeneration"] {
                fields.remove(of_the_try);
            }
            fields.values_mut().for_each(level);
        }
        Value::Array(items) => items.iter_mut().for_each(level),
        Value::String(text) if text.parse::<Timestamp>().is_ok() => "a time".clone_into(text),
        Value::String(text) => {
            // Times in names and labels are digits without a break.
            let long = |run: &str| run.len() > 4 && run.bytes().all(|byte| byte.is_ascii_digit());
            let runs = text.split_inclusive(|letter: char| !letter.is_ascii_digit());
            *text = runs
                .map(|run| {
                    let digits = run.trim_end_matches(|letter: char| !letter.is_ascii_digit());
                    if long(digits) { &run[digits.len()..] } else { run }
                })
                .collect();
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::Request;
    use serde_json::json;

    fn request(method: Method, path: &str, body: &Value) -> Whole {
        let request = Request::builder().method(method).uri(path);
        request.body(body.to_string().into_bytes()).unwrap()
    }

    fn patch(at: &str, attempt: i32, state: &str) -> Write {
        let body = json!({
            "metadata": { "resourceVersion": attempt.to_string() },
            "status": { "operations": [{
                "id": format!("cleanup-0-{at}"), "attempt": attempt, "state": state,
                "startTime": "2026-11-21T08:00:00Z",
            }] },
        });
        let path = "/apis/db.orange.com/v2/namespaces/ns/cassandraclusters/demo/status?fieldManager=x";
        Write::of(&request(Method::PATCH, path, &body)).unwrap()
    }

    #[test]
    fn tries_of_one_step_are_alike_and_steps_are_not() {
        let first = patch("20261121T080000", 1, "ToDo");
        assert_eq!(first.to_string(), "PATCH cassandraclusters/status demo");
        assert_eq!(first.likeness(), patch("20261121T080107", 2, "ToDo").likeness());
        assert_ne!(
            first.likeness(),
            patch("20261121T080000", 1, "Ongoing").likeness()
        );
    }

    #[test]
    fn reads_leases_and_events_are_no_writes() {
        let none = Value::Null;
        for (method, path) in [
            (Method::GET, "/api/v1/namespaces/ns/pods?watch=true"),
            (Method::PUT, "/apis/coordination.k8s.io/v1/namespaces/ns/leases/a"),
            (Method::POST, "/apis/events.k8s.io/v1/namespaces/ns/events"),
            (Method::GET, "/apis/db.orange.com/v2"),
            (
                Method::PATCH,
                "/api/v1/namespaces/ns/persistentvolumeclaims/a?&dryRun=All",
            ),
        ] {
            assert_eq!(Write::of(&request(method, path, &none)), None, "{path}");
        }
        let created = json!({ "metadata": { "name": "demo-dc1-rack1" } });
        let path = "/apis/apps/v1/namespaces/ns/statefulsets";
        let write = Write::of(&request(Method::POST, path, &created)).unwrap();
        assert_eq!(write.to_string(), "POST statefulsets demo-dc1-rack1");
    }
}
