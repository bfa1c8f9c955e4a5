//! The pages of the cookbook, read as on the bad day they are for: what is shown, what is typed, what is told then.
//!
//! Of a page the blocks count: `sh` is typed; the `text` after it is what its output has in it, however it is wrapped, and
//! `...` stands for whatever is there; `cql` is a statement. A test names each block as it comes to it, and has to come to all
//! of them: a page and its test cannot part.

use std::collections::VecDeque;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use casskop_lab::wait::{Answer, until};

use crate::cluster::PATIENCE;
use crate::ground::{Ground, repository};
use crate::kubectl::{Kubectl, Outcome};

/// Where the pages are.
const PAGES: &str = "docs/cookbook";

/// What stands for anything in a page.
const ANYTHING: &str = "...";

/// How long a line that is typed may run.
const AT_MOST: Duration = Duration::from_mins(5);

/// A page that is gone through.
#[derive(Debug)]
pub struct Page {
    name: String,
    steps: VecDeque<Step>,
}

/// What a page has somebody do.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    /// A line, or several, in a shell, and what is shown then.
    Typed { line: String, shown: Option<String> },
    /// A statement for cqlsh.
    Statement(String),
}

impl Page {
    /// The page of that name, from its beginning.
    pub fn open(name: &str) -> Result<Self> {
        let path = repository().join(PAGES).join(format!("{name}.md"));
        let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        Ok(Self {
            name: name.to_owned(),
            steps: steps(&text).with_context(|| path.display().to_string())?.into(),
        })
    }

    /// Types the line the page has next until what is shown is what the page says: somebody looks.
    pub async fn looks(&mut self, ground: &Ground, line: &str) -> Result<()> {
        let shown = self.next_line(line)?.unwrap_or_default();
        let what = format!("page {}: `{line}` shows {shown}", self.name);
        until(&what, PATIENCE, async || {
            let outcome = run(ground, line)?;
            Ok(if outcome.success && promised(&shown, &outcome.stdout) {
                Answer::Yes(())
            } else {
                Answer::not_yet(format!("{outcome:?}"))
            })
        })
        .await
    }

    /// Types the line the page has next, once. It has to succeed, and to show what the page says.
    pub fn types(&mut self, ground: &Ground, line: &str) -> Result<()> {
        let shown = self.next_line(line)?.unwrap_or_default();
        let outcome = run(ground, line)?;
        ensure!(outcome.success, "page {}: `{line}`: {outcome:?}", self.name);
        ensure!(
            promised(&shown, &outcome.stdout),
            "page {}: `{line}` is to show\n{shown}\nand shows\n{}",
            self.name,
            outcome.stdout
        );
        Ok(())
    }

    /// The statement that the page has next; whoever plays the ring carries it out.
    pub fn statement(&mut self) -> Result<String> {
        match self.steps.pop_front() {
            Some(Step::Statement(statement)) => Ok(statement),
            other => bail!("page {} has no statement here, but {other:?}", self.name),
        }
    }

    /// The page has nothing more to do.
    pub fn ends(self) -> Result<()> {
        ensure!(
            self.steps.is_empty(),
            "page {} goes on: {:?}",
            self.name,
            self.steps
        );
        Ok(())
    }

    fn next_line(&mut self, typed: &str) -> Result<Option<String>> {
        match self.steps.pop_front() {
            Some(Step::Typed { line, shown }) if line == typed => Ok(shown),
            other => bail!("page {} does not say `{typed}` here, but {other:?}", self.name),
        }
    }
}

/// A line in a shell, which does not outlast the test.
fn run(ground: &Ground, line: &str) -> Result<Outcome> {
    let quoted = line.replace('\'', r"'\''");
    let line = format!("exec timeout {} sh -ec '{quoted}'", AT_MOST.as_secs());
    Kubectl::typed(&ground.lab.kubeconfig(), &ground.namespace, &line)?.run()
}

/// What a page has somebody do.
fn steps(page: &str) -> Result<Vec<Step>> {
    let mut steps = Vec::new();
    let mut lines = page.lines();
    while let Some(opened) = lines.by_ref().find(|line| line.starts_with("```")) {
        let block: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
        let block = block.join("\n");
        match (opened.trim_start_matches('`'), steps.last_mut()) {
            ("sh", _) => steps.push(Step::Typed {
                line: block,
                shown: None,
            }),
            ("cql", _) => steps.push(Step::Statement(block)),
            ("text", Some(Step::Typed { shown, .. })) if shown.is_none() => *shown = Some(block),
            (kind, last) => bail!("a block of {kind:?} after {last:?}, where nobody would test it"),
        }
    }
    Ok(steps)
}

/// Whether what was shown has in it what a page says, in that order, however it is wrapped.
fn promised(page: &str, shown: &str) -> bool {
    let in_a_line = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let (page, shown) = (in_a_line(page), in_a_line(shown));
    let mut rest = shown.as_str();
    page.split(ANYTHING).map(str::trim).all(|part| {
        let found = rest.find(part);
        rest = found.map_or("", |at| &rest[at + part.len()..]);
        found.is_some()
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::Path;

    use super::*;

    /// What every page tells, in this order.
    const PARTS: [&str; 4] = [
        "## How it looks",
        "## What to do",
        "## What happens then",
        "## When it is over",
    ];

    fn pages() -> BTreeSet<String> {
        let files = fs::read_dir(repository().join(PAGES)).unwrap();
        let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
        let pages = names.filter(|name| name != "README.md");
        pages
            .map(|name| name.trim_end_matches(".md").to_owned())
            .collect()
    }

    fn sources(directory: &Path, into: &mut String) {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                sources(&path, into);
            } else {
                into.push_str(&fs::read_to_string(path).unwrap());
            }
        }
    }

    #[test]
    fn every_page_is_listed_has_its_parts_and_is_run_by_a_test() {
        let index = fs::read_to_string(repository().join(PAGES).join("README.md")).unwrap();
        let mut tests = String::new();
        sources(&repository().join("tests/tests"), &mut tests);
        assert!(!pages().is_empty());
        for page in pages() {
            assert!(index.contains(&format!("]({page}.md)")), "{page} is not listed");
            assert!(
                tests.contains(&format!("Page::open(\"{page}\")")),
                "{page} is not run"
            );
            let text = fs::read_to_string(repository().join(PAGES).join(format!("{page}.md"))).unwrap();
            let parts: Vec<_> = text.lines().filter(|line| line.starts_with("## ")).collect();
            assert_eq!(parts, PARTS, "{page}");
            assert!(!steps(&text).unwrap().is_empty(), "{page}");
        }
    }

    #[test]
    fn a_page_is_what_is_typed_and_shown() {
        let typed = |line: &str, shown: Option<&str>| Step::Typed {
            line: line.to_owned(),
            shown: shown.map(str::to_owned),
        };
        let page = "# Page\n```sh\na\nb\n```\nthen\n```text\nx ...\n```\n```sh\nc\n```\n```cql\nALTER\n```\n";
        assert_eq!(
            steps(page).unwrap(),
            [
                typed("a\nb", Some("x ...")),
                typed("c", None),
                Step::Statement("ALTER".to_owned())
            ]
        );
        for untested in ["```text\nx\n```", "```\nx\n```", "```sh\na\n```\n```yaml\nx\n```"] {
            assert!(steps(untested).is_err(), "{untested}");
        }
    }

    #[test]
    fn what_is_shown_has_the_words_of_the_page_in_their_order() {
        assert!(promised(
            "Waiting: A for ...\n   words that\n   wrap",
            "Waiting:   A for 3s\nwords that wrap here"
        ));
        assert!(promised("", "anything"));
        assert!(!promised("one two", "two one"));
        assert!(!promised("one ... two", "two one"));
        assert!(!promised("one ... one", "one"));
    }
}
