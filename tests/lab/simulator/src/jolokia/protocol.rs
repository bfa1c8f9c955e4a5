//! Jolokia's protocol: requests as JSON or as a path, answers as JSON. As of agent 1.7.2.

use serde_json::{Map, Value, json};

use crate::ring::Moment;

/// A request, as far as the agent understands it.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Request {
    /// Attributes of an MBean.
    Read {
        mbean: String,
        attributes: Attributes,
        path: Option<String>,
    },
    /// An operation of an MBean.
    Exec {
        mbean: String,
        operation: OperationName,
        arguments: Vec<Value>,
    },
    /// The agent's version.
    Version,
    /// Another type Jolokia knows and this agent does not play.
    Unplayed(String),
}

/// Which attributes to read.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Attributes {
    /// One: the answer is its value.
    One(String),
    /// Several: the answer is a map.
    Several(Vec<String>),
    /// All there are.
    All,
}

/// An operation with the signature that picks one of several of the same name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct OperationName {
    /// The whole of it.
    pub(super) as_given: String,
    /// Name alone.
    pub(super) name: String,
    /// Java types of the parameters.
    pub(super) signature: Option<Vec<String>>,
}

impl OperationName {
    pub(super) fn parse(text: &str) -> Self {
        let as_given = text.to_owned();
        match text.strip_suffix(')').and_then(|text| text.split_once('(')) {
            Some((name, types)) => {
                let types = types.split(',').map(str::trim).filter(|part| !part.is_empty());
                let signature = Some(types.map(str::to_owned).collect());
                Self {
                    as_given,
                    name: name.to_owned(),
                    signature,
                }
            }
            None => Self {
                as_given,
                name: text.to_owned(),
                signature: None,
            },
        }
    }
}

/// Why a request has no value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    /// Jolokia's status number, in the body; the HTTP status is 200 all the same.
    pub(super) status: u16,
    /// Java class of the exception.
    pub(super) class: String,
    /// Its message.
    pub(super) message: String,
    /// Innermost frame of the stack trace.
    pub(super) frame: &'static str,
}

impl Failure {
    /// An exception the MBean threw. Jolokia maps its class to a status.
    pub(super) fn thrown(class: &str, message: impl Into<String>) -> Self {
        let status = match class {
            "java.lang.IllegalArgumentException" => 400,
            "java.lang.SecurityException" => 403,
            _ => 500,
        };
        let frame = "org.apache.cassandra.service.StorageService.invoke(StorageService.java)";
        Self {
            status,
            class: class.to_owned(),
            message: message.into(),
            frame,
        }
    }

    /// The request itself is wrong.
    pub(super) fn illegal(message: impl Into<String>) -> Self {
        Self {
            status: 400,
            class: "java.lang.IllegalArgumentException".to_owned(),
            message: message.into(),
            frame: "org.jolokia.handler.ExecHandler.doHandleRequest(ExecHandler.java:82)",
        }
    }

    /// The MBean has no such attribute.
    pub(super) fn no_attribute(attribute: &str) -> Self {
        Self {
            status: 404,
            class: "javax.management.AttributeNotFoundException".to_owned(),
            message: format!("No such attribute: {attribute}"),
            frame: "java.management/com.sun.jmx.mbeanserver.PerInterface.getAttribute(PerInterface.java:81)",
        }
    }

    /// There is no such MBean.
    pub(super) fn no_mbean(mbean: &str) -> Self {
        Self {
            status: 404,
            class: "javax.management.InstanceNotFoundException".to_owned(),
            message: mbean.to_owned(),
            frame: "java.management/com.sun.jmx.interceptor.DefaultMBeanServerInterceptor.getMBean\
                    (DefaultMBeanServerInterceptor.java:1088)",
        }
    }
}

/// Reads the body of a POST: one request, or an array of them.
pub(super) fn parse_body(body: &[u8]) -> Result<(Vec<Value>, Shape), Failure> {
    let parsed: Value = serde_json::from_slice(body).map_err(|error| invalid_json(&error.to_string()))?;
    match parsed {
        Value::Array(requests) => Ok((requests, Shape::Bulk)),
        Value::Object(request) => Ok((vec![Value::Object(request)], Shape::Single)),
        Value::String(text) => Err(invalid_json(&text)),
        other => Err(invalid_json(&other.to_string())),
    }
}

/// Whether one request was sent, or an array.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    Single,
    Bulk,
}

fn invalid_json(detail: &str) -> Failure {
    Failure::illegal(format!("Invalid JSON Request {detail}"))
}

/// Reads one JSON request.
pub(super) fn parse_request(request: &Value) -> Result<Request, Failure> {
    let text = |key: &str| request.get(key).and_then(Value::as_str).map(str::to_owned);
    let kind = text("type").ok_or_else(|| Failure::illegal("No type given"))?;
    let mbean = || text("mbean").ok_or_else(|| Failure::illegal("Objectname can not be null"));
    match kind.to_ascii_lowercase().as_str() {
        "read" => {
            let attributes = match request.get("attribute") {
                Some(Value::String(one)) if !one.is_empty() => Attributes::One(one.clone()),
                Some(Value::Array(several)) => {
                    let names = several.iter().filter_map(Value::as_str).map(str::to_owned);
                    Attributes::Several(names.collect())
                }
                _ => Attributes::All,
            };
            let path = text("path").filter(|path| !path.is_empty());
            Ok(Request::Read {
                mbean: mbean()?,
                attributes,
                path,
            })
        }
        "exec" => {
            let operation = text("operation").ok_or_else(|| Failure::illegal("No operation given"))?;
            let arguments = match request.get("arguments") {
                Some(Value::Array(arguments)) => arguments.clone(),
                _ => Vec::new(),
            };
            let operation = OperationName::parse(&operation);
            Ok(Request::Exec {
                mbean: mbean()?,
                operation,
                arguments,
            })
        }
        "version" => Ok(Request::Version),
        "write" | "list" | "search" | "notification" => Ok(Request::Unplayed(kind)),
        _ => Err(Failure::illegal(format!("No type with name '{kind}' exists"))),
    }
}

/// Turns the path of a GET, below `/jolokia/`, into the JSON request it stands for.
pub(super) fn request_of_path(path: &str) -> Value {
    let mut parts = split_path(path).into_iter();
    let kind = parts.next().unwrap_or_default();
    match kind.as_str() {
        "" | "version" => json!({"type": "version"}),
        "read" => {
            let mbean = parts.next();
            let attribute = parts.next();
            let inner: Vec<String> = parts.collect();
            let mut request = json!({"type": "read", "mbean": mbean});
            if let (Some(attribute), Some(request)) = (attribute, request.as_object_mut()) {
                request.insert("attribute".to_owned(), attribute.into());
                if !inner.is_empty() {
                    request.insert("path".to_owned(), inner.join("/").into());
                }
            }
            request
        }
        "exec" => {
            let (mbean, operation) = (parts.next(), parts.next());
            let arguments: Vec<String> = parts.collect();
            json!({"type": "exec", "mbean": mbean, "operation": operation, "arguments": arguments})
        }
        other => json!({"type": other}),
    }
}

/// Splits at `/`, where `!/` stands for a slash and `!!` for an exclamation mark, and undoes URL escapes.
fn split_path(path: &str) -> Vec<String> {
    let decoded = percent_decoded(path);
    let (mut parts, mut part, mut escaped) = (Vec::new(), String::new(), false);
    for character in decoded.chars() {
        match (escaped, character) {
            (false, '!') => escaped = true,
            (false, '/') => parts.push(std::mem::take(&mut part)),
            (_, other) => {
                part.push(other);
                escaped = false;
            }
        }
    }
    if !part.is_empty() {
        parts.push(part);
    }
    parts
}

fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let escape = (first == b'%').then(|| tail.get(..2)).flatten();
        let code = escape.and_then(|hex| std::str::from_utf8(hex).ok());
        if let Some(byte) = code.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            bytes.push(byte);
            rest = &tail[2..];
        } else {
            bytes.push(first);
            rest = tail;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The answer to one request. What could not be understood is not repeated.
pub(super) fn answer(request: Option<&Value>, result: Result<Value, Failure>, now: Moment) -> Value {
    let mut answer = Map::new();
    match result {
        Ok(value) => {
            answer.extend(request.map(|request| ("request".to_owned(), echo(request))));
            answer.insert("value".to_owned(), value);
            answer.insert("timestamp".to_owned(), (now.0 / 1000).into());
            answer.insert("status".to_owned(), 200.into());
        }
        Err(failure) => {
            let Failure {
                status,
                class,
                message,
                frame,
            } = failure;
            answer.extend(request.map(|request| ("request".to_owned(), echo(request))));
            let trace = format!("{class}: {message}\n\tat {frame}\n");
            answer.insert("stacktrace".to_owned(), trace.into());
            answer.insert("error".to_owned(), format!("{class} : {message}").into());
            answer.insert("error_type".to_owned(), class.into());
            answer.insert("status".to_owned(), status.into());
        }
    }
    Value::Object(answer)
}

/// The request as Jolokia repeats it: what it understood, its type in lower case, without empty parts.
fn echo(request: &Value) -> Value {
    let mut echo = Map::new();
    for key in ["path", "mbean", "attribute", "operation", "arguments", "type"] {
        let value = match request.get(key) {
            Some(Value::String(text)) if text.is_empty() => continue,
            Some(Value::String(name)) if key == "mbean" => canonical(name).into(),
            Some(Value::String(text)) if key == "type" => text.to_ascii_lowercase().into(),
            Some(Value::Array(items)) if items.is_empty() => continue,
            Some(value) if !value.is_null() => value.clone(),
            _ => continue,
        };
        echo.insert(key.to_owned(), value);
    }
    Value::Object(echo)
}

/// An object name with its keys in order.
fn canonical(object_name: &str) -> String {
    match object_name.split_once(':') {
        Some((domain, keys)) => {
            let mut keys: Vec<&str> = keys.split(',').collect();
            keys.sort_unstable();
            format!("{domain}:{}", keys.join(","))
        }
        None => object_name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_may_carry_a_signature() {
        let parsed = OperationName::parse("forceKeyspaceCleanup(int,java.lang.String,[Ljava.lang.String;)");
        assert_eq!(parsed.name, "forceKeyspaceCleanup");
        let types = ["int", "java.lang.String", "[Ljava.lang.String;"]
            .map(str::to_owned)
            .to_vec();
        assert_eq!(parsed.signature, Some(types));
        assert_eq!(OperationName::parse("drain()").signature, Some(Vec::new()));
        assert_eq!(OperationName::parse("drain").signature, None);
    }

    #[test]
    fn a_path_reads_as_a_request() {
        let request = request_of_path("read/org.apache.cassandra.db:type=StorageService/LiveNodes");
        let mbean = "org.apache.cassandra.db:type=StorageService";
        assert_eq!(
            request,
            json!({"type": "read", "mbean": mbean, "attribute": "LiveNodes"})
        );
        assert_eq!(request_of_path(""), json!({"type": "version"}));
        let escaped = request_of_path("exec/a:type=B/op/x!/y/%20z!!");
        let wanted =
            json!({"type": "exec", "mbean": "a:type=B", "operation": "op", "arguments": ["x/y", " z!"]});
        assert_eq!(escaped, wanted);
    }

    #[test]
    fn the_target_casskop_sends_along_is_not_repeated() {
        let request = json!({"type": "READ", "mbean": "a:type=B", "path": "", "attribute": "X",
            "target": {"url": "", "user": "", "password": ""}});
        assert_eq!(
            echo(&request),
            json!({"type": "read", "mbean": "a:type=B", "attribute": "X"})
        );
    }
}
