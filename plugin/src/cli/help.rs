//! How help looks: verbs in groups, and everything under the name the user typed.

use std::fmt::Write as _;

use clap::Command;

use super::Invocation;

/// Verbs in the order of help, by what one is about to do. Every verb is in one group (tested).
pub(super) const GROUPS: &[(&str, &[&str])] = &[
    ("Look", &["status"]),
    ("Restart", &["restart"]),
    (
        "Operations on nodes",
        &[
            "cleanup",
            "rebuild",
            "upgradesstables",
            "scrub",
            "compact",
            "flush",
            "garbagecollect",
            "pause",
            "unpause",
        ],
    ),
    ("Tasks of whole clusters", &["task", "schedule"]),
    ("Fewer nodes", &["decommission"]),
    ("Lost nodes", &["replace", "removenode", "remove"]),
    ("Clusters", &["plan", "reconcile"]),
    ("Looking closer", &["tree", "seeds", "logs", "nodetool", "cqlsh"]),
    ("When something is wrong", &["check", "report"]),
    ("Other", &["install", "version", "completion"]),
];

/// The name under which examples are written in the source.
const WRITTEN: &str = "kubectl casskop";

/// Columns of help. Not the terminal's: help is also read in files, and looks the same everywhere.
const WIDTH: usize = 100;

/// Gives a tree of commands the name it was called by.
pub(super) fn shown_as(command: Command, invocation: &Invocation) -> Command {
    let template = format!(
        "{{about-with-newline}}\n{{usage-heading}} {{usage}}\n{}\nGlobal flags:\n{{options}}\n\n\
         Use `{name} VERB --help` for the flags and examples of a verb.\n",
        groups(&command),
        name = invocation.as_str(),
    );
    let command = command
        .bin_name(invocation.as_str())
        .term_width(WIDTH)
        .help_template(template)
        .override_usage(format!("{} VERB [FLAGS]", invocation.as_str()));
    let verbs: Vec<String> = command
        .get_subcommands()
        .map(|verb| verb.get_name().to_owned())
        .collect();
    verbs.into_iter().fold(command, |command, verb| {
        command.mut_subcommand(verb, |verb| {
            match verb.get_after_help().map(ToString::to_string) {
                Some(examples) => verb.after_help(examples.replace(WRITTEN, invocation.as_str())),
                None => verb,
            }
        })
    })
}

fn groups(command: &Command) -> String {
    let mut text = String::new();
    for (heading, verbs) in GROUPS {
        text.push('\n');
        text.push_str(heading);
        text.push_str(":\n");
        for verb in command
            .get_subcommands()
            .filter(|verb| verbs.contains(&verb.get_name()))
        {
            let about = verb.get_about().map(ToString::to_string).unwrap_or_default();
            let _ = writeln!(text, "  {:<16}{about}", verb.get_name());
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::cli::Cli;

    #[test]
    fn every_verb_is_in_one_group_and_has_examples() {
        for verb in Cli::command().get_subcommands() {
            let groups = GROUPS
                .iter()
                .filter(|(_, verbs)| verbs.contains(&verb.get_name()))
                .count();
            assert_eq!(groups, 1, "{}", verb.get_name());
            let examples = verb.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(examples.contains(WRITTEN), "{} has no examples", verb.get_name());
        }
    }
}
