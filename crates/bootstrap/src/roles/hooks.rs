//! The user's scripts `pre_run.sh` and `post_run.sh`, from the ConfigMap that `spec.configMapName` names.

use super::Environment;
use anyhow::{Context as _, Result, bail};
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

/// The variables that a hook can change for the steps after it.
const EXPORTED: [&str; 2] = ["CASSANDRA_", "JOLOKIA_"];

/// Runs the script if it is there, and returns the environment with the script's exports. The script's output goes where
/// ours goes; its failure is ours.
pub fn run(script: &Path, environment: &Environment, out: &mut dyn Write) -> Result<Environment> {
    let name = script
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let text = match std::fs::read_to_string(script) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(environment.clone()),
        Err(error) => return Err(error).with_context(|| format!("cannot read the hook {name}")),
    };
    writeln!(out, "bootstrap: running {name}")?;
    out.flush()?;
    let exports = Exports::create()?;
    let mut command = match interpreter(&text) {
        Interpreter::Shell => exports.sourcing(script),
        Interpreter::Other => Command::new(script),
    };
    let status = command
        .env_clear()
        .envs(&environment.0)
        .status()
        .with_context(|| format!("cannot run the hook {name}"))?;
    if !status.success() {
        bail!(
            "the hook {name} failed ({status}): its output is above; the pod is tried again until it succeeds"
        );
    }
    let mut changed = environment.clone();
    changed.0.extend(exports.read()?);
    Ok(changed)
}

enum Interpreter {
    /// A shell script, which can be read by the shell that then tells its variables.
    Shell,
    /// Anything else runs as a program of its own, and exports nothing.
    Other,
}

fn interpreter(text: &str) -> Interpreter {
    let first = text.lines().next().unwrap_or_default();
    match first.strip_prefix("#!") {
        Some(program)
            if !program
                .split(['/', ' '])
                .any(|word| matches!(word.trim(), "sh" | "bash" | "dash")) =>
        {
            Interpreter::Other
        }
        _ => Interpreter::Shell,
    }
}

/// A private place for the variables of a hook, some of which are passwords.
struct Exports {
    directory: std::path::PathBuf,
}

impl Exports {
    fn create() -> Result<Self> {
        use std::os::unix::fs::DirBuilderExt as _;
        static HOOKS_RUN: AtomicU32 = AtomicU32::new(0);
        let number = HOOKS_RUN.fetch_add(1, Ordering::Relaxed);
        let directory = std::env::temp_dir().join(format!("casskop-hook-{}-{number}", std::process::id()));
        // An earlier try of this container had the same process number.
        let _ = std::fs::remove_dir_all(&directory);
        std::fs::DirBuilder::new()
            .mode(0o700)
            .create(&directory)
            .context("cannot make a directory for a hook's exports")?;
        Ok(Self { directory })
    }

    /// A shell that reads the script, and at its end, also by `exit`, writes the environment it leaves. `CassKop` ran the
    /// script as a child, so that its exports were lost, although its documentation exports `CASSANDRA_REPLACE_NODE`.
    fn sourcing(&self, script: &Path) -> Command {
        let mut command = Command::new("/bin/bash");
        command
            .arg("-c")
            .arg("trap \"env -0 > '$1'\" EXIT; . \"$0\"")
            .arg(script)
            .arg(self.directory.join("environment"));
        command
    }

    /// The exported variables that later steps look at; none if the script replaced the shell or its exit trap.
    fn read(&self) -> Result<Vec<(String, String)>> {
        let bytes = match std::fs::read(self.directory.join("environment")) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error).context("cannot read a hook's exports"),
        };
        Ok(String::from_utf8_lossy(&bytes)
            .split('\0')
            .filter_map(|variable| variable.split_once('='))
            .filter(|(name, _)| EXPORTED.iter().any(|prefix| name.starts_with(prefix)))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect())
    }
}

impl Drop for Exports {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    fn hook(text: &str) -> (tempfile::TempDir, std::path::PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let script = directory.path().join("pre_run.sh");
        std::fs::write(&script, text).unwrap();
        std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
        (directory, script)
    }

    fn environment() -> Environment {
        Environment::from_iter([("PATH", "/usr/bin:/bin"), ("CASSANDRA_SEEDS", "a")])
    }

    fn run_quietly(script: &Path) -> Result<Environment> {
        run(script, &environment(), &mut Vec::new())
    }

    #[test]
    fn exports_reach_the_next_steps() {
        for text in [
            "#!/bin/bash\nexport CASSANDRA_REPLACE_NODE=10.0.0.9\nexport HOME=/x\n",
            "export CASSANDRA_REPLACE_NODE=10.0.0.9; [ \"$0\" = \"$(echo $0)\" ] && exit 0",
            "#!/usr/bin/env bash\nset -e\nexport CASSANDRA_REPLACE_NODE=10.0.0.9\n",
        ] {
            let (_directory, script) = hook(text);
            let changed = run_quietly(&script).unwrap();
            assert_eq!(changed.get("CASSANDRA_REPLACE_NODE"), Some("10.0.0.9"), "{text}");
            assert_eq!(changed.get("CASSANDRA_SEEDS"), Some("a"));
            assert_eq!(changed.get("HOME"), None, "only our own variables are taken over");
        }
    }

    #[test]
    fn a_failing_hook_fails_the_container() {
        for text in ["exit 3", "#!/bin/sh\nset -e\nfalse\ntrue", "#!/usr/bin/env false"] {
            let (_directory, script) = hook(text);
            let error = run_quietly(&script).err().unwrap();
            assert!(
                error
                    .to_string()
                    .contains("the hook pre_run.sh failed (exit status:"),
                "{error:#}"
            );
        }
    }

    #[test]
    fn no_hook_is_no_failure() {
        assert!(run_quietly(Path::new("/nonexistent/pre_run.sh")).is_ok());
    }
}
