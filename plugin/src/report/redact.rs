//! What is taken out of a report: everything that looks like a secret by its name.
//!
//! Nothing here knows what a secret is, only what secrets are called. So rather too much is taken out than too little; objects of kind
//! Secret are not even read.

mod text;

use serde_json::Value;
pub(crate) use text::text;

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
const HARMLESS: [&str; 10] = [
    "initialtoken",
    "numtokens",
    "allocatetokens",
    "tokenexpiration",
    "secretname",
    "secretref",
    "secretkeyref",
    "imagepullsecret",
    "imagejolokiasecret",
    "automountserviceaccounttoken",
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
            if names_secret && let Some(held) = fields.get_mut("value") {
                hide(held);
            }
            for (key, field) in fields {
                match field {
                    Value::String(held) if WHOLE_OBJECTS.contains(&key.as_str()) => {
                        *held = format!("<left out: {} characters>", held.len());
                    }
                    field if is_secret_name(key) => hide(field),
                    field => self::value(field),
                }
            }
        }
        Value::Array(items) => {
            let (mut after_flag, mut after_cqlsh) = (false, false);
            for item in items {
                match item {
                    item if after_flag => {
                        hide(item);
                        after_flag = false;
                    }
                    Value::String(held) => {
                        after_cqlsh |= held.contains("cqlsh");
                        after_flag = text::is_secret_flag(held, after_cqlsh);
                        *held = if after_cqlsh && held.starts_with("-p") && held != "-p" {
                            format!("-p{REDACTED}")
                        } else {
                            self::text(held)
                        };
                    }
                    item => self::value(item),
                }
            }
        }
        Value::String(held) => *held = text(held),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Takes out whatever is under a secret name; what its parts are called stays, and so do the names of secrets.
fn hide(value: &mut Value) {
    match value {
        Value::Null => {}
        Value::Object(fields) => {
            for (key, field) in fields {
                if is_harmless(key) {
                    self::value(field);
                } else {
                    hide(field);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(hide),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => *value = Value::from(REDACTED),
    }
}

fn is_secret_name(name: &str) -> bool {
    let plain = plain(name);
    let secret = plain == "pw" || SECRET_WORDS.iter().any(|word| plain.contains(word));
    secret && !is_harmless(name)
}

fn is_harmless(name: &str) -> bool {
    let plain = plain(name);
    HARMLESS.iter().any(|word| plain.contains(word))
}

fn plain(name: &str) -> String {
    name.chars()
        .filter(|c| !matches!(c, '_' | '-' | '.'))
        .flat_map(char::to_lowercase)
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

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
    #[test]
    fn whatever_is_under_a_secret_name_goes() {
        let mut map = json!({
            "password": 4711,
            "tokens": ["hidden", { "a": "hidden", "b": [4711] }],
            "credentials": { "user": "hidden", "none": null, "secretName": "keystore" },
            "env": [{ "name": "API_TOKEN", "value": 4711 }],
            "command": ["cqlsh", "-u", "ann", "-p", "hidden", "-phidden"],
            "other": { "num_tokens": 16, "port": 7199 },
        });
        value(&mut map);
        assert_eq!(
            map,
            json!({
                "password": REDACTED,
                "tokens": [REDACTED, { "a": REDACTED, "b": [REDACTED] }],
                "credentials": { "user": REDACTED, "none": null, "secretName": "keystore" },
                "env": [{ "name": "API_TOKEN", "value": REDACTED }],
                "command": ["cqlsh", "-u", "ann", "-p", REDACTED, "-p<redacted>"],
                "other": { "num_tokens": 16, "port": 7199 },
            })
        );
    }
}
