//! The only place that writes to the streams.

use std::io::{self, Read, Write};

use jiff::Timestamp;
use kube::Resource;
use serde::Serialize;
use serde_json::{Value, json};

use crate::cli::{GlobalFlags, OutputFormat};
use crate::exit::ExitStatus;
use crate::failure::Failure;
use crate::host::{Asked, Host, Screen};
use crate::render::{Detail, Layout, painted, printable};

/// Writes results to standard output, everything else to standard error.
pub(crate) struct Printer<'a> {
    out: &'a mut dyn Write,
    err: &'a mut dyn Write,
    out_screen: Screen,
    err_screen: Screen,
    out_ink: Ink,
    input: &'a mut dyn Read,
    asked: Asked,
    colored: bool,
    format: OutputFormat,
    verbose: u8,
    now: fn() -> Timestamp,
}

/// Whether a text is colored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ink {
    Plain,
    Colored,
}

impl Ink {
    /// Every control sequence that a painted text holds.
    pub(crate) const CODES: [&str; 5] = ["\u{1b}[32m", "\u{1b}[31m", "\u{1b}[33m", "\u{1b}[2m", "\u{1b}[0m"];

    /// A text in the color of its meaning; whatever colors it brings are not ours.
    pub(crate) fn paint(self, tone: Tone, text: &str) -> String {
        let text = printable(text);
        if self == Self::Plain || text.is_empty() {
            return text;
        }
        let [good, bad, busy, quiet, end] = Self::CODES;
        let begin = match tone {
            Tone::Good => good,
            Tone::Bad => bad,
            Tone::Busy => busy,
            Tone::Quiet => quiet,
        };
        format!("{begin}{text}{end}")
    }
}

/// Where the output of a command in a pod goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stream {
    /// Standard output.
    Out,
    /// Standard error.
    Err,
}

/// Meaning of a color; every colored text says the same in words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    Good,
    Bad,
    Busy,
    Quiet,
}

/// What somebody says to a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    Yes,
    No,
}

impl<'a> Printer<'a> {
    /// As the flags say.
    pub(crate) fn new(host: Host<'a>, flags: &GlobalFlags) -> Self {
        Self {
            colored: host.err_screen.colors(flags.color),
            format: flags.output.clone(),
            out_ink: if host.out_screen.colors(flags.color) {
                Ink::Colored
            } else {
                Ink::Plain
            },
            verbose: flags.verbose,
            ..Self::plain(host)
        }
    }

    /// Without flags, as the command line could not be read.
    pub(crate) fn plain(host: Host<'a>) -> Self {
        let Host {
            out,
            err,
            out_screen,
            err_screen,
            input,
            asked,
            now,
        } = host;
        Self {
            out,
            err,
            out_screen,
            err_screen,
            out_ink: Ink::Plain,
            input,
            asked,
            colored: false,
            format: OutputFormat::Text,
            verbose: 0,
            now,
        }
    }

    /// Shows what clap has to say: help and version on standard output, mistakes on standard error.
    pub(crate) fn clap(mut self, shown: &clap::Error) -> ExitStatus {
        let text = shown.render().to_string();
        if shown.use_stderr() {
            self.quietly(&text);
            return ExitStatus::Refused;
        }
        match self
            .out
            .write_all(text.as_bytes())
            .and_then(|()| self.out.flush())
        {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => ExitStatus::Failure,
            _ => ExitStatus::Success,
        }
    }

    /// The form of results.
    pub(crate) fn format(&self) -> OutputFormat {
        self.format.clone()
    }

    /// The time.
    pub(crate) fn now(&self) -> Timestamp {
        (self.now)()
    }

    /// What standard error is shown on.
    pub(crate) fn screen(&self) -> Screen {
        self.err_screen
    }

    /// How results are laid out.
    pub(crate) fn layout(&self) -> Layout {
        Layout {
            width: self.out_screen.width(),
            ink: self.out_ink,
            detail: match self.format {
                OutputFormat::Wide => Detail::of(self.verbose).max(Detail::Pods),
                _ => Detail::of(self.verbose),
            },
            now: self.now(),
        }
    }

    /// A line of the result, which may be painted.
    pub(crate) fn line(&mut self, text: &str) -> Result<(), Failure> {
        if self.format.is_for_people() {
            writeln!(self.out, "{}", painted(text, self.out_ink)).map_err(Failure::Output)
        } else {
            writeln!(self.out, "{text}").map_err(Failure::Output)
        }
    }

    /// A line of the result that only people read: `-o json` and its kin leave it out.
    pub(crate) fn text(&mut self, text: &str) -> Result<(), Failure> {
        if self.format.is_for_people() {
            self.line(&printable(text))
        } else {
            Ok(())
        }
    }

    /// Objects as a result, for programs; nothing in text, where lines have told all.
    pub(crate) fn objects<K>(&mut self, objects: &[K]) -> Result<(), Failure>
    where
        K: Resource<DynamicType = ()> + Serialize,
    {
        match self.format {
            OutputFormat::Text | OutputFormat::Wide => Ok(()),
            OutputFormat::Name => objects.iter().try_for_each(|object| {
                self.line(&format!(
                    "{}/{}",
                    resource_name::<K>(),
                    object.meta().name.as_deref().unwrap_or_default()
                ))
            }),
            OutputFormat::Json | OutputFormat::Yaml | OutputFormat::JsonPath(_) => {
                let items: Result<Vec<Value>, _> = objects.iter().map(shown).collect();
                let mut items = items.map_err(Failure::Render)?;
                let value = match items.len() {
                    1 => items.remove(0),
                    _ => json!({ "apiVersion": "v1", "kind": "List", "metadata": {}, "items": items }),
                };
                self.value(&value)
            }
        }
    }

    /// A result in the form that was asked for: text for people (nothing if it is empty), names, or a value.
    pub(crate) fn result(&mut self, text: &str, names: &[String], value: &Value) -> Result<(), Failure> {
        match self.format {
            OutputFormat::Text | OutputFormat::Wide if text.is_empty() => Ok(()),
            OutputFormat::Text | OutputFormat::Wide => self.line(&printable(text)),
            OutputFormat::Name => names.iter().try_for_each(|name| self.line(name)),
            OutputFormat::Json | OutputFormat::Yaml | OutputFormat::JsonPath(_) => self.value(value),
        }
    }

    /// A value as JSON or YAML, or parts of it.
    pub(crate) fn value(&mut self, value: &Value) -> Result<(), Failure> {
        let text = match &self.format {
            OutputFormat::Yaml => {
                serde_yaml::to_string(value).map_err(|error| Failure::Output(io::Error::other(error)))?
            }
            // As kubectl, without a line's end: the template says where lines end.
            OutputFormat::JsonPath(template) => template.of(value),
            _ => format!("{value:#}\n"),
        };
        self.out.write_all(text.as_bytes()).map_err(Failure::Output)
    }

    /// Output of something else, as it is and at once.
    pub(crate) fn pass(&mut self, stream: Stream, bytes: &[u8]) -> Result<(), Failure> {
        let to: &mut dyn Write = match stream {
            Stream::Out => self.out,
            Stream::Err => self.err,
        };
        to.write_all(bytes)
            .and_then(|()| to.flush())
            .map_err(Failure::Output)
    }

    /// A remark that is no result.
    pub(crate) fn note(&mut self, text: &str) {
        self.quietly(&format!("{}\n", printable(text)));
    }

    /// A remark that should not stand out among what it is about.
    pub(crate) fn aside(&mut self, text: &str) {
        let text = self.paint(Tone::Quiet, text);
        self.quietly(&format!("{text}\n"));
    }

    /// Something that should be known, though all goes on.
    pub(crate) fn warning(&mut self, text: &str) {
        let label = self.paint(Tone::Busy, "warning:");
        self.quietly(&format!("{label} {}\n", printable(text)));
    }

    /// Asks whoever is at the terminal; `None` where nobody is. Anything but a clear yes is a no.
    pub(crate) fn ask(&mut self, question: &str) -> Option<Answer> {
        if self.asked == Asked::Nobody {
            return None;
        }
        self.quietly(&format!("{} [y/N] ", printable(question)));
        let mut line = String::new();
        let mut byte = [0];
        // One character at a time: what follows the line is not ours.
        while let Ok(1) = self.input.read(&mut byte)
            && byte != *b"\n"
        {
            line.push(char::from(byte[0]));
        }
        Some(match line.trim().to_ascii_lowercase().as_str() {
            "y" | "yes" => Answer::Yes,
            _ => Answer::No,
        })
    }

    /// A remark for those who asked for more.
    pub(crate) fn detail(&mut self, text: &str) {
        if self.verbose > 0 {
            self.note(text);
        }
    }

    /// Why the run ends badly: one line, and its causes for those who asked for more.
    pub(crate) fn error(&mut self, failure: &Failure) {
        let label = self.paint(Tone::Bad, "error:");
        self.quietly(&format!(
            "{label} {}\n",
            printable(&one_line(&failure.to_string()))
        ));
        let mut cause = std::error::Error::source(failure);
        while let (true, Some(error)) = (self.verbose > 0, cause) {
            self.quietly(&format!("  caused by: {}\n", printable(&error.to_string())));
            cause = error.source();
        }
    }

    /// A text in the color of its meaning.
    pub(crate) fn paint(&self, tone: Tone, text: &str) -> String {
        let ink = if self.colored { Ink::Colored } else { Ink::Plain };
        ink.paint(tone, text)
    }

    /// What standard output is shown on.
    pub(crate) fn out_screen(&self) -> Screen {
        self.out_screen
    }

    /// Standard output as it is, for drawing.
    pub(crate) fn out_canvas(&mut self) -> &mut dyn Write {
        self.out
    }

    /// Standard error as it is, for drawing.
    pub(crate) fn canvas(&mut self) -> &mut dyn Write {
        self.err
    }

    /// Writes what is buffered.
    pub(crate) fn flush(&mut self) -> Result<(), Failure> {
        self.out.flush().map_err(Failure::Output)
    }

    /// Where not even standard error can be written there is nobody left to tell.
    fn quietly(&mut self, text: &str) {
        let _ = self
            .err
            .write_all(text.as_bytes())
            .and_then(|()| self.err.flush());
    }
}

/// `pod`, `cassandracluster.db.orange.com`: how kubectl names a resource before a slash.
pub(crate) fn resource_name<K: Resource<DynamicType = ()>>() -> String {
    let kind = K::kind(&()).to_lowercase();
    match K::group(&()) {
        group if group.is_empty() => kind,
        group => format!("{kind}.{group}"),
    }
}

/// An object as kubectl shows it: with its type, without `managedFields`.
pub(crate) fn shown<K: Resource<DynamicType = ()> + Serialize>(
    object: &K,
) -> Result<Value, serde_json::Error> {
    let mut value = serde_json::to_value(object)?;
    if let Some(fields) = value.as_object_mut() {
        fields
            .entry("apiVersion")
            .or_insert_with(|| K::api_version(&()).into());
        fields.entry("kind").or_insert_with(|| K::kind(&()).into());
        if let Some(metadata) = fields.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.remove("managedFields");
        }
    }
    Ok(value)
}

/// Messages of libraries and servers may have several lines; an error is one.
fn one_line(text: &str) -> String {
    text.lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect::<Vec<_>>()
        .join("; ")
}
