//! Dockerfiles, as far as this project's own use them: what is not known is refused by its line, never skipped.
//! `docker build` reads the same files, so that users with an engine and the lab without one get the same images.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};

/// One line of a Dockerfile, with what it continues on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Instruction {
    /// Begins a stage.
    From {
        /// The image or the earlier stage it starts from.
        image: String,
        /// Its own name.
        stage: Option<String>,
    },
    /// Declares an argument of the build.
    Arg {
        /// Its name.
        name: String,
        /// Its value unless another is given.
        default: Option<String>,
    },
    /// Sets variables of the environment.
    Env(Vec<(String, String)>),
    /// Runs a command in the image as it is so far.
    Run(CommandLine),
    /// Puts files into the image.
    Copy(Copy),
    /// Who runs what follows, and the container.
    User(String),
    /// Where it runs.
    WorkDir(String),
    /// The container's program.
    Entrypoint(CommandLine),
    /// Its arguments, or the program where there is no entry point.
    Cmd(CommandLine),
    /// Ports the container listens on; a note for readers.
    Expose(Vec<String>),
    /// Labels of the image.
    Label(Vec<(String, String)>),
}

/// A command in one of its two notations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CommandLine {
    /// Words, run as they are.
    Exec(Vec<String>),
    /// Text for a shell.
    Shell(String),
}

impl CommandLine {
    /// The words that are run.
    pub fn words(&self) -> Vec<String> {
        match self {
            Self::Exec(words) => words.clone(),
            Self::Shell(text) => ["/bin/sh", "-c", text].map(str::to_owned).into(),
        }
    }
}

/// `COPY`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Copy {
    /// The stage the files come from; the build's own directory where none is named.
    pub from: Option<String>,
    /// Owner and group, as numbers.
    pub owner: (u32, u32),
    /// Permissions, if not those of the source.
    pub mode: Option<u32>,
    /// What is copied. A directory stands for what is in it.
    pub sources: Vec<String>,
    /// Where it goes; a directory if it ends with a slash.
    pub destination: String,
}

/// Reads a Dockerfile.
pub fn parse(text: &str) -> Result<Vec<Instruction>> {
    logical_lines(text)?
        .into_iter()
        .map(|(number, line)| instruction(&line).with_context(|| format!("line {number}: {line}")))
        .collect()
}

/// Replaces `$NAME` and `${NAME}`; what is not set becomes empty, as Docker does it.
pub fn expand(text: &str, variables: &BTreeMap<String, String>) -> String {
    let mut expanded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find('$') {
        expanded.push_str(&rest[..start]);
        rest = &rest[start + 1..];
        let name = if let Some(braced) = rest.strip_prefix('{') {
            let end = braced.find('}').unwrap_or(braced.len());
            rest = braced.get(end + 1..).unwrap_or_default();
            &braced[..end]
        } else {
            let is_name = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
            let end = rest.find(|letter| !is_name(letter)).unwrap_or(rest.len());
            let (name, after) = rest.split_at(end);
            rest = after;
            name
        };
        expanded.push_str(variables.get(name).map_or("", String::as_str));
    }
    expanded + rest
}

/// Lines with their continuations joined and comments left out, each with the number it began at.
fn logical_lines(text: &str) -> Result<Vec<(usize, String)>> {
    let mut lines = Vec::new();
    let mut open: Option<(usize, String)> = None;
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        // A comment may stand within a continued instruction.
        if line.starts_with('#') || (line.is_empty() && open.is_none()) {
            continue;
        }
        let (number, mut joined) = open.take().unwrap_or((index + 1, String::new()));
        if let Some(continued) = line.strip_suffix('\\') {
            joined.push_str(continued);
            open = Some((number, joined));
        } else {
            joined.push_str(line);
            lines.push((number, joined));
        }
    }
    if let Some((number, _)) = open {
        bail!("line {number} is continued past the end of the file");
    }
    Ok(lines)
}

fn instruction(line: &str) -> Result<Instruction> {
    let (keyword, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    let rest = rest.trim();
    Ok(match keyword.to_ascii_uppercase().as_str() {
        "FROM" => from(rest)?,
        "ARG" => match rest.split_once('=') {
            Some((name, default)) => Instruction::Arg {
                name: name.into(),
                default: Some(unquote(default).into()),
            },
            None => Instruction::Arg {
                name: rest.into(),
                default: None,
            },
        },
        "ENV" => Instruction::Env(pairs(rest)?),
        "LABEL" => Instruction::Label(pairs(rest)?),
        "RUN" if rest.starts_with("--") || rest.contains("<<") => {
            bail!("RUN takes neither flags nor here documents here")
        }
        "RUN" => Instruction::Run(command_line(rest)?),
        "COPY" => Instruction::Copy(copy(rest)?),
        "USER" => Instruction::User(rest.into()),
        "WORKDIR" => Instruction::WorkDir(rest.into()),
        "ENTRYPOINT" => Instruction::Entrypoint(command_line(rest)?),
        "CMD" => Instruction::Cmd(command_line(rest)?),
        "EXPOSE" => Instruction::Expose(rest.split_whitespace().map(str::to_owned).collect()),
        other => bail!("the instruction {other} is not supported"),
    })
}

fn from(rest: &str) -> Result<Instruction> {
    let words: Vec<&str> = rest.split_whitespace().collect();
    match words[..] {
        [image] => Ok(Instruction::From {
            image: image.into(),
            stage: None,
        }),
        [image, keyword, stage] if keyword.eq_ignore_ascii_case("as") => Ok(Instruction::From {
            image: image.into(),
            stage: Some(stage.into()),
        }),
        _ => bail!("FROM wants IMAGE or IMAGE AS STAGE"),
    }
}

fn copy(rest: &str) -> Result<Copy> {
    let mut words: Vec<String> = rest.split_whitespace().map(str::to_owned).collect();
    let mut copy = Copy::default();
    while words.first().is_some_and(|word| word.starts_with("--")) {
        let flag = words.remove(0);
        match flag.split_once('=') {
            Some(("--from", stage)) => copy.from = Some(stage.into()),
            Some(("--chown", owner)) => {
                let (user, group) = owner.split_once(':').unwrap_or((owner, owner));
                copy.owner = (user.parse()?, group.parse()?);
            }
            Some(("--chmod", mode)) => copy.mode = Some(u32::from_str_radix(mode, 8)?),
            _ => bail!("COPY does not know {flag}"),
        }
    }
    copy.destination = words.pop().context("COPY names no destination")?;
    if words.is_empty() {
        bail!("COPY names no source");
    }
    copy.sources = words;
    Ok(copy)
}

fn command_line(rest: &str) -> Result<CommandLine> {
    if rest.starts_with('[') {
        return Ok(CommandLine::Exec(
            serde_json::from_str(rest).context("not a JSON list of words")?,
        ));
    }
    Ok(CommandLine::Shell(rest.to_owned()))
}

/// `name=value ...`; a value with blanks stands in double quotes.
fn pairs(rest: &str) -> Result<Vec<(String, String)>> {
    let mut pairs = Vec::new();
    let mut rest = rest.trim_start();
    while !rest.is_empty() {
        let (name, after) = rest.split_once('=').context("wants NAME=VALUE")?;
        let end = match after.strip_prefix('"') {
            Some(quoted) => quoted.find('"').context("a quote is not closed")? + 2,
            None => after.find(char::is_whitespace).unwrap_or(after.len()),
        };
        pairs.push((name.to_owned(), unquote(&after[..end]).to_owned()));
        rest = after[end..].trim_start();
    }
    Ok(pairs)
}

fn unquote(value: &str) -> &str {
    value
        .strip_prefix('"')
        .and_then(|value| value.strip_suffix('"'))
        .unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn continued_lines_and_comments_within_them_are_one_instruction() {
        let text = "# what for\nRUN apt-get update && \\\n    # why\n    apt-get install curl\nUSER 999\n";
        let expected = [
            Instruction::Run(CommandLine::Shell(
                "apt-get update && apt-get install curl".into(),
            )),
            Instruction::User("999".into()),
        ];
        assert_eq!(parse(text).unwrap(), expected);
    }

    #[test]
    fn copy_reads_its_flags() {
        let parsed = parse("COPY --from=jars --chown=999:0 --chmod=755 lib /opt/lib/").unwrap();
        let expected = Copy {
            from: Some("jars".into()),
            owner: (999, 0),
            mode: Some(0o755),
            sources: vec!["lib".into()],
            destination: "/opt/lib/".into(),
        };
        assert_eq!(parsed, [Instruction::Copy(expected)]);
    }

    #[test]
    fn values_may_be_quoted() {
        let parsed = parse("ENV A=1 B=\"two words\" C=3").unwrap();
        let pairs =
            [("A", "1"), ("B", "two words"), ("C", "3")].map(|(name, value)| (name.into(), value.into()));
        assert_eq!(parsed, [Instruction::Env(pairs.into())]);
    }

    #[test]
    fn what_is_not_known_is_refused_by_its_line() {
        let error = format!("{:#}", parse("FROM a\nHEALTHCHECK NONE\n").unwrap_err());
        assert_eq!(
            error,
            "line 2: HEALTHCHECK NONE: the instruction HEALTHCHECK is not supported"
        );
        assert!(parse("RUN --mount=type=cache true").is_err());
        assert!(parse("COPY --link a b").is_err());
        assert!(parse("RUN a \\\n").is_err());
    }

    #[test]
    fn variables_are_expanded_and_unset_ones_are_empty() {
        let variables = BTreeMap::from([("VERSION".to_owned(), "5.0".to_owned())]);
        assert_eq!(
            expand("conf-${VERSION}/$VERSION.x$NONE", &variables),
            "conf-5.0/5.0.x"
        );
    }
}
