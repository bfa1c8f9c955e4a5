//! Rendered files given to Cassandra's own loader, and our tables compared with its own.
//!
//! Part of the end-to-end layer, whose images need Cassandra's jars anyway: `CASSKOP_CASSANDRA_JARS_3_11` and so on name the
//! directories that hold them. Java 17 runs the loaders of all releases. 3.11 complains meanwhile that it cannot unmap
//! files (Java 9 took away what it does that with), which counts for a node and not for its configuration.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "what is missing here fails the test"
)]

mod stock;

use casskop_bootstrap::yaml::write;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The releases, by series.
const SERIES: [&str; 4] = ["3.11", "4.0", "4.1", "5.0"];

/// What Cassandra wants of a JVM to load its configuration.
const JVM: [&str; 5] = [
    "--add-opens=java.base/java.lang=ALL-UNNAMED",
    "--add-opens=java.base/sun.nio.ch=ALL-UNNAMED",
    "--add-exports=java.base/sun.nio.ch=ALL-UNNAMED",
    "--add-exports=java.base/jdk.internal.ref=ALL-UNNAMED",
    "--add-exports=java.management/com.sun.jmx.remote.security=ALL-UNNAMED",
];

fn libraries(series: &str) -> PathBuf {
    let variable = format!("CASSKOP_CASSANDRA_JARS_{}", series.replace('.', "_"));
    let directory = std::env::var_os(&variable).map(PathBuf::from);
    directory
        .filter(|directory| directory.is_dir())
        .unwrap_or_else(|| panic!("{variable} names no directory"))
}

/// Runs a program of `tests/java` on Cassandra's class path and returns what it prints.
fn java(series: &str, conf: &Path, program: &str, properties: &[String], arguments: &[&str]) -> String {
    let class_path = format!("{}:{}/*", conf.display(), libraries(series).display());
    let output = Command::new("java")
        .args(JVM)
        .args(properties)
        .args(["-cp", &class_path])
        .arg(
            Path::new(env!("CARGO_MANIFEST_DIR"))
                .join("tests/java")
                .join(program),
        )
        .args(arguments)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{program} on {series}:\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

fn loaded(series: &str, version: &str) -> BTreeMap<String, String> {
    let directory = tempfile::tempdir().unwrap();
    let mut stock = stock::files(series);
    let yaml = stock.get_mut("cassandra.yaml").unwrap();
    *yaml = yaml.replace("/var/lib/cassandra", directory.path().to_str().unwrap());
    let rendered = stock::rendered(series, &stock, version, "127.0.0.1");
    for (name, text) in stock.iter().chain(&rendered.files) {
        std::fs::write(directory.path().join(name), text).unwrap();
    }
    let properties = [
        format!(
            "-Dcassandra.config=file://{}",
            directory.path().join("cassandra.yaml").display()
        ),
        format!("-Dcassandra.storagedir={}", directory.path().display()),
        format!("-Dcassandra.logdir={}", directory.path().display()),
    ];
    let printed = java(series, directory.path(), "Load.java", &properties, &[]);
    printed
        .lines()
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| (name.into(), value.into()))
        .collect()
}

fn is_accepted(series: &str, version: &str) {
    let loaded = loaded(series, version);
    for (name, value) in [
        ("cluster_name", "on"),
        ("listen_address", "127.0.0.1"),
        ("rpc_address", "0.0.0.0"),
        ("broadcast_rpc_address", "127.0.0.1"),
        ("num_tokens", "8"),
        ("read_request_timeout", "5000"),
        ("write_request_timeout", "3000"),
        ("materialized_views_enabled", "true"),
        ("keystore_password", "12:30"),
        ("require_client_auth", "true"),
        ("authenticator", "PasswordAuthenticator"),
        ("rack", "dc1.rack1"),
    ] {
        assert_eq!(
            loaded.get(name).map(String::as_str),
            Some(value),
            "{series}: {name} in {loaded:#?}"
        );
    }
    let seeds = &loaded["seeds"];
    assert!(
        seeds.contains("127.0.0.1") && seeds.contains("127.0.0.2"),
        "{seeds}"
    );
}

#[test]
fn cassandra_3_11_accepts_its_configuration() {
    is_accepted("3.11", "3.11.19");
}

#[test]
fn cassandra_4_0_accepts_its_configuration() {
    is_accepted("4.0", "4.0.19");
}

#[test]
fn cassandra_4_1_accepts_its_configuration() {
    is_accepted("4.1", "4.1.10");
}

#[test]
fn cassandra_5_0_accepts_its_configuration() {
    is_accepted("5.0", "5.0.9");
}

#[test]
fn strings_stay_strings_for_cassandras_reader() {
    let words = [
        "on",
        "Off",
        "yes",
        "NO",
        "y",
        "n",
        "true",
        "null",
        "~",
        "",
        "12:30",
        "1e3",
        "0o7",
        "017",
        "0x1F",
        "0b11",
        "1_000",
        ".5",
        ".inf",
        ".NaN",
        "-1",
        "+1",
        "1.0",
        "2001-01-01",
        "=",
        "<<",
        "- a",
        "a: b",
        "a #b",
        "*a",
        "&a",
        "!a",
        "%a",
        "@a",
        "a\"b\\c\n\t",
        "caf\u{e9}",
        "\u{1f600}",
        "\u{85}",
        "PasswordAuthenticator",
        "a.b/c-d_e",
    ];
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("words.yaml");
    std::fs::write(&file, write::entry("words", &serde_json::json!(words[..]), 0)).unwrap();
    let expected: String = words
        .iter()
        .map(|word| {
            word.chars()
                .fold("String".to_owned(), |line, c| format!("{line} {}", u32::from(c)))
                + "\n"
        })
        .collect();
    for series in SERIES {
        assert_eq!(
            java(
                series,
                directory.path(),
                "Words.java",
                &[],
                &[file.to_str().unwrap()]
            ),
            expected,
            "{series}"
        );
    }
}

#[test]
fn the_tables_are_cassandras_own() {
    let tables = [
        include_str!("../src/config/keys/cassandra-3.11.txt"),
        include_str!("../src/config/keys/cassandra-4.0.txt"),
        include_str!("../src/config/keys/cassandra-4.1.txt"),
        include_str!("../src/config/keys/cassandra-5.0.txt"),
    ];
    for (series, table) in SERIES.into_iter().zip(tables) {
        let printed = java(series, Path::new("."), "Settings.java", &[], &[]);
        let own: Vec<String> = printed.lines().map(as_in_table).collect();
        let ours: Vec<&str> = table.lines().filter(|line| !line.starts_with('#')).collect();
        assert_eq!(ours, own, "{series}");
    }
}

/// A line of `Settings.java` with the unit that each converter of Cassandra stands for.
fn as_in_table(line: &str) -> String {
    line.split(' ')
        .map(|word| match word.split_once('=') {
            None => word.to_owned(),
            Some((name, converter)) => format!("{name}={}", unit(converter)),
        })
        .collect::<Vec<_>>()
        .join(" ")
}

fn unit(converter: &str) -> &'static str {
    match converter {
        "IDENTITY" => "same",
        "MILLIS_DURATION_LONG"
        | "MILLIS_DURATION_INT"
        | "MILLIS_DURATION_DOUBLE"
        | "MILLIS_CUSTOM_DURATION" => "ms",
        "SECONDS_DURATION" | "NEGATIVE_SECONDS_DURATION" => "s",
        "MINUTES_CUSTOM_DURATION" => "m",
        "BYTES_DATASTORAGE" | "BYTES_CUSTOM_DATASTORAGE" => "B",
        "KIBIBYTES_DATASTORAGE" => "KiB",
        "MEBIBYTES_DATA_STORAGE_INT"
        | "MEBIBYTES_DATA_STORAGE_LONG"
        | "NEGATIVE_MEBIBYTES_DATA_STORAGE_INT" => "MiB",
        "MEBIBYTES_PER_SECOND_DATA_RATE" => "MiB/s",
        _ => "keep",
    }
}
