//! JSON as Go's `encoding/json` writes it. CassKop puts the configuration into an environment variable this way, and one byte
//! of difference there would restart every node of a cluster that is taken over.

use serde_json::{Map, Number, Value};

/// Compact, keys sorted at every level, `<`, `>`, `&`, U+2028 and U+2029 escaped, and all numbers by way of a 64-bit float.
pub(super) fn marshal(value: &Value) -> String {
    let mut text = String::new();
    write_value(&mut text, value);
    text
}

fn write_value(text: &mut String, value: &Value) {
    match value {
        Value::Null => text.push_str("null"),
        Value::Bool(true) => text.push_str("true"),
        Value::Bool(false) => text.push_str("false"),
        Value::Number(number) => write_number(text, number),
        Value::String(string) => write_string(text, string),
        Value::Array(items) => {
            text.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                write_value(text, item);
            }
            text.push(']');
        }
        Value::Object(object) => write_object(text, object),
    }
}

fn write_object(text: &mut String, object: &Map<String, Value>) {
    let mut keys: Vec<&String> = object.keys().collect();
    keys.sort();
    text.push('{');
    for (index, key) in keys.into_iter().enumerate() {
        if index > 0 {
            text.push(',');
        }
        write_string(text, key);
        text.push(':');
        write_value(text, &object[key]);
    }
    text.push('}');
}

/// The shortest digits that give the same float, plain from 1e-6 to below 1e21, otherwise with an exponent of one digit or more.
fn write_number(text: &mut String, number: &Number) {
    // Every JSON number has a float: without the `arbitrary_precision` feature there is no other kind.
    let float = number.as_f64().unwrap_or_default();
    let size = float.abs();
    if float != 0.0 && !(1e-6..1e21).contains(&size) {
        let scientific = format!("{float:e}");
        match scientific.split_once('e') {
            Some((digits, exponent)) if !exponent.starts_with('-') => {
                text.push_str(digits);
                text.push_str("e+");
                text.push_str(exponent);
            }
            _ => text.push_str(&scientific),
        }
    } else {
        text.push_str(&float.to_string());
    }
}

fn write_string(text: &mut String, string: &str) {
    text.push('"');
    for c in string.chars() {
        match c {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '\t' => text.push_str("\\t"),
            '\u{8}' => text.push_str("\\b"),
            '\u{c}' => text.push_str("\\f"),
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' | '\0'..='\u{1f}' => {
                text.push_str("\\u");
                for shift in [12, 8, 4, 0] {
                    text.extend(char::from_digit((u32::from(c) >> shift) & 0xf, 16));
                }
            }
            c => text.push(c),
        }
    }
    text.push('"');
}

#[cfg(test)]
mod tests {
    use super::marshal;

    /// Each pair was written by Go 1.26: unmarshalled from the first text into `any` and marshalled again.
    #[test]
    fn values_are_written_as_go_writes_them() {
        let table = [
            ("{}", "{}"),
            (
                r#"{"b": 1, "a": {"d": [], "c": null}}"#,
                r#"{"a":{"c":null,"d":[]},"b":1}"#,
            ),
            (
                r#"["<a href=\"x\">&</a>", "\u2028\u2029", "é\u007f"]"#,
                "[\"\\u003ca href=\\\"x\\\"\\u003e\\u0026\\u003c/a\\u003e\",\"\\u2028\\u2029\",\"é\u{7f}\"]",
            ),
            (
                r#""a\\b\/\n\r\t\b\f\u0001\u001f""#,
                r#""a\\b/\n\r\t\b\f\u0001\u001f""#,
            ),
            (
                "[0, -0, 1.0, -1.5, 100, 0.1, 1e2, 5000]",
                "[0,-0,1,-1.5,100,0.1,100,5000]",
            ),
            (
                "[1e20, 1e21, 1.25e23, 1.5e300]",
                "[100000000000000000000,1e+21,1.25e+23,1.5e+300]",
            ),
            ("[1e-6, 1e-7, 1.5e-9, 1e-10]", "[0.000001,1e-7,1.5e-9,1e-10]"),
            (
                "[9007199254740993, 18446744073709551615]",
                "[9007199254740992,18446744073709552000]",
            ),
            ("[true, false]", "[true,false]"),
        ];
        for (json, written) in table {
            assert_eq!(marshal(&serde_json::from_str(json).unwrap()), written, "{json}");
        }
    }
}
