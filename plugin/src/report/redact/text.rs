//! Secrets in texts: files of configuration, scripts, logs.

use super::{REDACTED, is_secret_name};

/// Takes secrets out of a text: `password: x` and the lines of such a block, `PASSWORD=x`, `"token": "x"`, `--password x`,
/// `https://user:x@host`, and private keys.
pub(crate) fn text(text: &str) -> String {
    let text = without_private_keys(text);
    let mut out = String::with_capacity(text.len());
    let mut block: Option<Block> = None;
    let mut flags = Flags::default();
    for line in text.split_inclusive('\n') {
        let (line, end) = match line.strip_suffix('\n') {
            Some(line) => (line, "\n"),
            None => (line, ""),
        };
        if let Some(open) = &mut block {
            if line.trim().is_empty() && !open.told {
                out.push_str(line);
                out.push_str(end);
                continue;
            }
            if open.holds(line) {
                if !std::mem::replace(&mut open.told, true) {
                    out.push_str(&line[..line.len() - line.trim_start().len()]);
                    out.push_str(REDACTED);
                    out.push_str(end);
                }
                continue;
            }
            block = None;
        }
        let shown = flags.redacted(&redacted(line));
        out.push_str(&without_logins(&shown));
        out.push_str(end);
        if let Some(begun) = Block::begun_by(line) {
            block = Some(begun);
        }
    }
    out
}

/// What belongs to a secret name of YAML or JSON at the beginning of a line: every line that is indented more deeply.
struct Block {
    column: usize,
    /// A list may be at the column of its name.
    bare: bool,
    /// Whether it is said already that something was taken out.
    told: bool,
}

impl Block {
    fn begun_by(line: &str) -> Option<Self> {
        let mut from = line.trim_start();
        while let Some(item) = from.strip_prefix("- ") {
            from = item.trim_start();
        }
        let column = line.len() - from.len();
        let (name, value) = from.split_once(':')?;
        let name = name.trim_end().trim_matches(['"', '\'']);
        let bare = value.trim().is_empty() || value.trim_start().starts_with('#');
        (!name.contains([' ', '\t', '=']) && is_secret_name(name)).then_some(Self {
            column,
            bare,
            told: !bare,
        })
    }

    fn holds(&self, line: &str) -> bool {
        let from = line.trim_start();
        let column = line.len() - from.len();
        from.is_empty()
            || column > self.column
            || self.bare && column == self.column && from.starts_with("- ")
    }
}

/// Flags of command lines whose value is the next word.
#[derive(Default)]
struct Flags {
    /// `cqlsh` was called: there `-p` is a password, in other tools a port or something else.
    cqlsh: bool,
    /// The next word is a secret.
    secret: bool,
}

impl Flags {
    fn redacted(&mut self, line: &str) -> String {
        let mut out = String::with_capacity(line.len());
        let mut rest = line;
        loop {
            let word = rest.trim_start();
            out.push_str(&rest[..rest.len() - word.len()]);
            if word.is_empty() {
                break;
            }
            let blank = word.find(char::is_whitespace).unwrap_or(word.len());
            let bare = word[..blank].trim_matches(['"', '\'', ',', '[', ']', '(', ')', '`', ';']);
            let end = if self.secret && bare != "\\" {
                self.secret = false;
                let end = quoted_end(word).unwrap_or(blank);
                out.push_str(REDACTED);
                end
            } else if self.cqlsh && bare.starts_with("-p") && bare.len() > 2 {
                out.push_str("-p");
                out.push_str(REDACTED);
                blank
            } else {
                self.cqlsh |= bare.contains("cqlsh");
                self.secret |= is_secret_flag(bare, self.cqlsh);
                out.push_str(&word[..blank]);
                blank
            };
            rest = &word[end..];
        }
        if !line.ends_with('\\') {
            *self = Self::default();
        }
        out
    }
}

/// Whether the value of a flag is a secret, and the next word.
pub(super) fn is_secret_flag(word: &str, after_cqlsh: bool) -> bool {
    let names = word.starts_with('-') && !word.contains(['=', ':']) && is_secret_name(word);
    names || after_cqlsh && word == "-p"
}

/// A line without the values after secret names.
fn redacted(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(at) = rest.find([':', '=']) {
        let (before, from) = rest.split_at(at);
        let (sign, after) = from.split_at(1);
        out.push_str(before);
        out.push_str(sign);
        rest = after;
        let name = before.trim_end_matches(['"', '\'', ' ']);
        let name = name
            .rsplit([' ', '\t', '"', '\'', ',', '{', '&', '?', ';'])
            .next()
            .unwrap_or(name);
        if !is_secret_name(name) {
            continue;
        }
        let value = after.trim_start_matches([' ', '\t']);
        out.push_str(&after[..after.len() - value.len()]);
        let end = value_end(value, sign);
        if end > 0 {
            out.push_str(REDACTED);
        }
        rest = &value[end..];
    }
    out.push_str(rest);
    out
}

/// Where a value ends: at its closing quote; after `=` at a blank; else with the line, since YAML's values may hold blanks.
fn value_end(value: &str, sign: &str) -> usize {
    if let Some(end) = quoted_end(value) {
        return end;
    }
    if sign == "=" {
        return value.find([' ', '\t', '&', ',', ';']).unwrap_or(value.len());
    }
    value.len()
}

/// Where a quoted value ends, if it is one; with the line if its quote is not closed. In quotes `\"` and `''` end nothing.
fn quoted_end(value: &str) -> Option<usize> {
    for escaped in ["\\\"", "\\'"] {
        if let Some(held) = value.strip_prefix(escaped) {
            let end = held.find(escaped).map(|at| at + 2 * escaped.len());
            return Some(end.unwrap_or(value.len()));
        }
    }
    let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    let mut signs = value.char_indices().skip(1).peekable();
    while let Some((at, sign)) = signs.next() {
        if sign == '\\' && quote == '"'
            || sign == quote && quote == '\'' && signs.peek().is_some_and(|(_, c)| *c == quote)
        {
            signs.next();
        } else if sign == quote {
            return Some(at + 1);
        }
    }
    Some(value.len())
}

/// `https://user:password@host` without the password.
fn without_logins(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        out.push_str(before);
        let authority = after.split(['/', ' ', '"', '\'']).next().unwrap_or_default();
        match authority
            .rsplit_once('@')
            .and_then(|(login, _)| login.split_once(':'))
        {
            Some((user, password)) => {
                out.push_str(user);
                out.push(':');
                out.push_str(REDACTED);
                rest = &after[user.len() + 1 + password.len()..];
            }
            None => rest = after,
        }
    }
    out.push_str(rest);
    out
}

/// Private keys in PEM, on lines of their own or in a string; one without an end takes the rest of the text with it.
fn without_private_keys(text: &str) -> String {
    const BEGIN: &str = "-----BEGIN ";
    const DASHES: &str = "-----";
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(BEGIN) {
        let (before, from) = rest.split_at(at);
        out.push_str(before);
        let label = from[BEGIN.len()..].split(DASHES).next().unwrap_or_default();
        if !label.contains("PRIVATE KEY") || label.contains('\n') {
            out.push_str(BEGIN);
            rest = &from[BEGIN.len()..];
            continue;
        }
        out.push_str(REDACTED);
        let end = format!("-----END {label}{DASHES}");
        rest = from.find(&end).map_or("", |at| &from[at + end.len()..]);
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_after_secret_names_go_and_others_stay() {
        for (line, redacted) in [
            ("password: hunter 2", "password: <redacted>"),
            (
                "  keystore_password: 'x y' # changed",
                "  keystore_password: <redacted> # changed",
            ),
            ("JMX_PASSWORD=x -Dother=y", "JMX_PASSWORD=<redacted> -Dother=y"),
            (
                "-Djavax.net.ssl.keyStorePassword=x -ea",
                "-Djavax.net.ssl.keyStorePassword=<redacted> -ea",
            ),
            (
                r#"{"user": "a", "token": "x", "n": 1}"#,
                r#"{"user": "a", "token": <redacted>, "n": 1}"#,
            ),
            (r#"{"token": "x\"y", "n": 1}"#, r#"{"token": <redacted>, "n": 1}"#),
            (r#"password="x\\" n=1"#, "password=<redacted> n=1"),
            ("password: 'it''s x' # n", "password: <redacted> # n"),
            (r#"password=\"x y\" n=1"#, "password=<redacted> n=1"),
            ("Authorization: Basic eHh4", "Authorization: <redacted>"),
            (
                "connect to https://ann:x@host:8080/path",
                "connect to https://ann:<redacted>@host:8080/path",
            ),
            (
                "initial_token: -9223372036854775808",
                "initial_token: -9223372036854775808",
            ),
            ("num_tokens: 16", "num_tokens: 16"),
            ("secret \"jolokia\" not found", "secret \"jolokia\" not found"),
            ("password:", "password:"),
            ("listen_address: 10.0.0.1", "listen_address: 10.0.0.1"),
        ] {
            assert_eq!(text(line), redacted);
        }
        assert_eq!(text("a: 1\npwd: x\nb: 2\n"), "a: 1\npwd: <redacted>\nb: 2\n");
    }

    #[test]
    fn words_after_secret_flags_go_and_others_stay() {
        for (line, redacted) in [
            (
                "nodetool -u a -pw x -p 7199 info",
                "nodetool -u a -pw <redacted> -p 7199 info",
            ),
            ("run --password x --user a", "run --password <redacted> --user a"),
            (
                "run --password \"x y\" --user a",
                "run --password <redacted> --user a",
            ),
            ("bin/cqlsh -u a -p x -e q", "bin/cqlsh -u a -p <redacted> -e q"),
            ("cqlsh -px -e q", "cqlsh -p<redacted> -e q"),
            (
                r#"["cqlsh", "-p", "x", "-e"]"#,
                r#"["cqlsh", "-p", <redacted>, "-e"]"#,
            ),
            (
                "cqlsh \\\n  -p \\\n  x \\\n  -e q\nmkdir -p /y",
                "cqlsh \\\n  -p \\\n  <redacted> \\\n  -e q\nmkdir -p /y",
            ),
            ("mkdir -p /x", "mkdir -p /x"),
            ("nodetool -pwf /x info", "nodetool -pwf /x info"),
        ] {
            assert_eq!(text(line), redacted);
        }
    }

    #[test]
    fn blocks_under_secret_names_go_and_what_follows_stays() {
        for (block, redacted) in [
            ("password: |\n  x\n\n  y\nb: 2\n", "password: <redacted>\nb: 2\n"),
            (
                "a:\n  token: >-\n    x\n  b: 2\n",
                "a:\n  token: <redacted>\n  b: 2\n",
            ),
            (
                "secret:\n  k: x\n  l: [y]\nb: 2\n",
                "secret:\n  <redacted>\nb: 2\n",
            ),
            ("tokens:\n- x\n- y\nb: 2\n", "tokens:\n<redacted>\nb: 2\n"),
            (
                "- password: |\n    x\n  b: 2\n",
                "- password: <redacted>\n  b: 2\n",
            ),
            ("password: \"x\n  y\"\nb: 2\n", "password: <redacted>\nb: 2\n"),
            (
                "  \"token\": {\n    \"a\": 1\n  },\n",
                "  \"token\": <redacted>\n  },\n",
            ),
            ("password:\nb: 2\n", "password:\nb: 2\n"),
            ("password:\n\nb: 2\n", "password:\n\nb: 2\n"),
            ("a:\n  k: x\n", "a:\n  k: x\n"),
        ] {
            assert_eq!(text(block), redacted);
        }
    }

    #[test]
    fn private_keys_go_and_certificates_stay() {
        let key = "-----BEGIN RSA PRIVATE KEY-----\nxx\nyy\n-----END RSA PRIVATE KEY-----";
        let certificate = "-----BEGIN CERTIFICATE-----\nzz\n-----END CERTIFICATE-----";
        assert_eq!(
            text(&format!("a\n{certificate}\n{key}\nb\n")),
            format!("a\n{certificate}\n<redacted>\nb\n")
        );
        let in_one_line = key.replace('\n', "\\n");
        assert_eq!(text(&format!("k = '{in_one_line}', b")), "k = '<redacted>', b");
        assert_eq!(text("a\n-----BEGIN PRIVATE KEY-----\nxx\n"), "a\n<redacted>");
    }
}
