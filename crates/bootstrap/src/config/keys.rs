//! The settings `cassandra.yaml` may hold, one table per release.
//!
//! Cassandra refuses to start on a key it does not know, and on two names of one setting. Since 4.1 most settings have a
//! new name whose value carries its unit (`read_request_timeout: 5000ms` for `read_request_timeout_in_ms: 5000`).

use crate::version::Release;
use serde_json::Value;
use std::collections::HashMap;
use std::sync::OnceLock;

/// The table of one release.
#[derive(Debug)]
pub struct Keys {
    names: HashMap<&'static str, Setting>,
}

/// What a name in `cassandra.yaml` stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Setting {
    /// The setting's present name.
    pub name: &'static str,
    /// How a value given under the looked-up name is written under the present one; `None` for the present name itself.
    pub former: Option<Former>,
}

/// How a value moves from a former name to the present one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Former {
    /// The value is the same.
    Renamed,
    /// A bare number gets this unit.
    Unit(&'static str),
    /// Left to Cassandra, which still takes the former name.
    Untranslated,
}

impl Keys {
    /// The table of `release`.
    pub fn of(release: Release) -> &'static Self {
        static V3_11: OnceLock<Keys> = OnceLock::new();
        static V4_0: OnceLock<Keys> = OnceLock::new();
        static V4_1: OnceLock<Keys> = OnceLock::new();
        static V5_0: OnceLock<Keys> = OnceLock::new();
        match release {
            Release::V3_11 => V3_11.get_or_init(|| Self::parse(include_str!("keys/cassandra-3.11.txt"))),
            Release::V4_0 => V4_0.get_or_init(|| Self::parse(include_str!("keys/cassandra-4.0.txt"))),
            Release::V4_1 => V4_1.get_or_init(|| Self::parse(include_str!("keys/cassandra-4.1.txt"))),
            Release::V5_0 => V5_0.get_or_init(|| Self::parse(include_str!("keys/cassandra-5.0.txt"))),
        }
    }

    fn parse(table: &'static str) -> Self {
        let mut names = HashMap::new();
        for line in table.lines().filter(|line| !line.starts_with('#')) {
            let mut words = line.split(' ');
            let Some(name) = words.next() else { continue };
            names.insert(name, Setting { name, former: None });
            for (old, unit) in words.filter_map(|word| word.split_once('=')) {
                let former = match unit {
                    "same" => Former::Renamed,
                    "keep" => Former::Untranslated,
                    unit => Former::Unit(unit),
                };
                names.insert(
                    old,
                    Setting {
                        name,
                        former: Some(former),
                    },
                );
            }
        }
        Self { names }
    }

    /// The setting that `key` names, now or formerly.
    pub fn resolve(&self, key: &str) -> Option<Setting> {
        self.names.get(key).copied()
    }

    /// All names of `setting`: Cassandra refuses a file that holds two of them.
    pub fn names_of(&self, setting: Setting) -> impl Iterator<Item = &'static str> {
        self.names
            .iter()
            .filter(move |(_, other)| other.name == setting.name)
            .map(|(name, _)| *name)
    }
}

impl Setting {
    /// The name and value to write for a value given under the name that was looked up as `given`.
    ///
    /// Only whole numbers from zero on are translated: -1 means "no limit" or "the default" for some settings, and the
    /// converters that Cassandra keeps for the former names know which.
    pub fn written<'a>(&self, given: &'a str, value: &Value) -> (&'a str, Value)
    where
        'static: 'a,
    {
        match self.former {
            Some(Former::Renamed) => (self.name, value.clone()),
            Some(Former::Unit(unit)) => match whole_number(value) {
                Some(number) => (self.name, Value::String(format!("{number}{unit}"))),
                None => (given, value.clone()),
            },
            Some(Former::Untranslated) | None => (given, value.clone()),
        }
    }
}

/// Numbers arrive as JSON numbers, or as strings from templates that quote everything.
fn whole_number(value: &Value) -> Option<u64> {
    match value {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn former_names_are_translated_where_that_is_certain() {
        let keys = Keys::of(Release::V5_0);
        let table = [
            (
                "read_request_timeout_in_ms",
                json!(5000),
                "read_request_timeout",
                json!("5000ms"),
            ),
            (
                "read_request_timeout_in_ms",
                json!("5000"),
                "read_request_timeout",
                json!("5000ms"),
            ),
            (
                "read_request_timeout",
                json!("5s"),
                "read_request_timeout",
                json!("5s"),
            ),
            (
                "compaction_throughput_mb_per_sec",
                json!(16),
                "compaction_throughput",
                json!("16MiB/s"),
            ),
            (
                "enable_materialized_views",
                json!(true),
                "materialized_views_enabled",
                json!(true),
            ),
            (
                "permissions_update_interval_in_ms",
                json!(-1),
                "permissions_update_interval_in_ms",
                json!(-1),
            ),
            (
                "stream_throughput_outbound_megabits_per_sec",
                json!(200),
                "stream_throughput_outbound_megabits_per_sec",
                json!(200),
            ),
            ("num_tokens", json!(16), "num_tokens", json!(16)),
            (
                "key_cache_save_period",
                json!(14400),
                "key_cache_save_period",
                json!(14400),
            ),
        ];
        for (given, value, name, written) in table {
            let setting = keys.resolve(given).unwrap();
            assert_eq!(setting.written(given, &value), (name, written), "{given}");
        }
    }

    #[test]
    fn releases_know_different_settings() {
        for (key, known) in [
            ("num_tokens", [true, true, true, true]),
            ("start_rpc", [true, false, false, false]),
            ("read_request_timeout_in_ms", [true, true, true, true]),
            ("read_request_timeout", [false, false, true, true]),
            ("storage_compatibility_mode", [false, false, false, true]),
            ("commitlog_periodic_queue_size", [true, true, true, false]),
        ] {
            let found = Release::ALL.map(|release| Keys::of(release).resolve(key).is_some());
            assert_eq!(found, known, "{key}");
        }
    }

    #[test]
    fn a_setting_lists_all_its_names() {
        let keys = Keys::of(Release::V4_1);
        let mut names: Vec<_> = keys
            .names_of(keys.resolve("read_request_timeout").unwrap())
            .collect();
        names.sort_unstable();
        assert_eq!(names, ["read_request_timeout", "read_request_timeout_in_ms"]);
    }
}
