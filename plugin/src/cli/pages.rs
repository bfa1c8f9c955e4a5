//! The pages of `docs/plugin/`, one a verb, made from the command line itself: `cargo xtask docs` writes them, and the test here fails
//! where one is not as it would be written.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use clap::{Arg, Command};

use super::{Invocation, command, help};

/// Set by `cargo xtask docs`.
const WRITE: &str = "CASSKOP_WRITE_DOCS";

const HEADER: &str = "<!-- Written by `cargo xtask docs` from the command line. -->\n";

/// Name and text of every page.
fn pages() -> BTreeMap<String, String> {
    let mut tree = command(&Invocation::of(None));
    tree.build();
    let verbs = tree.get_subcommands().filter(|verb| !verb.is_hide_set());
    let mut pages: BTreeMap<String, String> = verbs
        .map(|verb| (format!("{}.md", verb.get_name()), page(verb)))
        .collect();
    pages.insert("README.md".to_owned(), index(&tree));
    pages
}

fn index(tree: &Command) -> String {
    let mut text = format!(
        "{HEADER}# Verbs of `kubectl casskop`\n\nWhat they have in common, flags of every verb among it, is in [plugin.md](../plugin.md); how they end, \
         in [exit-codes.md](../exit-codes.md).\n"
    );
    for (heading, verbs) in help::GROUPS {
        let _ = write!(text, "\n## {heading}\n\n| verb | |\n|---|---|\n");
        for verb in *verbs {
            let about = tree.find_subcommand(verb).and_then(Command::get_about);
            let about = about.map(ToString::to_string).unwrap_or_default();
            let _ = writeln!(text, "| [{verb}]({verb}.md) | {about} |");
        }
    }
    text
}

fn page(verb: &Command) -> String {
    let name = verb.get_name();
    let about = verb.get_long_about().or(verb.get_about());
    let about = about.map(ToString::to_string).unwrap_or_default();
    let usage = verb.clone().render_usage().to_string();
    let mut text = format!(
        "{HEADER}# kubectl casskop {name}\n\n{}\n\n```\n{}\n```\n",
        about.trim(),
        usage.trim_start_matches("Usage: ").trim()
    );
    let aliases: Vec<&str> = verb.get_visible_aliases().collect();
    if !aliases.is_empty() {
        let _ = write!(text, "\nAlso: `{}`.\n", aliases.join("`, `"));
    }
    let own = || {
        verb.get_arguments()
            .filter(|arg| !arg.is_global_set() && !arg.is_hide_set())
    };
    rows(&mut text, "Arguments", own().filter(|arg| arg.is_positional()));
    let is_flag = |arg: &&Arg| !arg.is_positional() && arg.get_id() != "help";
    rows(&mut text, "Flags", own().filter(is_flag));
    if let Some(examples) = verb.get_after_help() {
        let examples = examples.to_string();
        let lines = examples.lines().filter(|line| *line != "Examples:");
        let lines: Vec<&str> = lines
            .map(|line| line.strip_prefix("  ").unwrap_or(line))
            .collect();
        let _ = write!(text, "\n## Examples\n\n```sh\n{}\n```\n", lines.join("\n").trim());
    }
    text.push_str(
        "\n[Flags of every verb](../plugin.md#flags-of-every-verb), [exit codes](../exit-codes.md), [all verbs](README.md)\n",
    );
    text
}

fn rows<'a>(text: &mut String, heading: &str, args: impl Iterator<Item = &'a Arg>) {
    let rows: Vec<String> = args.map(row).collect();
    if !rows.is_empty() {
        let _ = write!(text, "\n## {heading}\n\n| | |\n|---|---|\n{}\n", rows.join("\n"));
    }
}

fn row(arg: &Arg) -> String {
    let values = arg.get_value_names().unwrap_or_default();
    let takes = arg.get_action().takes_values();
    let values: Vec<String> = values
        .iter()
        .filter(|_| takes)
        .map(|value| format!(" <{value}>"))
        .collect();
    let values = values.concat();
    let shown = match (arg.get_short(), arg.get_long()) {
        (Some(short), Some(long)) => format!("`-{short}`, `--{long}{values}`"),
        (None, Some(long)) => format!("`--{long}{values}`"),
        (Some(short), None) => format!("`-{short}{values}`"),
        (None, None) => format!("`{}`", values.trim()),
    };
    let mut about = arg
        .get_help()
        .map(ToString::to_string)
        .unwrap_or_default()
        .replace('|', "\\|");
    let possible = arg.get_possible_values();
    if takes && !possible.is_empty() && !arg.is_hide_possible_values_set() {
        let names: Vec<String> = possible
            .iter()
            .filter(|value| !value.is_hide_set())
            .map(|value| format!("`{}`", value.get_name()))
            .collect();
        let _ = write!(about, ": {}", names.join(", "));
    }
    let defaults = arg.get_default_values();
    if takes && !defaults.is_empty() && !arg.is_hide_default_value_set() {
        let defaults: Vec<String> = defaults
            .iter()
            .map(|value| value.to_string_lossy().into_owned())
            .collect();
        let _ = write!(about, " [default: {}]", defaults.join(" "));
    }
    format!("| {shown} | {about} |")
}

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/plugin")
}

/// The pages that are there; other files of the directory are none of them.
fn stored() -> BTreeMap<String, String> {
    let files = std::fs::read_dir(directory()).into_iter().flatten().flatten();
    files
        .filter_map(|file| {
            let text = std::fs::read_to_string(file.path()).ok()?;
            text.starts_with(HEADER).then_some(())?;
            Some((file.file_name().to_string_lossy().into_owned(), text))
        })
        .collect()
}

#[test]
fn pages_are_as_the_command_line_has_it() {
    let pages = pages();
    if std::env::var_os(WRITE).is_some() {
        std::fs::create_dir_all(directory()).unwrap();
        for gone in stored().keys().filter(|name| !pages.contains_key(*name)) {
            std::fs::remove_file(directory().join(gone)).unwrap();
        }
        for (name, text) in &pages {
            std::fs::write(directory().join(name), text).unwrap();
        }
    }
    let stored = stored();
    let differ: Vec<&String> = pages
        .keys()
        .chain(stored.keys())
        .filter(|name| pages.get(*name) != stored.get(*name))
        .collect();
    assert!(
        differ.is_empty(),
        "docs/plugin/ is not as the command line has it, run `cargo xtask docs`: {differ:?}"
    );
}
