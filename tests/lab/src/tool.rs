//! Running somebody else's program to its end (`go build`, `mvn`, `apt-get`): output into a log, its last lines into
//! the error.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::cache::make_directory;
use crate::progress::Progress;

/// How often a running tool is looked at, which is also how often progress is redrawn.
const LOOK: Duration = Duration::from_millis(200);

/// Lines of a failed tool's output that go into the error.
const LAST_LINES: usize = 20;

/// Runs a program until it ends, showing progress as `step`. Its output goes to `log`, from scratch.
pub fn run(progress: &dyn Progress, step: &str, log: &Path, command: &mut Command) -> Result<()> {
    if let Some(directory) = log.parent() {
        make_directory(directory)?;
    }
    let output = File::create(log).with_context(|| format!("cannot create {}", log.display()))?;
    let name = command.get_program().to_string_lossy().into_owned();
    progress.start(step);
    let began = Instant::now();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(output.try_clone()?)
        .stderr(output)
        .spawn()
        .with_context(|| format!("cannot run {name}: is it installed and on PATH?"))?;
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        progress.tick(began.elapsed());
        std::thread::sleep(LOOK);
    };
    if !status.success() {
        bail!(
            "{step}: {name} failed ({status})\n{}\nall of its output: {}",
            last_lines(log),
            log.display()
        );
    }
    progress.done(step, began.elapsed());
    Ok(())
}

/// What a program prints on its standard output, trimmed. Fails when the program does.
pub fn output(command: &mut Command) -> Result<String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot run {name}"))?;
    if !output.status.success() {
        bail!(
            "{name} failed ({}): {}",
            output.status,
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Where a program is on PATH, if it is.
pub fn find(program: &str) -> Option<std::path::PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|directory| directory.join(program))
        .find(|file| is_executable(file))
}

/// Whether a path is a file that may be run.
pub fn is_executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    fs::metadata(path).is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

/// The end of a log, for an error message.
pub fn last_lines(log: &Path) -> String {
    let text = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(LAST_LINES)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::Silent;

    #[test]
    fn a_failing_tool_is_reported_with_its_last_words() {
        let directory = tempfile::tempdir().unwrap();
        let log = directory.path().join("logs/sh.log");
        let mut command = Command::new("sh");
        command.args(["-c", "echo compiling; echo no space left >&2; exit 3"]);
        let error = run(&Silent, "build etcd", &log, &mut command)
            .unwrap_err()
            .to_string();
        assert!(
            error.starts_with("build etcd: sh failed (exit status: 3)"),
            "{error}"
        );
        assert!(error.contains("compiling\nno space left"), "{error}");
    }

    #[test]
    fn a_missing_tool_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let log = directory.path().join("x.log");
        let error = run(&Silent, "build", &log, &mut Command::new("no-such-tool")).unwrap_err();
        assert!(error.to_string().contains("cannot run no-such-tool"), "{error}");
        assert!(find("no-such-tool").is_none());
        assert!(find("sh").is_some());
    }
}
