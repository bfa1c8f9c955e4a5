//! `cassandra.yaml`: the stock file, the user's settings over it, the node's own addresses over both.

use super::keys::{Keys, Setting};
use super::{Block, Node, Notice, Tree, sorted};
use crate::version::Release;
use crate::yaml::Document;
use serde_json::{Value, json};

/// The seed provider that Cassandra ships.
pub const SIMPLE_SEED_PROVIDER: &str = "org.apache.cassandra.locator.SimpleSeedProvider";

/// Settings that follow from the pod or decide over the ring's membership. cass-config-builder drops them too.
const OPERATORS: [&str; 12] = [
    "auto_bootstrap",
    "broadcast_address",
    "broadcast_rpc_address",
    "cluster_name",
    "initial_token",
    "listen_address",
    "listen_interface",
    "listen_interface_prefer_ipv6",
    "rpc_address",
    "rpc_interface",
    "rpc_interface_prefer_ipv6",
    "seed_provider",
];

/// The rendered text.
pub fn render(
    mut file: Document,
    release: Release,
    tree: &Tree,
    node: &Node,
    notices: &mut Vec<Notice>,
) -> String {
    let user = tree.block("cassandra-yaml");
    if let Some(user) = user {
        apply(&mut file, release, user, notices);
    }
    if user.is_none_or(|user| !user.contains_key("endpoint_snitch")) {
        // The stock SimpleSnitch knows one datacenter and one rack; this one reads cassandra-rackdc.properties.
        file.set("endpoint_snitch", &json!("GossipingPropertyFileSnitch"));
    }
    identify(&mut file, tree, node);
    file.text()
}

/// What makes the file this node's.
fn identify(file: &mut Document, tree: &Tree, node: &Node) {
    file.set("cluster_name", &json!(tree.cluster));
    // Cassandra refuses an interface beside an address.
    for key in ["listen_interface", "rpc_interface"] {
        file.remove(key);
    }
    file.set("listen_address", &json!(node.address));
    file.set("broadcast_address", &json!(node.address));
    // Clients reach a pod by its address, and tools in the pod by localhost; a wildcard needs the broadcast address beside it.
    file.set(
        "rpc_address",
        &json!(if node.address.contains(':') {
            "::"
        } else {
            "0.0.0.0"
        }),
    );
    file.set("broadcast_rpc_address", &json!(node.address));
    if !tree.seeds.is_empty() {
        let provider = json!([{"class_name": SIMPLE_SEED_PROVIDER, "parameters": [{"seeds": tree.seeds}]}]);
        file.set("seed_provider", &provider);
    }
}

/// The user's settings. Cassandra stops on a key it does not know and on two names of one setting, so neither is written.
fn apply(file: &mut Document, release: Release, user: &Block, notices: &mut Vec<Notice>) {
    let keys = Keys::of(release);
    for (key, value) in sorted(user) {
        if OPERATORS.contains(&key) {
            notices.push(Notice::SetByOperator { key: key.to_owned() });
            continue;
        }
        let Some(setting) = keys.resolve(key) else {
            if mentions(file, key) {
                file.set(key, value);
            } else {
                notices.push(Notice::UnknownKey {
                    file: "cassandra.yaml",
                    key: key.to_owned(),
                    release,
                    known_in: Release::ALL
                        .into_iter()
                        .filter(|other| Keys::of(*other).resolve(key).is_some())
                        .collect(),
                });
            }
            continue;
        };
        if let Some(kept) = preferred(keys, setting, user).filter(|kept| *kept != key) {
            notices.push(Notice::TwoNames {
                kept: kept.to_owned(),
                dropped: key.to_owned(),
            });
            continue;
        }
        let (name, value) = setting.written(key, value);
        for other in keys.names_of(setting).filter(|other| *other != name) {
            file.remove(other);
        }
        file.set(name, &value);
    }
}

/// A later patch release may know more settings than the table; its stock file shows them, often commented out.
fn mentions(file: &Document, key: &str) -> bool {
    file.keys().any(|known| known == key)
        || file.text().lines().any(|line| {
            line.trim_start()
                .strip_prefix('#')
                .and_then(|comment| comment.trim_start().strip_prefix(key))
                .is_some_and(|rest| rest.trim_start().starts_with(':'))
        })
}

/// Of several names of one setting in `user`, the one that counts: the present name, or else the first of the former.
fn preferred<'a>(keys: &Keys, setting: Setting, user: &'a Block) -> Option<&'a str> {
    sorted(user)
        .into_keys()
        .filter(|name| keys.resolve(name).is_some_and(|other| other.name == setting.name))
        .min_by_key(|name| *name != setting.name)
}

/// The seed list and provider of a rendered file, changed. Other parameters of a provider stay.
pub fn with_seeds(file: &mut Document, seeds: &str, class_name: Option<&str>) {
    let mut provider = file
        .value("seed_provider")
        .and_then(|value| value.as_array().and_then(|list| list.first().cloned()))
        .filter(Value::is_object)
        .unwrap_or_else(|| json!({"class_name": SIMPLE_SEED_PROVIDER}));
    if let Some(class_name) = class_name {
        provider["class_name"] = json!(class_name);
    }
    if !provider["parameters"][0].is_object() {
        provider["parameters"] = json!([{}]);
    }
    provider["parameters"][0]["seeds"] = json!(seeds);
    file.set("seed_provider", &json!([provider]));
}

/// The seed list that the file holds.
pub fn seeds_of(file: &Document) -> Option<String> {
    file.value("seed_provider")?[0]["parameters"][0]["seeds"]
        .as_str()
        .map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn applied(stock: &str, user: &Value) -> (String, Vec<String>) {
        let mut file = Document::parse(stock);
        let mut notices = Vec::new();
        apply(&mut file, Release::V5_0, user.as_object().unwrap(), &mut notices);
        (file.text(), notices.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn a_former_name_takes_the_place_of_the_present_one() {
        let (text, notices) = applied(
            "read_request_timeout: 5000ms\n",
            &json!({"read_request_timeout_in_ms": 10000}),
        );
        assert_eq!(text, "read_request_timeout: \"10000ms\"\n");
        assert!(notices.is_empty());
    }

    #[test]
    fn an_untranslatable_former_name_replaces_the_present_one() {
        let user = json!({"stream_throughput_outbound_megabits_per_sec": 200});
        let (text, _) = applied("stream_throughput_outbound: 24MiB/s\n", &user);
        assert_eq!(text, "stream_throughput_outbound_megabits_per_sec: 200\n");
    }

    #[test]
    fn the_present_name_wins_over_the_operators_default_under_the_former_name() {
        let user = json!({"read_request_timeout_in_ms": 5000, "read_request_timeout": "7s"});
        let (text, notices) = applied("", &user);
        assert_eq!(text, "read_request_timeout: \"7s\"\n");
        assert_eq!(
            notices,
            [
                "cassandra.yaml: read_request_timeout_in_ms and read_request_timeout are one setting, read_request_timeout_in_ms left out"
            ]
        );
    }

    #[test]
    fn unknown_settings_are_reported_without_their_values() {
        let user = json!({"start_rpc": true, "authentictor": "secret-value", "listen_address": "1.2.3.4"});
        let (text, notices) = applied("", &user);
        assert_eq!(text, "");
        insta::assert_snapshot!(notices.join("\n"), @r"
        cassandra.yaml: Cassandra 5.0 has no setting authentictor, left out
        cassandra.yaml: listen_address is the operator's to set, left out
        cassandra.yaml: Cassandra 5.0 has no setting start_rpc, left out (a setting of 3.11)
        ");
    }

    #[test]
    fn a_setting_that_the_stock_file_mentions_is_known() {
        let (text, notices) = applied("# brand_new_setting: 1\n", &json!({"brand_new_setting": 2}));
        assert_eq!(text, "# brand_new_setting: 1\nbrand_new_setting: 2\n");
        assert!(notices.is_empty());
    }

    #[test]
    fn seeds_replace_seeds_and_keep_the_provider() {
        let mut file = Document::parse(
            "seed_provider:\n- class_name: x.Y\n  parameters:\n  - seeds: a,b\n    other: 1\n",
        );
        with_seeds(&mut file, "c", None);
        assert_eq!(seeds_of(&file).as_deref(), Some("c"));
        assert_eq!(
            file.value("seed_provider").unwrap()[0]["parameters"][0]["other"],
            json!(1)
        );
        assert_eq!(
            file.value("seed_provider").unwrap()[0]["class_name"],
            json!("x.Y")
        );
        with_seeds(&mut file, "d", Some("z.W"));
        assert_eq!(
            file.value("seed_provider").unwrap()[0]["class_name"],
            json!("z.W")
        );
        with_seeds(&mut file, "d", Some("z.W"));
        assert_eq!(seeds_of(&file).as_deref(), Some("d"));
    }

    #[test]
    fn a_missing_seed_provider_is_added() {
        let mut file = Document::parse("seed_provider: []\n");
        with_seeds(&mut file, "c", None);
        assert_eq!(seeds_of(&file).as_deref(), Some("c"));
    }
}
