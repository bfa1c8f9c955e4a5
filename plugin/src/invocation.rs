//! Under which name the binary was called.

use std::ffi::OsStr;
use std::path::Path;

/// The words a user types to call this binary, for usage lines and hints.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Invocation(String);

impl Invocation {
    /// From `argv[0]`: kubectl runs a plugin by its file name, `kubectl-casskop`, which nobody has typed.
    pub(crate) fn of(argv0: Option<&OsStr>) -> Self {
        let name = argv0
            .and_then(|path| Path::new(path).file_name())
            .map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        let name = name.strip_suffix(".exe").unwrap_or(&name);
        match name.strip_prefix("kubectl-") {
            // kubectl turns `-` in a typed name into `_` in the file's name.
            Some(plugin) => Self(format!("kubectl {}", plugin.replace('_', "-"))),
            None if name.is_empty() => Self("kubectl casskop".to_owned()),
            None => Self(name.to_owned()),
        }
    }

    /// For example `kubectl casskop`.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_is_what_the_user_typed() {
        for (argv0, shown) in [
            (Some("/usr/local/bin/kubectl-casskop"), "kubectl casskop"),
            (Some("kubectl-casskop.exe"), "kubectl casskop"),
            (Some("./kubectl-cass_kop"), "kubectl cass-kop"),
            (Some("/opt/casskop"), "casskop"),
            (None, "kubectl casskop"),
        ] {
            assert_eq!(Invocation::of(argv0.map(OsStr::new)).as_str(), shown, "{argv0:?}");
        }
    }
}
