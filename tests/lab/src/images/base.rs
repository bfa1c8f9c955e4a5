//! The Debian all images start from: what `debian:bookworm-slim` is to Docker, made from Debian's own packages.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::layer::Layer;
use crate::cache::{Artifact, Cache, make_directory, remove_all};
use crate::progress::Progress;
use crate::tool;

/// The name Dockerfiles know it by.
pub const NAME: &str = "debian:bookworm-slim";

const SUITE: &str = "bookworm";

const SOURCES: &str = "deb http://deb.debian.org/debian bookworm main\n\
                       deb http://deb.debian.org/debian bookworm-updates main\n\
                       deb http://deb.debian.org/debian-security bookworm-security main\n";

/// What a container never reads.
const LEFT_OUT: [&str; 6] = [
    "usr/share/doc",
    "usr/share/man",
    "usr/share/info",
    "usr/share/locale",
    "var/cache/apt",
    "var/lib/apt/lists",
];

/// Keeps dpkg from unpacking the same for packages installed later.
const EXCLUDES: &str = "path-exclude /usr/share/doc/*\n\
                        path-include /usr/share/doc/*/copyright\n\
                        path-exclude /usr/share/man/*\n\
                        path-exclude /usr/share/info/*\n\
                        path-exclude /usr/share/locale/*\n";

/// The layer, made now unless it is in the cache.
pub fn layer(cache: &Cache, progress: &dyn Progress) -> Result<Layer> {
    let artifact = Artifact::new("debian", SUITE)
        .input(SOURCES)
        .input(EXCLUDES)
        .input(LEFT_OUT.join("\n"));
    let place = cache.install(&artifact, |to| {
        if tool::find("debootstrap").is_none() {
            bail!("images are made from Debian packages, and `debootstrap` is not installed: run `cargo xtask setup`");
        }
        let tree = Layer::tree_in(to);
        make_directory(&tree)?;
        let mut command = Command::new("debootstrap");
        command.args(["--variant=minbase", SUITE]).arg(&tree);
        tool::run(progress, "install Debian for the images", &cache.log("debootstrap"), &mut command)?;
        slim(&tree)?;
        Layer::seal(to)
    })?;
    Layer::open(&place)
}

fn slim(tree: &Path) -> Result<()> {
    for path in LEFT_OUT {
        let path = tree.join(path);
        remove_all(&path)?;
        make_directory(&path)?;
    }
    for log in [
        "var/log/bootstrap.log",
        "var/log/dpkg.log",
        "var/log/alternatives.log",
        "var/cache/ldconfig",
    ] {
        remove_all(&tree.join(log))?;
    }
    let files = [
        ("etc/apt/sources.list", SOURCES),
        ("etc/dpkg/dpkg.cfg.d/slim", EXCLUDES),
        // The machine's own do not belong into an image; containers get theirs from the kubelet.
        ("etc/resolv.conf", ""),
        ("etc/hostname", ""),
        ("etc/hosts", ""),
    ];
    for (path, content) in files {
        let path = tree.join(path);
        remove_all(&path)?;
        fs::write(&path, content).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}
