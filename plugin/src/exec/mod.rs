//! A command in the container `cassandra` of a pod, run through the API server as `kubectl exec` does.

mod keyboard;
mod terminal;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Status;
use kube::api::{AttachParams, AttachedProcess};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::signal::unix::{SignalKind, signal};

use crate::exit::ExitStatus;
use crate::failure::Failure;
use crate::kube_access::{Access, Call, CallError, Kind};
use crate::printer::{Printer, Stream};
pub(crate) use terminal::Input;
use terminal::Terminal;

/// The container that Cassandra and its tools are in.
pub(crate) const CONTAINER: &str = "cassandra";

/// A command line and what it reads.
pub(crate) struct Command {
    /// The program and its arguments. Never a secret: whoever may read audit logs reads them.
    pub(crate) argv: Vec<String>,
    /// What it reads.
    pub(crate) input: Input,
}

/// How lines of the output are told apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Shown {
    /// As they come.
    Plain,
    /// Each after this text.
    After(String),
}

/// Runs a command in a pod, passes what it writes to this process's streams, and tells how it ended.
pub(crate) async fn run(
    access: &Access,
    printer: &mut Printer<'_>,
    pod: &str,
    command: Command,
    shown: &Shown,
) -> Result<ExitStatus, Failure> {
    let mut process = open(access, pod, &command).await?;
    let status = process.take_status();
    let terminal = match command.input {
        Input::Terminal => Some(Terminal::take(process.terminal_size())?),
        Input::None | Input::Pipe => None,
    };
    if let Some(stdin) = process.stdin() {
        keyboard::pass_on(stdin);
    }
    let mut out = Output::new(process.stdout(), Stream::Out);
    let mut err = Output::new(process.stderr(), Stream::Err);
    let mut interrupt = signal(SignalKind::interrupt()).map_err(Failure::Runtime)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(Failure::Runtime)?;
    while out.open() || err.open() {
        tokio::select! {
            () = out.read(), if out.open() => out.write(printer, shown)?,
            () = err.read(), if err.open() => err.write(printer, shown)?,
            // In a terminal Ctrl-C is a key like any other, and goes to the command.
            _ = interrupt.recv() => return Ok(ExitStatus::Interrupted),
            _ = terminate.recv() => return Ok(ExitStatus::Terminated),
        }
    }
    let status = match status {
        Some(status) => status.await,
        None => None,
    };
    drop(terminal);
    ended(pod, status)
}

async fn open(access: &Access, pod: &str, command: &Command) -> Result<AttachedProcess, CallError> {
    let tty = command.input == Input::Terminal;
    let params = AttachParams {
        container: Some(CONTAINER.to_owned()),
        stdin: command.input != Input::None,
        stdout: true,
        // A terminal has one stream for both.
        stderr: !tty,
        tty,
        ..AttachParams::default()
    };
    let call = Call {
        verb: "create",
        resource: Kind::PodExec,
        name: Some(pod.to_owned()),
    };
    let argv = command.argv.clone();
    access.call(&call, access.pods().exec(pod, argv, &params)).await
}

/// What the API server says of the end: `Success`, or a failure whose details hold the exit code (apimachinery, `metav1.Status`
/// with the cause `ExitCode`).
fn ended(pod: &str, status: Option<Status>) -> Result<ExitStatus, Failure> {
    let failed = |reason: String| Failure::Exec {
        pod: pod.to_owned(),
        reason,
    };
    let Some(status) = status else {
        return Err(failed(
            "the connection was lost before the command ended; look whether it goes on before you repeat it"
                .to_owned(),
        ));
    };
    if status.status.as_deref() == Some("Success") {
        return Ok(ExitStatus::Success);
    }
    let causes = status
        .details
        .and_then(|details| details.causes)
        .unwrap_or_default();
    let code = causes
        .iter()
        .find(|cause| cause.reason.as_deref() == Some("ExitCode"))
        .and_then(|cause| cause.message.as_deref())
        .and_then(|code| code.parse().ok());
    match code {
        Some(code) => Ok(ExitStatus::Command(code)),
        None => Err(failed(status.message.unwrap_or_default())),
    }
}

/// One stream of a command.
struct Output<R> {
    from: Option<R>,
    to: Stream,
    held: Vec<u8>,
}

impl<R: AsyncRead + Unpin> Output<R> {
    fn new(from: Option<R>, to: Stream) -> Self {
        Self {
            from,
            to,
            held: Vec::new(),
        }
    }

    fn open(&self) -> bool {
        self.from.is_some()
    }

    /// Takes what has come. A stream that fails has ended; how the command ended says the rest.
    async fn read(&mut self) {
        if let Some(from) = &mut self.from
            && !matches!(from.read_buf(&mut self.held).await, Ok(read) if read > 0)
        {
            self.from = None;
        }
    }

    /// Writes what is complete: everything, or whole lines where each gets a text in front.
    fn write(&mut self, printer: &mut Printer<'_>, shown: &Shown) -> Result<(), Failure> {
        let bytes = match shown {
            Shown::Plain => std::mem::take(&mut self.held),
            Shown::After(text) => self.lines(text),
        };
        printer.pass(self.to, &bytes)
    }

    fn lines(&mut self, before: &str) -> Vec<u8> {
        if !self.open() && self.held.last().is_some_and(|last| *last != b'\n') {
            self.held.push(b'\n');
        }
        let end = self
            .held
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |at| at + 1);
        let whole: Vec<u8> = self.held.drain(..end).collect();
        whole
            .split_inclusive(|byte| *byte == b'\n')
            .flat_map(|line| [before.as_bytes(), line].concat())
            .collect()
    }
}

#[cfg(test)]
mod tests;
