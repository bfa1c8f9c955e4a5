//! The JSON merge patch (RFC 7386) that leads from one value to another.

use serde_json::{Map, Value};

/// What to merge into `from` to get `to`. What only others wrote into the stored object, and neither value holds, stays.
pub fn merge_patch(from: &Value, to: &Value) -> Value {
    let (Value::Object(before), Value::Object(after)) = (from, to) else {
        return to.clone();
    };
    let mut patch = Map::new();
    for key in before.keys().filter(|key| !after.contains_key(*key)) {
        patch.insert(key.clone(), Value::Null);
    }
    for (key, value) in after {
        match before.get(key) {
            Some(same) if same == value => {}
            Some(other) => {
                patch.insert(key.clone(), merge_patch(other, value));
            }
            None => {
                patch.insert(key.clone(), value.clone());
            }
        }
    }
    Value::Object(patch)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;
    use serde_json::json;

    #[rstest]
    #[case(json!({ "a": 1, "b": 2 }), json!({ "a": 1, "b": 2 }), json!({}))]
    #[case(json!({ "a": 1 }), json!({ "a": 2 }), json!({ "a": 2 }))]
    #[case(json!({ "a": 1, "b": 2 }), json!({ "b": 2 }), json!({ "a": null }))]
    #[case(json!({ "r": { "x": 1, "y": 1 } }), json!({ "r": { "x": 2, "y": 1 } }), json!({ "r": { "x": 2 } }))]
    #[case(json!({ "l": [1, 2] }), json!({ "l": [2] }), json!({ "l": [2] }))]
    #[case(json!({ "o": { "x": 1 } }), json!({ "o": {} }), json!({ "o": { "x": null } }))]
    fn holds_only_what_differs(#[case] from: Value, #[case] to: Value, #[case] patch: Value) {
        assert_eq!(merge_patch(&from, &to), patch);
    }

    /// Values without nulls, as types that skip absent fields write them.
    fn values() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            any::<bool>().prop_map(Value::from),
            (0..3i32).prop_map(Value::from)
        ];
        let object = leaf.prop_recursive(3, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
                prop::collection::btree_map("[a-d]", inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        });
        prop::collection::btree_map("[a-d]", object, 0..4)
            .prop_map(|map| Value::Object(map.into_iter().collect()))
    }

    proptest! {
        #[test]
        fn merging_it_leads_to_the_other(from in values(), to in values()) {
            let mut merged = from.clone();
            json_patch::merge(&mut merged, &merge_patch(&from, &to));
            prop_assert_eq!(merged, to);
        }
    }
}
