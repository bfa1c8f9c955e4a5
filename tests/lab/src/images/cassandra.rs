//! Test images of Cassandra: the jars by Maven, `cqlsh` from `PyPI`, the rest in `tests/lab/images/cassandra`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::archive::{self, ImageArchive, PAUSE};
use super::build::{self, Image, Recipe, Retention};
use crate::cache::{Artifact, Cache, make_directory};
use crate::progress::Progress;
use crate::tool;

/// A release of Cassandra.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Release {
    /// Its version.
    pub version: &'static str,
    /// The line its configuration is written for.
    pub line: &'static str,
}

impl Release {
    /// The newest of the line that upgrades end at.
    pub const V5_0: Self = Self {
        version: "5.0.9",
        line: "5.0",
    };

    /// The newest of the line that upgrades start from.
    pub const V4_1: Self = Self {
        version: "4.1.10",
        line: "4.1",
    };

    /// The newest of its line. Java 17 does not run its nodes the supported way, but loads its configuration.
    pub const V4_0: Self = Self {
        version: "4.0.19",
        line: "4.0",
    };

    /// The newest of its line. Its nodes want Java 8, its configuration is loaded by Java 17 as well.
    pub const V3_11: Self = Self {
        version: "3.11.19",
        line: "3.11",
    };

    /// Those the lab has an image of.
    pub const ALL: [Self; 2] = [Self::V5_0, Self::V4_1];

    /// Those whose configuration can be rendered.
    pub const CONFIGURED: [Self; 4] = [Self::V5_0, Self::V4_1, Self::V4_0, Self::V3_11];

    /// The image's name.
    pub fn image(self) -> String {
        format!("casskop-lab/cassandra:{}", self.version)
    }
}

/// The images that do not change with the project's own code, in one archive: Cassandra of all lines, and pause.
pub fn archive(cache: &Cache, progress: &dyn Progress) -> Result<ImageArchive> {
    let mut images = vec![(PAUSE.to_owned(), archive::pause(&build::debian(cache, progress)?))];
    for release in Release::ALL {
        images.push((release.image(), image(cache, progress, release)?));
    }
    archive::in_cache(cache, "cassandra-images", &images)
}

/// The image of one release.
pub fn image(cache: &Cache, progress: &dyn Progress, release: Release) -> Result<Image> {
    let context = sources();
    let stages = [
        ("jars", jars(cache, progress, release)?),
        ("cqlsh", cqlsh(cache, progress)?),
    ];
    let arguments = [
        ("CASSANDRA_VERSION", release.version),
        ("CASSANDRA_LINE", release.line),
    ];
    let recipe = Recipe {
        name: "cassandra",
        dockerfile: &context.join("Dockerfile"),
        context: &context,
        target: None,
        arguments: arguments
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
        stages: BTreeMap::from(stages.map(|(name, directory)| (name.to_owned(), directory))),
        retention: Retention::Everything,
    };
    build::build(cache, progress, &recipe)
}

fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("images/cassandra")
}

/// Cassandra and what it needs, as Maven collects it, under `lib`. Stands for the stage `jars`.
pub fn jars(cache: &Cache, progress: &dyn Progress, release: Release) -> Result<PathBuf> {
    let project = sources().join("pom.xml");
    let artifact = Artifact::new("cassandra-jars", release.version).input_file(&project)?;
    cache.install(&artifact, |to| {
        if tool::find("mvn").is_none() {
            bail!("Cassandra's jars come by Maven, and `mvn` is not on PATH: install Maven 3.8 or newer");
        }
        make_directory(to)?;
        // Maven wants to write beside the project file.
        let own = to.join("pom.xml");
        fs::copy(&project, &own).with_context(|| format!("cannot copy {}", project.display()))?;
        let mut command = Command::new("mvn");
        command
            .args(["--quiet", "--batch-mode", "--file"])
            .arg(&own)
            .args(["dependency:copy-dependencies", "-DincludeScope=runtime"])
            .arg(format!("-Dcassandra.version={}", release.version))
            .arg(format!("-DoutputDirectory={}", to.join("lib").display()));
        let step = format!("fetch Cassandra {}", release.version);
        tool::run(progress, &step, &cache.log("cassandra-jars"), &mut command)
    })
}

/// Stands for the stage `cqlsh`: the packages as the image's Python wants them, whatever this machine's is.
fn cqlsh(cache: &Cache, progress: &dyn Progress) -> Result<PathBuf> {
    let requirements = sources().join("cqlsh-requirements.txt");
    let artifact = Artifact::new("cqlsh", std::env::consts::ARCH).input_file(&requirements)?;
    cache.install(&artifact, |to| {
        if tool::find("python3").is_none() {
            bail!("cqlsh comes from PyPI by pip, and `python3` is not on PATH: install Python 3 with pip");
        }
        let mut command = Command::new("python3");
        command
            .args([
                "-m",
                "pip",
                "install",
                "--quiet",
                "--no-deps",
                "--no-compile",
                "--disable-pip-version-check",
            ])
            .args([
                "--only-binary=:all:",
                "--implementation=cp",
                "--python-version=3.11",
            ])
            .args(["--abi=cp311", "--abi=abi3", "--abi=none", "--platform=any"]);
        for manylinux in ["manylinux_2_28", "manylinux2014"] {
            command.arg(format!("--platform={manylinux}_{}", std::env::consts::ARCH));
        }
        command
            .arg("--target")
            .arg(to.join("cqlsh"))
            .arg("--requirement")
            .arg(&requirements);
        tool::run(progress, "fetch cqlsh", &cache.log("cqlsh"), &mut command)
    })
}
