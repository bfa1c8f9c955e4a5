//! Programs of the operating system that real nodes need: which are missing, and on Debian their installation. What the
//! machine has is left alone, wherever it came from: a `containerd` that belongs to Docker stays the one there is.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, bail};

use crate::cache::Cache;
use crate::progress::Progress;
use crate::tool;

/// A file that has to be there, and the Debian package that brings it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Need {
    /// A program's name, or a path.
    pub file: &'static str,
    /// The package.
    pub package: &'static str,
}

/// What real nodes and the making of their images need.
pub const REAL_NODES: [Need; 13] = [
    Need {
        file: "unshare",
        package: "util-linux",
    },
    Need {
        file: "nsenter",
        package: "util-linux",
    },
    Need {
        file: "setpriv",
        package: "util-linux",
    },
    Need {
        file: "mount",
        package: "mount",
    },
    Need {
        file: "ip",
        package: "iproute2",
    },
    Need {
        file: "iptables",
        package: "iptables",
    },
    Need {
        file: "conntrack",
        package: "conntrack",
    },
    Need {
        file: "containerd",
        package: "containerd",
    },
    Need {
        file: "containerd-shim-runc-v2",
        package: "containerd",
    },
    Need {
        file: "ctr",
        package: "containerd",
    },
    Need {
        file: "runc",
        package: "runc",
    },
    Need {
        file: "/usr/lib/cni/bridge",
        package: "containernetworking-plugins",
    },
    Need {
        file: "debootstrap",
        package: "debootstrap",
    },
];

/// Administrators' programs, which are not on everybody's PATH.
const SYSTEM_DIRECTORIES: [&str; 2] = ["/usr/sbin", "/sbin"];

/// Who runs this, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Machine {
    /// Packages can be installed.
    DebianAsRoot,
    /// They could, by root.
    Debian,
    /// Nobody here knows their names.
    Other,
}

/// Installs what is missing where this is root on Debian; elsewhere names it and stops.
pub fn ensure(needs: &[Need], cache: &Cache, progress: &dyn Progress) -> Result<()> {
    let missing = missing(needs);
    if missing.is_empty() {
        return Ok(());
    }
    match machine() {
        Machine::DebianAsRoot => install(&missing, cache, progress),
        other => bail!("{}", advice(&missing, other)),
    }
}

/// Those that are not there.
pub fn missing(needs: &[Need]) -> Vec<Need> {
    needs
        .iter()
        .filter(|need| find(need.file).is_none())
        .copied()
        .collect()
}

fn find(file: &str) -> Option<PathBuf> {
    if file.starts_with('/') {
        return Path::new(file).exists().then(|| file.into());
    }
    let in_system = SYSTEM_DIRECTORIES
        .iter()
        .map(|directory| Path::new(directory).join(file));
    tool::find(file).or_else(|| in_system.into_iter().find(|path| tool::is_executable(path)))
}

fn install(missing: &[Need], cache: &Cache, progress: &dyn Progress) -> Result<()> {
    let packages = packages(missing);
    let _installing = cache.lock("apt")?;
    let log = cache.log("apt");
    let apt = || {
        let mut command = Command::new("apt-get");
        command.env("DEBIAN_FRONTEND", "noninteractive");
        command
    };
    tool::run(
        progress,
        "refresh Debian's package lists",
        &log,
        apt().args(["--quiet", "update"]),
    )?;
    let step = format!("install {}", packages.join(" "));
    let mut command = apt();
    command
        .args(["--quiet", "--yes", "--no-install-recommends", "install"])
        .args(&packages);
    tool::run(progress, &step, &log, &mut command)
}

fn advice(missing: &[Need], machine: Machine) -> String {
    let files: Vec<&str> = missing.iter().map(|need| need.file).collect();
    let packages = packages(missing).join(" ");
    let what = match machine {
        Machine::Debian => format!("as root, run `apt-get install {packages}`"),
        _ => format!("install what Debian has in {packages}"),
    };
    format!(
        "real nodes need {}: {what}; labs with --simulated nodes need none of them",
        files.join(", ")
    )
}

fn packages(missing: &[Need]) -> Vec<&'static str> {
    let mut packages: Vec<&str> = missing.iter().map(|need| need.package).collect();
    packages.sort_unstable();
    packages.dedup();
    packages
}

fn machine() -> Machine {
    let release = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
    match (is_debian(&release), rustix::process::geteuid().is_root()) {
        (true, true) => Machine::DebianAsRoot,
        (true, false) => Machine::Debian,
        (false, _) => Machine::Other,
    }
}

/// Debian, or one of those made of it, which have the same package names.
fn is_debian(release: &str) -> bool {
    release
        .lines()
        .filter_map(|line| line.strip_prefix("ID=").or_else(|| line.strip_prefix("ID_LIKE=")))
        .flat_map(|value| value.trim_matches('"').split_whitespace())
        .any(|id| id == "debian")
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONTAINERD: Need = Need {
        file: "no-such-containerd",
        package: "containerd",
    };
    const CTR: Need = Need {
        file: "no-such-ctr",
        package: "containerd",
    };
    const BRIDGE: Need = Need {
        file: "/no/such/cni/bridge",
        package: "containernetworking-plugins",
    };

    #[test]
    fn what_is_there_is_not_missing() {
        let shell = Need {
            file: "sh",
            package: "dash",
        };
        let processes = Need {
            file: "/proc/self",
            package: "linux",
        };
        assert_eq!(
            missing(&[shell, CONTAINERD, processes, BRIDGE]),
            [CONTAINERD, BRIDGE]
        );
    }

    #[test]
    fn a_package_is_named_once_with_all_that_is_missing() {
        assert_eq!(
            advice(&[CONTAINERD, CTR, BRIDGE], Machine::Debian),
            "real nodes need no-such-containerd, no-such-ctr, /no/such/cni/bridge: as root, run `apt-get install \
             containerd containernetworking-plugins`; labs with --simulated nodes need none of them"
        );
        assert!(advice(&[CTR], Machine::Other).contains("install what Debian has in containerd;"));
    }

    #[test]
    fn debian_and_its_derivatives_are_known() {
        assert!(is_debian("PRETTY_NAME=\"Debian GNU/Linux 12\"\nID=debian\n"));
        assert!(is_debian("ID=ubuntu\nID_LIKE=debian\n"));
        assert!(is_debian("ID=pop\nID_LIKE=\"ubuntu debian\"\n"));
        assert!(!is_debian(
            "ID=fedora\nID_LIKE=\"rhel\"\nHOME_URL=\"https://debian\"\n"
        ));
    }
}
