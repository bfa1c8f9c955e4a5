//! Text of others on a terminal: annotations, messages and names may hold control sequences, which a terminal would obey.

use crate::printer::Ink;

/// What stands for a control character.
const INSTEAD: char = char::REPLACEMENT_CHARACTER;

/// The text without control characters, but with its lines and tabs.
pub(crate) fn printable(text: &str) -> String {
    let shown = |c: char| match c {
        '\n' | '\t' => c,
        c if c.is_control() => INSTEAD,
        c => c,
    };
    text.chars().map(shown).collect()
}

/// The same for what is painted already: of control sequences only our own colors are left, and those only where there are colors.
pub(crate) fn painted(text: &str, ink: Ink) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while ink == Ink::Colored
        && let Some((at, code)) = next_color(rest)
    {
        out.push_str(&printable(&rest[..at]));
        out.push_str(code);
        rest = &rest[at + code.len()..];
    }
    out.push_str(&printable(rest));
    out
}

fn next_color(text: &str) -> Option<(usize, &'static str)> {
    let codes = Ink::CODES.iter();
    codes
        .filter_map(|code| Some((text.find(code)?, *code)))
        .min_by_key(|(at, _)| *at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::Failure;
    use crate::host::{Asked, Buffers, Host, Screen};
    use crate::printer::{Printer, Stream, Tone};

    #[test]
    fn control_characters_are_seen_and_not_obeyed() {
        assert_eq!(
            printable("a\u{1b}[2Jb\u{9b}31m\r\u{7}c\n\td"),
            "a\u{fffd}[2Jb\u{fffd}31m\u{fffd}\u{fffd}c\n\td"
        );
        for tone in [Tone::Good, Tone::Bad, Tone::Busy, Tone::Quiet] {
            let ours = Ink::Colored.paint(tone, "x\u{1b}[31my");
            assert!(ours.contains("x\u{fffd}[31my"), "{ours:?}");
            assert_eq!(painted(&ours, Ink::Colored), ours);
            assert!(!painted(&ours, Ink::Plain).contains('\u{1b}'));
        }
        assert_eq!(Ink::Plain.paint(Tone::Bad, "x\u{1b}[31my"), "x\u{fffd}[31my");
        assert_eq!(
            painted("\u{1b}]0;title\u{7}", Ink::Colored),
            "\u{fffd}]0;title\u{fffd}"
        );
    }

    #[test]
    fn whatever_is_said_to_people_is_printable_and_output_for_programs_is_as_it_is() {
        let mut buffers = Buffers::default();
        let mut printer = Printer::plain(Host {
            out_screen: Screen::Terminal,
            err_screen: Screen::Terminal,
            asked: Asked::Somebody,
            ..buffers.host()
        });
        let foreign = "a\u{1b}[2Jb";
        printer.line(foreign).unwrap();
        printer.text(foreign).unwrap();
        printer.result(foreign, &[], &serde_json::json!(null)).unwrap();
        printer.note(foreign);
        printer.aside(foreign);
        printer.warning(foreign);
        printer.ask(foreign);
        printer.error(&Failure::Wrong(foreign.to_owned()));
        printer.pass(Stream::Out, b"\x1b[2J").unwrap();
        drop(printer);
        let seen = "a\u{fffd}[2Jb\n";
        assert_eq!(
            String::from_utf8(buffers.out).unwrap(),
            format!("{}\u{1b}[2J", seen.repeat(3))
        );
        let err = String::from_utf8(buffers.err).unwrap();
        assert_eq!(err.matches("a\u{fffd}[2Jb").count(), 5, "{err:?}");
        assert!(!err.contains('\u{1b}'), "{err:?}");
    }
}
