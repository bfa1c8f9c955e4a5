//! Which word is asked for, from the words before it.

use clap::{Arg, Command, ValueHint};

/// A word that may stand there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Candidate {
    pub(super) value: String,
    /// What the shell shows beside it.
    pub(super) about: String,
}

/// Names that somebody else knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Names {
    Clusters,
    Datacenters,
    Racks,
    Pods,
    PodPrefixes,
    Namespaces,
    Contexts,
    KubeconfigClusters,
    KubeconfigUsers,
}

/// What may stand there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Wanted {
    Candidates(Vec<Candidate>),
    Names(Names),
    Files,
    Nothing,
}

/// Values of flags typed so far that say where to ask.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Flags {
    pub(super) namespace: Option<String>,
    pub(super) context: Option<String>,
    pub(super) kubeconfig: Option<String>,
    pub(super) cluster: Option<String>,
    pub(super) user: Option<String>,
    pub(super) crd: Option<String>,
}

/// The question a shell asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Question {
    pub(super) wanted: Wanted,
    /// The beginning of the word.
    pub(super) begun: String,
    /// What stands before the word without a space: `--crd=`.
    pub(super) before: String,
    pub(super) flags: Flags,
}

/// Reads the words, of which the last is unfinished. The command has to be built.
pub(super) fn question(command: &Command, words: &[String]) -> Question {
    let (last, before) = match words.split_last() {
        Some((last, before)) => (last.as_str(), before),
        None => ("", words),
    };
    let mut line = Line {
        command,
        open: None,
        positionals: 0,
        over: false,
        flags: Flags::default(),
    };
    for word in before {
        line.read(word);
    }
    let inline = last.strip_prefix("--").and_then(|rest| rest.split_once('='));
    let (wanted, begun, before) = match inline {
        Some((long, begun)) if !line.over => {
            let wanted = line.long(long).map_or(Wanted::Nothing, values);
            (wanted, begun, format!("--{long}="))
        }
        _ => (line.wanted(last), last, String::new()),
    };
    Question {
        wanted,
        begun: begun.to_owned(),
        before,
        flags: line.flags,
    }
}

/// The line as far as it was read.
struct Line<'a> {
    command: &'a Command,
    /// A flag whose values are being read, and how many it has.
    open: Option<(&'a Arg, usize)>,
    positionals: usize,
    /// After `--`, or in the arguments of another program.
    over: bool,
    flags: Flags,
}

impl<'a> Line<'a> {
    fn read(&mut self, word: &str) {
        if self.over {
            return;
        }
        if word == "--" {
            self.over = true;
        } else if let Some(long) = word.strip_prefix("--") {
            let (long, value) = match long.split_once('=') {
                Some((long, value)) => (long, Some(value)),
                None => (long, None),
            };
            let flag = self.long(long).filter(|flag| flag.get_action().takes_values());
            match (flag, value) {
                (Some(flag), Some(value)) => self.flags.note(flag, value),
                (flag, _) => self.open = flag.map(|flag| (flag, 0)),
            }
        } else if let Some(short) = word.strip_prefix('-').filter(|short| !short.is_empty()) {
            let mut letters = short.chars();
            let letter = letters.next();
            let flags = self.command.get_arguments();
            let flag = flags
                .filter(|flag| flag.get_action().takes_values())
                .find(|flag| flag.get_short() == letter);
            match (flag, letters.as_str()) {
                (Some(flag), "") => self.open = Some((flag, 0)),
                (Some(flag), value) => self.flags.note(flag, value),
                (None, _) => self.open = None,
            }
        } else if let Some((flag, taken)) = self.open {
            self.flags.note(flag, word);
            self.open = takes_more(flag, taken + 1).then_some((flag, taken + 1));
        } else if let Some(verb) = self
            .command
            .find_subcommand(word)
            .filter(|_| self.positionals == 0)
        {
            self.command = verb;
        } else {
            self.positionals += 1;
            self.over = self
                .command
                .get_positionals()
                .any(clap::Arg::is_trailing_var_arg_set);
        }
    }

    fn wanted(&self, word: &str) -> Wanted {
        if self.over {
            return Wanted::Nothing;
        }
        match self.open {
            Some((flag, 0)) => return values(flag),
            Some((flag, _)) if !word.starts_with('-') => return values(flag),
            _ => {}
        }
        if word.starts_with('-') {
            return Wanted::Candidates(self.flag_names());
        }
        let verbs: Vec<Candidate> = self
            .command
            .get_subcommands()
            .filter(|verb| !verb.is_hide_set())
            .map(|verb| candidate(verb.get_name(), verb.get_about().map(ToString::to_string)))
            .collect();
        if !verbs.is_empty() {
            return Wanted::Candidates(verbs);
        }
        let positionals: Vec<&Arg> = self.command.get_positionals().collect();
        let asked = positionals.get(self.positionals).or_else(|| {
            let last = positionals.last();
            last.filter(|last| takes_more(last, self.positionals))
        });
        asked.map_or(Wanted::Nothing, |positional| values(positional))
    }

    fn long(&self, long: &str) -> Option<&'a Arg> {
        let mut flags = self.command.get_arguments();
        flags.find(|flag| flag.get_long() == Some(long))
    }

    fn flag_names(&self) -> Vec<Candidate> {
        let flags = self.command.get_arguments().filter(|flag| !flag.is_hide_set());
        let named = flags.filter_map(|flag| {
            let about = flag.get_help().map(ToString::to_string);
            Some(candidate(&format!("--{}", flag.get_long()?), about))
        });
        named.collect()
    }
}

impl Flags {
    fn note(&mut self, flag: &Arg, value: &str) {
        let place = match flag.get_id().as_str() {
            "namespace" => &mut self.namespace,
            "context" => &mut self.context,
            "kubeconfig" => &mut self.kubeconfig,
            "cluster" => &mut self.cluster,
            "user" => &mut self.user,
            "crd" => &mut self.crd,
            _ => return,
        };
        *place = Some(value.to_owned());
    }
}

fn candidate(value: &str, about: Option<String>) -> Candidate {
    Candidate {
        value: value.to_owned(),
        // One line, for a shell shows no more.
        about: about
            .and_then(|about| about.lines().next().map(str::to_owned))
            .unwrap_or_default(),
    }
}

fn takes_more(arg: &Arg, taken: usize) -> bool {
    let most = arg.get_num_args().map_or(1, |range| range.max_values());
    taken < most
}

/// What may be the value of a flag, or of an argument without one.
fn values(arg: &Arg) -> Wanted {
    let listed: Vec<Candidate> = arg
        .get_possible_values()
        .iter()
        .filter(|value| !value.is_hide_set())
        .map(|value| candidate(value.get_name(), value.get_help().map(ToString::to_string)))
        .collect();
    if !listed.is_empty() {
        return Wanted::Candidates(listed);
    }
    if arg.get_value_hint() == ValueHint::FilePath || arg.get_id() == "kubeconfig" {
        return Wanted::Files;
    }
    match arg.get_id().as_str() {
        "crd" => Wanted::Names(Names::Clusters),
        // As a flag it is of an object to be made.
        "name" if arg.is_positional() => Wanted::Names(Names::Clusters),
        "dc" | "from_dc" | "words" => Wanted::Names(Names::Datacenters),
        "rack" => Wanted::Names(Names::Racks),
        "pod" | "from_pod" => Wanted::Names(Names::Pods),
        "prefix" => Wanted::Names(Names::PodPrefixes),
        "namespace" => Wanted::Names(Names::Namespaces),
        "context" => Wanted::Names(Names::Contexts),
        "cluster" => Wanted::Names(Names::KubeconfigClusters),
        "user" => Wanted::Names(Names::KubeconfigUsers),
        _ => Wanted::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli;
    use crate::invocation::Invocation;

    fn asked(line: &str) -> Question {
        let mut command = cli::command(&Invocation::of(None));
        command.build();
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        question(&command, &words)
    }

    fn listed(line: &str) -> Vec<String> {
        match asked(line).wanted {
            Wanted::Candidates(candidates) => {
                candidates.into_iter().map(|candidate| candidate.value).collect()
            }
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn verbs_and_flags_are_those_of_the_command_line() {
        let verbs = listed("");
        assert!(
            ["restart", "cleanup", "logs", "version"]
                .iter()
                .all(|verb| verbs.iter().any(|known| known == verb))
        );
        let flags = listed("-n data restart --");
        assert!(
            ["--crd", "--rack", "--wait", "--namespace"]
                .iter()
                .all(|flag| flags.iter().any(|known| known == flag))
        );
        assert!(!listed("restart --").contains(&"--previous".to_owned()));
        assert!(listed("cleanup ").contains(&"status".to_owned()));
        assert_eq!(listed("version --color "), ["auto", "always", "never"]);
    }

    #[test]
    fn names_are_asked_for_where_names_stand() {
        for (line, names) in [
            ("restart --crd ", Names::Clusters),
            ("status ", Names::Clusters),
            ("rebuild --pod demo-dc2-rack1-0 ", Names::Datacenters),
            ("restart --crd=", Names::Clusters),
            ("restart --crd demo --rack ", Names::Racks),
            ("restart --crd demo --rack dc1.rack1 dc1", Names::Racks),
            ("cleanup start --dc d", Names::Datacenters),
            ("nodetool --pod ", Names::Pods),
            ("removenode --from-pod ", Names::Pods),
            ("logs --prefix ", Names::PodPrefixes),
            ("logs -n ", Names::Namespaces),
            ("--context ", Names::Contexts),
        ] {
            assert_eq!(asked(line).wanted, Wanted::Names(names), "{line}");
        }
        assert_eq!(asked("version --kubeconfig ").wanted, Wanted::Files);
        for line in [
            "nodetool status ",
            "cqlsh -- ",
            "removenode --host-id ",
            "task create flush --name ",
        ] {
            assert_eq!(asked(line).wanted, Wanted::Nothing, "{line}");
        }
    }

    #[test]
    fn what_was_typed_says_where_to_ask() {
        let question = asked("-ndata --context=lab cleanup --crd demo start --rack dc1.r");
        assert_eq!(question.begun, "dc1.r");
        assert_eq!(
            question.flags,
            Flags {
                namespace: Some("data".to_owned()),
                context: Some("lab".to_owned()),
                crd: Some("demo".to_owned()),
                ..Flags::default()
            }
        );
        let inline = asked("restart --crd=de");
        assert_eq!((inline.before.as_str(), inline.begun.as_str()), ("--crd=", "de"));
    }
}
