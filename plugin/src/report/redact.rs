//! What is taken out of a report: everything that looks like a secret by its name.
//!
//! Nothing here knows what a secret is, only what secrets are called. So rather too much is taken out than too little; objects of kind
//! Secret are not even read.

use serde_json::Value;

/// What stands where something was taken out.
pub(crate) const REDACTED: &str = "<redacted>";

/// Names are compared in lower case and without `_`, `-` and `.`.
const SECRET_WORDS: [&str; 11] = [
    "password",
    "passwd",
    "passphrase",
    "pwd",
    "secret",
    "token",
    "credential",
    "apikey",
    "accesskey",
    "privatekey",
    "authorization",
];

/// Names that hold one of those words and no secret: tokens of the ring, and names of secrets.
const HARMLESS: [&str; 8] = [
    "initialtoken",
    "numtokens",
    "allocatetokens",
    "tokenexpiration",
    "secretname",
    "secretref",
    "secretkeyref",
    "imagepullsecrets",
];

/// Annotations that hold a whole object as text, secrets and all.
const WHOLE_OBJECTS: [&str; 3] = [
    "kubectl.kubernetes.io/last-applied-configuration",
    casskop_types::labels::LAST_APPLIED_CONFIGURATION,
    casskop_types::labels::STATEFUL_SET_LAST_APPLIED,
];

/// Takes secrets out of an object.
pub(crate) fn value(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            // An environment variable says its name beside its value.
            let names_secret = fields
                .get("name")
                .and_then(Value::as_str)
                .is_some_and(is_secret_name);
            if names_secret && let Some(Value::String(held)) = fields.get_mut("value") {
                REDACTED.clone_into(held);
            }
            for (key, field) in fields {
                match field {
                    Value::String(held) if WHOLE_OBJECTS.contains(&key.as_str()) => {
                        *held = format!("<left out: {} characters>", held.len());
                    }
                    Value::String(held) if is_secret_name(key) => REDACTED.clone_into(held),
                    field => self::value(field),
                }
            }
        }
        Value::Array(items) => {
            let mut after_flag = false;
            for item in items {
                match item {
                    Value::String(held) if after_flag => {
                        REDACTED.clone_into(held);
                        after_flag = false;
                    }
                    Value::String(held) => {
                        after_flag = held.starts_with('-') && !held.contains('=') && is_secret_name(held);
                        after_flag |= held == "-pw";
                        *held = text(held);
                    }
                    item => self::value(item),
                }
            }
        }
        Value::String(held) => *held = text(held),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Takes secrets out of a text, line by line: `password: x`, `PASSWORD=x`, `"token": "x"`, `https://user:x@host`.
pub(crate) fn text(text: &str) -> String {
    let lines = text.split_inclusive('\n').map(|line| {
        let (line, end) = match line.strip_suffix('\n') {
            Some(line) => (line, "\n"),
            None => (line, ""),
        };
        format!("{}{end}", without_logins(&redacted(line)))
    });
    lines.collect()
}

/// A line without the values after secret names.
fn redacted(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(at) = rest.find([':', '=']) {
        let (before, from) = rest.split_at(at);
        let (sign, after) = from.split_at(1);
        out.push_str(before);
        out.push_str(sign);
        rest = after;
        let name = before.trim_end_matches(['"', '\'', ' ']);
        let name = name
            .rsplit([' ', '\t', '"', '\'', ',', '{', '&', '?', ';'])
            .next()
            .unwrap_or(name);
        if !is_secret_name(name) {
            continue;
        }
        let value = after.trim_start_matches([' ', '\t']);
        out.push_str(&after[..after.len() - value.len()]);
        let end = value_end(value, sign);
        if end > 0 {
            out.push_str(REDACTED);
        }
        rest = &value[end..];
    }
    out.push_str(rest);
    out
}

/// Where a value ends: at its closing quote; after `=` at a blank; else with the line, since YAML's values may hold blanks.
fn value_end(value: &str, sign: &str) -> usize {
    let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''));
    if let Some(quote) = quote {
        return value[1..].find(quote).map_or(value.len(), |at| at + 2);
    }
    if sign == "=" {
        return value.find([' ', '\t', '&', ',', ';']).unwrap_or(value.len());
    }
    value.len()
}

/// `https://user:password@host` without the password.
fn without_logins(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        out.push_str(before);
        let authority = after.split(['/', ' ', '"', '\'']).next().unwrap_or_default();
        match authority
            .rsplit_once('@')
            .and_then(|(login, _)| login.split_once(':'))
        {
            Some((user, password)) => {
                out.push_str(user);
                out.push(':');
                out.push_str(REDACTED);
                rest = &after[user.len() + 1 + password.len()..];
            }
            None => rest = after,
        }
    }
    out.push_str(rest);
    out
}

fn is_secret_name(name: &str) -> bool {
    let plain: String = name
        .chars()
        .filter(|c| !matches!(c, '_' | '-' | '.'))
        .flat_map(char::to_lowercase)
        .collect();
    SECRET_WORDS.iter().any(|word| plain.contains(word)) && !HARMLESS.iter().any(|word| plain.contains(word))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_after_secret_names_go_and_others_stay() {
        for (line, redacted) in [
            ("password: hunter 2", "password: <redacted>"),
            (
                "  keystore_password: 'x y' # changed",
                "  keystore_password: <redacted> # changed",
            ),
            ("JMX_PASSWORD=x -Dother=y", "JMX_PASSWORD=<redacted> -Dother=y"),
            (
                "-Djavax.net.ssl.keyStorePassword=x -ea",
                "-Djavax.net.ssl.keyStorePassword=<redacted> -ea",
            ),
            (
                r#"{"user": "a", "token": "x", "n": 1}"#,
                r#"{"user": "a", "token": <redacted>, "n": 1}"#,
            ),
            ("Authorization: Basic eHh4", "Authorization: <redacted>"),
            (
                "connect to https://ann:x@host:8080/path",
                "connect to https://ann:<redacted>@host:8080/path",
            ),
            (
                "initial_token: -9223372036854775808",
                "initial_token: -9223372036854775808",
            ),
            ("num_tokens: 16", "num_tokens: 16"),
            ("secret \"jolokia\" not found", "secret \"jolokia\" not found"),
            ("password:", "password:"),
            ("listen_address: 10.0.0.1", "listen_address: 10.0.0.1"),
        ] {
            assert_eq!(text(line), redacted);
        }
        assert_eq!(text("a: 1\npwd: x\nb: 2\n"), "a: 1\npwd: <redacted>\nb: 2\n");
    }

    #[test]
    fn objects_lose_what_is_secret_by_its_name() {
        let mut pod = json!({
            "metadata": { "annotations": { "kubectl.kubernetes.io/last-applied-configuration": "{\"x\":\"hidden\"}" } },
            "spec": {
                "automountServiceAccountToken": false,
                "imagePullSecrets": [{ "name": "registry" }],
                "containers": [{
                    "args": ["--user", "a", "--password", "hidden", "-pw", "hidden", "--token=hidden"],
                    "env": [
                        { "name": "DB_PASSWORD", "value": "hidden" },
                        { "name": "JOLOKIA_PASSWORD", "valueFrom": { "secretKeyRef": { "name": "jolokia", "key": "password" } } },
                        { "name": "MAX_HEAP_SIZE", "value": "1G" },
                    ],
                }],
            },
            "data": { "pre_run.sh": "export API_KEY=hidden\necho ok\n" },
        });
        value(&mut pod);
        let shown = pod.to_string();
        assert!(!shown.contains("hidden"), "{shown}");
        for kept in ["registry", "jolokia", "MAX_HEAP_SIZE", "1G", "echo ok", "--user"] {
            assert!(shown.contains(kept), "{kept}: {shown}");
        }
    }
}
