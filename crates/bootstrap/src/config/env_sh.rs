//! `cassandra-env.sh`: the JMX port, local or remote JMX, and the variables of the `cassandra-env-sh` block.

use super::{Block, Files, Notice, Tree, scalar_text, sorted};
use crate::section;
use serde_json::Value;

/// Where Cassandra and nodetool look for JMX unless told otherwise.
pub const JMX_PORT: &str = "7199";

const FILE: &str = "cassandra-env.sh";
const SECTION: &str = "variables";

/// Changes the file in place.
pub fn render(files: &mut Files, tree: &Tree, notices: &mut Vec<Notice>) {
    let jmx = |key: &str| {
        ["cassandra-env-sh", "jvm-server-options", "jvm-options"]
            .into_iter()
            .find_map(|block| tree.block(block)?.get(key).and_then(scalar_text))
    };
    let Some(text) = files.get_mut(FILE) else { return };
    if let Some(port) = jmx("jmx-port").filter(|port| port.parse::<u16>().is_ok()) {
        *text = with_jmx_port(text, &port);
    }
    let mut lines = Vec::new();
    if jmx("jmx-connection-type").as_deref() == Some("remote-file-based-auth") {
        // The stock file has both branches; this takes the one with a password file.
        lines.push("LOCAL_JMX=no".to_owned());
    }
    if let Some(block) = tree.block("cassandra-env-sh") {
        lines.extend(variables(block, notices));
    }
    // Before the rest of the file, which reads these variables.
    let stock = section::without_section(text, SECTION);
    *text = if lines.is_empty() {
        stock
    } else {
        section::with_section("", SECTION, &lines) + &stock
    };
}

fn variables(block: &Block, notices: &mut Vec<Notice>) -> Vec<String> {
    let mut lines = Vec::new();
    for (key, value) in sorted(block) {
        let line = match key {
            "jmx-port" => continue,
            "malloc-arena-max" => {
                scalar_text(value).map(|value| format!("export MALLOC_ARENA_MAX={}", quoted(&value)))
            }
            "heap-dump-dir" => {
                scalar_text(value).map(|value| format!("CASSANDRA_HEAPDUMP_DIR={}", quoted(&value)))
            }
            "additional-jvm-opts" => jvm_opts(value),
            _ => {
                let why = "is not known, left out";
                notices.push(Notice::NotUsable {
                    file: FILE,
                    key: key.to_owned(),
                    why,
                });
                continue;
            }
        };
        match line {
            Some(line) => lines.push(line),
            None => notices.push(Notice::NotUsable {
                file: FILE,
                key: key.to_owned(),
                why: "has no usable value, left out",
            }),
        }
    }
    lines
}

fn jvm_opts(value: &Value) -> Option<String> {
    let options: Option<Vec<String>> = value.as_array()?.iter().map(scalar_text).collect();
    Some(format!("JVM_OPTS=\"$JVM_OPTS \"{}", quoted(&options?.join(" "))))
}

/// One word for a POSIX shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

fn with_jmx_port(text: &str, port: &str) -> String {
    text.split_inclusive('\n')
        .map(|line| {
            if line.starts_with("JMX_PORT=") {
                format!("JMX_PORT=\"{port}\"\n")
            } else {
                line.to_owned()
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn rendered(tree: &Value) -> (String, Vec<String>) {
        let mut tree = tree.clone();
        tree["cluster-info"] = json!({"name": "demo"});
        tree["datacenter-info"] = json!({"name": "dc1"});
        let tree = Tree::parse(&tree.to_string()).unwrap();
        let stock = "if [ \"x$LOCAL_JMX\" = \"x\" ]; then\n    LOCAL_JMX=yes\nfi\nJMX_PORT=\"7199\"\n";
        let mut files = Files::from([(FILE.to_owned(), stock.to_owned())]);
        let mut notices = Vec::new();
        render(&mut files, &tree, &mut notices);
        (
            files[FILE].clone(),
            notices.iter().map(ToString::to_string).collect(),
        )
    }

    #[test]
    fn variables_come_before_the_stock_lines() {
        let (text, notices) = rendered(&json!({
            "cassandra-env-sh": {"malloc-arena-max": 8, "additional-jvm-opts": ["-Da=it's"], "nonsense": 1},
            "jvm-server-options": {"jmx-connection-type": "remote-file-based-auth", "jmx-port": 7299},
        }));
        insta::assert_snapshot!(text, @r#"
        # >>> casskop: variables
        LOCAL_JMX=no
        JVM_OPTS="$JVM_OPTS "'-Da=it'\''s'
        export MALLOC_ARENA_MAX='8'
        # <<< casskop: variables
        if [ "x$LOCAL_JMX" = "x" ]; then
            LOCAL_JMX=yes
        fi
        JMX_PORT="7299"
        "#);
        assert_eq!(notices, ["cassandra-env.sh: nonsense is not known, left out"]);
    }

    #[test]
    fn without_settings_the_file_stays() {
        let (text, notices) = rendered(&json!({"jvm-options": {"jmx-connection-type": "remote-no-auth"}}));
        assert!(text.starts_with("if [") && notices.is_empty());
    }
}
