//! Lines of ours inside a file of somebody else's.
//!
//! An init container that fails is started again without the ones before it, so every file is written by a step that may
//! have written it before. A marked section is replaced as a whole, never appended twice.

const BEGIN: &str = "# >>> casskop:";
const END: &str = "# <<< casskop:";

/// `text` with the section `name` holding exactly `lines`, at the end; without the section if `lines` is empty.
pub fn with_section(text: &str, name: &str, lines: &[String]) -> String {
    let mut out = without_section(text, name);
    if lines.is_empty() {
        return out;
    }
    if !out.is_empty() && !out.ends_with('\n') {
        out.push('\n');
    }
    out + &format!("{BEGIN} {name}\n{}\n{END} {name}\n", lines.join("\n"))
}

/// `text` without the section `name`.
pub fn without_section(text: &str, name: &str) -> String {
    let (begin, end) = (format!("{BEGIN} {name}"), format!("{END} {name}"));
    let mut inside = false;
    let mut out = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        if line.trim_end() == begin {
            inside = true;
        } else if line.trim_end() == end {
            inside = false;
        } else if !inside {
            out.push_str(line);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_is_replaced_not_repeated() {
        let first = with_section("a=1", "agents", &["b=2".into()]);
        assert_eq!(first, "a=1\n# >>> casskop: agents\nb=2\n# <<< casskop: agents\n");
        let second = with_section(&first, "agents", &["c=3".into()]);
        assert_eq!(second, "a=1\n# >>> casskop: agents\nc=3\n# <<< casskop: agents\n");
        assert_eq!(with_section(&second, "agents", &[]), "a=1\n");
    }

    #[test]
    fn sections_do_not_disturb_each_other() {
        let both = with_section(&with_section("", "one", &["1".into()]), "two", &["2".into()]);
        assert_eq!(
            without_section(&both, "one"),
            "# >>> casskop: two\n2\n# <<< casskop: two\n"
        );
    }
}
