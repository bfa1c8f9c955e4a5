//! `jvm.options` of 3.11 and the `jvm*-server.options` files that came of it: the stock lines, less those that the
//! cluster's settings replace, then the settings.

mod option;

use option::{Collector, Form, Java, form_of, forms, identity};

use super::{Block, Files, Notice, Tree, scalar_text, sorted};
use crate::section;
use crate::version::Release;
use serde_json::Value;
use std::collections::BTreeSet;

const SECTION: &str = "jvm options";

/// Changes the files in place.
pub fn render(files: &mut Files, release: Release, tree: &Tree, notices: &mut Vec<Notice>) {
    let main = main_block(tree, release, notices);
    let blocks = [
        (release.jvm_options_file(), Some(main)),
        ("jvm8-server.options", tree.block("jvm8-server-options").cloned()),
        (
            "jvm11-server.options",
            tree.block("jvm11-server-options").cloned(),
        ),
        (
            "jvm17-server.options",
            tree.block("jvm17-server-options").cloned(),
        ),
    ];
    for (file, block) in blocks {
        let Some(block) = block.filter(|block| !block.is_empty()) else {
            continue;
        };
        if !files.contains_key(file) {
            let why = "belongs to a file that this image does not have, left out";
            notices.extend(block.keys().map(|key| Notice::NotUsable {
                file,
                key: key.clone(),
                why,
            }));
            continue;
        }
        let options = options_of(file, release, &block, notices);
        if let Some(chosen) = options.iter().find_map(|option| Collector::chosen_by(option)) {
            // The JVM refuses two collectors, and the launcher reads the common file and one of the versioned ones.
            let common = file == release.jvm_options_file();
            for (name, text) in files.iter_mut().filter(|(name, _)| is_server_options(name)) {
                if common || name == file || name == release.jvm_options_file() {
                    *text = without(text, |line| {
                        Collector::concerned_by(line).is_some_and(|collector| collector != chosen)
                    });
                }
            }
        }
        if let Some(text) = files.get_mut(file) {
            *text = with_options(text, &options, &switched_off(file, &block));
        }
    }
}

/// The settings of the common file. The operator puts its defaults under `jvm-options` where it does not take the image for
/// a 4.x (`CassKop` only knew those), so what the user wrote under `jvm-server-options` goes over them.
fn main_block(tree: &Tree, release: Release, notices: &mut Vec<Notice>) -> Block {
    let mut block = tree.block("jvm-options").cloned().unwrap_or_default();
    if let Some(user) = tree.block("jvm-server-options") {
        block.extend(user.clone());
    }
    let bytes = |key: &str| block.get(key).and_then(Value::as_str).and_then(heap_bytes);
    if let (Some(initial), Some(max)) = (bytes("initial_heap_size"), bytes("max_heap_size"))
        && initial > max
    {
        let why = "is above max_heap_size, lowered to it";
        notices.push(Notice::NotUsable {
            file: release.jvm_options_file(),
            key: "initial_heap_size".into(),
            why,
        });
        let max = block["max_heap_size"].clone();
        block.insert("initial_heap_size".into(), max);
    }
    block
}

fn heap_bytes(size: &str) -> Option<u64> {
    let split = size.find(|c: char| !c.is_ascii_digit()).unwrap_or(size.len());
    let (number, unit) = size.split_at(split);
    let shift = match unit.to_ascii_lowercase().as_str() {
        "" => 0,
        "k" => 10,
        "m" => 20,
        "g" => 30,
        "t" => 40,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(1 << shift)
}

/// The flags that a block switches off: the stock file may set them.
fn switched_off(file: &str, block: &Block) -> Vec<&'static str> {
    forms(Java::of(file))
        .filter(|(name, _)| block.get(*name).and_then(scalar_text).as_deref() == Some("false"))
        .filter_map(|(_, form)| match form {
            Form::Flag(option) | Form::Diagnostic(option) => Some(*option),
            Form::Prefix(_) | Form::Value(_) => None,
        })
        .collect()
}

/// The option lines of a block.
fn options_of(file: &'static str, release: Release, block: &Block, notices: &mut Vec<Notice>) -> Vec<String> {
    let java = Java::of(file);
    let mut options = Vec::new();
    let mut unlock = None;
    let not_usable = |key: &str, why| Notice::NotUsable {
        file,
        key: key.to_owned(),
        why,
    };
    for (key, value) in sorted(block) {
        match key {
            "additional-jvm-opts" | "jmx-connection-type" | "jmx-port" => {}
            key if key.starts_with("jmx-remote-ssl") => {}
            "garbage_collector" => match value
                .as_str()
                .and_then(|name| Collector::flags(name, java, release))
            {
                Some(flags) => options.extend(flags.iter().map(|flag| (*flag).to_owned())),
                None => notices.push(not_usable(key, "names no collector of this Java, left out")),
            },
            "cassandra_replace_address" | "cassandra_initial_token" => {
                // One node's business, and the tree is at least a rack's.
                notices.push(Notice::SetByOperator { key: key.to_owned() });
            }
            key => match form_of(key, java) {
                None => notices.push(Notice::UnknownKey {
                    file,
                    key: key.to_owned(),
                    release,
                    known_in: Vec::new(),
                }),
                Some(form) => match form.option(value) {
                    Ok(option) => {
                        if option.is_some() && matches!(form, Form::Diagnostic(_)) {
                            unlock = Some("-XX:+UnlockDiagnosticVMOptions".to_owned());
                        }
                        options.extend(option);
                    }
                    Err(why) => notices.push(not_usable(key, why)),
                },
            },
        }
    }
    // The JVM reads the unlocking before what it unlocks.
    options.splice(0..0, unlock);
    options.extend(jmx_options(file, block, notices));
    for option in block
        .get("additional-jvm-opts")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        match scalar_text(option).filter(|option| option.starts_with('-')) {
            Some(option) => options.push(option),
            None => notices.push(not_usable(
                "additional-jvm-opts",
                "holds an entry that does not start with a dash, left out",
            )),
        }
    }
    options
}

fn is_server_options(file: &str) -> bool {
    file == "jvm.options" || (file.starts_with("jvm") && file.ends_with("-server.options"))
}

/// Remote JMX without a password is `CassKop`'s default. The stock `cassandra-env.sh` adds the options of local JMX after
/// these; Cassandra looks for the remote port first.
fn jmx_options(file: &'static str, block: &Block, notices: &mut Vec<Notice>) -> Vec<String> {
    let Some(kind) = block.get("jmx-connection-type") else {
        return Vec::new();
    };
    match kind.as_str() {
        Some("remote-no-auth") => {
            let port = block
                .get("jmx-port")
                .and_then(scalar_text)
                .unwrap_or_else(|| super::env_sh::JMX_PORT.to_owned());
            let tls = block
                .get("jmx-remote-ssl")
                .is_some_and(|value| scalar_text(value).as_deref() == Some("true"));
            let mut options = vec![
                format!("-Dcassandra.jmx.remote.port={port}"),
                format!("-Dcom.sun.management.jmxremote.rmi.port={port}"),
                "-Dcom.sun.management.jmxremote.authenticate=false".to_owned(),
                format!("-Dcom.sun.management.jmxremote.ssl={tls}"),
            ];
            if tls {
                options.push("-Dcom.sun.management.jmxremote.registry.ssl=true".to_owned());
                let given = block
                    .get("jmx-remote-ssl-opts")
                    .and_then(Value::as_array)
                    .into_iter()
                    .flatten();
                options.extend(
                    given
                        .filter_map(scalar_text)
                        .filter(|option| option.starts_with('-')),
                );
            }
            options
        }
        // cassandra-env.sh does these.
        Some("local-no-auth" | "remote-file-based-auth") => Vec::new(),
        _ => {
            let why = "must be local-no-auth, remote-no-auth or remote-file-based-auth; JMX stays as the image has it";
            notices.push(Notice::NotUsable {
                file,
                key: "jmx-connection-type".into(),
                why,
            });
            Vec::new()
        }
    }
}

/// `text` with `options` in our section, and without the stock lines that these and the options `off` contradict.
fn with_options(text: &str, options: &[String], off: &[&str]) -> String {
    let decided: BTreeSet<&str> = options
        .iter()
        .map(String::as_str)
        .chain(off.iter().copied())
        .filter_map(identity)
        .collect();
    let stock = section::without_section(text, SECTION);
    let stock = without(&stock, |line| {
        identity(line).is_some_and(|id| decided.contains(id))
    });
    section::with_section(&stock, SECTION, options)
}

/// `text` with the option lines that `goes` picks commented out.
fn without(text: &str, goes: impl Fn(&str) -> bool) -> String {
    text.split_inclusive('\n')
        .map(|line| {
            if goes(line.trim_end()) {
                format!("#{line}")
            } else {
                line.to_owned()
            }
        })
        .collect()
}

#[cfg(test)]
mod tests;
