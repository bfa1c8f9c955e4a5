//! Asks before something is lost, and says what.

use casskop_core::guard::Loss;

use crate::cli::{Consent, DryRun};
use crate::failure::Failure;
use crate::printer::{Answer, Printer};

/// Goes on only with a yes. What will be lost is said in any case.
pub(super) fn confirm(
    loss: &Loss,
    consent: Consent,
    dry_run: DryRun,
    printer: &mut Printer<'_>,
) -> Result<(), Failure> {
    printer.warning(&loss.to_string());
    if dry_run != DryRun::None || consent == Consent::Given {
        return Ok(());
    }
    let question = format!("Really {}?", loss.deed());
    match (printer.ask(&question), consent) {
        (Some(Answer::Yes), _) | (None, Consent::AskIfSomebodyIsThere) => Ok(()),
        (Some(Answer::No), _) => Err(Failure::Declined),
        (None, _) => Err(Failure::NobodyToAsk { deed: loss.deed() }),
    }
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;
    use crate::exit::ExitStatus;
    use crate::host::{Asked, Buffers, Host};

    /// What is shown, and how it ends.
    fn asked(input: &str, asked: Asked, consent: Consent, dry_run: DryRun) -> (String, Option<ExitStatus>) {
        let mut buffers = Buffers::default();
        let host = Host {
            input: &mut input.as_bytes(),
            asked,
            ..buffers.host()
        };
        let loss = Loss::Removed {
            node: "10.0.0.7".to_owned(),
        };
        let ended = confirm(&loss, consent, dry_run, &mut Printer::plain(host));
        assert!(buffers.out.is_empty(), "questions are no results");
        (
            String::from_utf8(buffers.err).unwrap(),
            ended.err().map(|failure| failure.status()),
        )
    }

    #[test]
    fn only_a_clear_yes_is_one() {
        for (input, status) in [
            ("y\n", None),
            (" YES \nmore", None),
            ("\n", Some(ExitStatus::Refused)),
            ("n\n", Some(ExitStatus::Refused)),
            ("yesterday\n", Some(ExitStatus::Refused)),
            ("", Some(ExitStatus::Refused)),
        ] {
            for consent in [Consent::Ask, Consent::AskIfSomebodyIsThere] {
                let (shown, ended) = asked(input, Asked::Somebody, consent, DryRun::None);
                assert_eq!(ended, status, "{input:?}");
                assert_eq!(
                    shown,
                    "warning: node 10.0.0.7 will leave the ring for good; the other replicas take over what it held\n\
                     Really remove node 10.0.0.7 from the ring? [y/N] "
                );
            }
        }
    }

    #[test]
    fn nobody_is_no_yes_but_for_casskops_scripts() {
        let status = |consent, dry_run| asked("y\n", Asked::Nobody, consent, dry_run).1;
        assert_eq!(status(Consent::Ask, DryRun::None), Some(ExitStatus::Refused));
        assert_eq!(status(Consent::AskIfSomebodyIsThere, DryRun::None), None);
        assert_eq!(status(Consent::Given, DryRun::None), None);
        assert_eq!(status(Consent::Ask, DryRun::Client), None);
        assert_eq!(status(Consent::Ask, DryRun::Server), None);
    }

    #[test]
    fn refusals_say_what_to_do() {
        let deed = "remove node 10.0.0.7 from the ring".to_owned();
        assert_snapshot!(
            Failure::NobodyToAsk { deed },
            @"nobody can be asked whether to remove node 10.0.0.7 from the ring, since standard input is no terminal; add --yes"
        );
        assert_snapshot!(Failure::Declined, @"not confirmed; nothing was written");
    }
}
