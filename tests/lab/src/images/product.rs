//! The product's own images, from the Dockerfiles its users build: the operator's and the init containers'. Programs are
//! those that cargo has built on this machine.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::archive::{self, ImageArchive};
use super::build::{self, Image, Recipe, Retention};
use crate::cache::{Artifact, Cache, make_directory};
use crate::programs::Programs;
use crate::progress::Progress;
use crate::tool;

/// The version all images carry: the workspace's.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The JVM agent in the bootstrap image.
const JOLOKIA: &str = "1.7.2";

/// An image of the product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProductImage {
    /// The operator.
    Operator,
    /// The init container `bootstrap`.
    Bootstrap,
    /// The init container `config-builder`.
    ConfigBuilder,
}

impl ProductImage {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Operator, Self::Bootstrap, Self::ConfigBuilder];

    /// The image's name, with its version.
    pub fn image(self) -> String {
        format!("ghcr.io/kubectl-casskop/{}:{VERSION}", self.title())
    }

    fn title(self) -> &'static str {
        match self {
            Self::Operator => "casskop-operator",
            Self::Bootstrap => "casskop-bootstrap",
            Self::ConfigBuilder => "casskop-config-builder",
        }
    }

    fn dockerfile(self) -> &'static str {
        match self {
            Self::Operator => "operator/Dockerfile",
            Self::Bootstrap | Self::ConfigBuilder => "crates/bootstrap/Dockerfile",
        }
    }

    fn target(self) -> Option<&'static str> {
        match self {
            Self::Operator => None,
            Self::Bootstrap => Some("bootstrap"),
            Self::ConfigBuilder => Some("config-builder"),
        }
    }
}

/// All of the product's images in one archive, as the code is now.
pub fn archive(cache: &Cache, programs: &Programs, progress: &dyn Progress) -> Result<ImageArchive> {
    // Layers of earlier code are thrown away while an archive is made: one at a time.
    let _building = cache.lock("product")?;
    let operator = programs.require("casskop-operator", "casskop-operator")?;
    let operator = staged(cache, &operator, "src/target/release")?;
    let bootstrap = staged(cache, &build_bootstrap(cache, programs, progress)?, "out")?;
    let jolokia = jolokia(cache, progress)?;
    let mut images = Vec::new();
    for product in ProductImage::ALL {
        let program = if product == ProductImage::Operator {
            &operator
        } else {
            &bootstrap
        };
        images.push((
            product.image(),
            image(cache, progress, product, program, &jolokia)?,
        ));
    }
    archive::in_cache(cache, "product-images", &images)
}

fn image(
    cache: &Cache,
    progress: &dyn Progress,
    product: ProductImage,
    program: &Path,
    jolokia: &Path,
) -> Result<Image> {
    let root = repository();
    let stages = [("build", program), ("jolokia", jolokia)];
    let recipe = Recipe {
        name: product.title(),
        dockerfile: &root.join(product.dockerfile()),
        context: &root,
        target: product.target(),
        arguments: BTreeMap::new(),
        stages: stages
            .map(|(name, directory)| (name.to_owned(), directory.to_owned()))
            .into(),
        retention: Retention::Newest,
    };
    build::build(cache, progress, &recipe)
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(2)
        .unwrap_or(Path::new("/"))
        .to_owned()
}

/// Stands for a stage `build`: the program without symbols, where its Dockerfile leaves it.
fn staged(cache: &Cache, program: &Path, place: &str) -> Result<PathBuf> {
    let name = program.file_name().context("a program without a name")?;
    let directory = cache.root().join("stages").join(name);
    let out = directory.join(place);
    make_directory(&out)?;
    let to = out.join(name);
    fs::copy(program, &to).with_context(|| format!("cannot copy {}", program.display()))?;
    if tool::find("strip").is_some() {
        tool::output(Command::new("strip").arg(&to))?;
    }
    Ok(directory)
}

/// The init containers' program is linked statically, since it runs in images nobody here built. Cargo keeps such
/// builds apart from others by the target's name.
fn build_bootstrap(cache: &Cache, programs: &Programs, progress: &dyn Progress) -> Result<PathBuf> {
    let target = host()?;
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let flags = format!(
        "CARGO_TARGET_{}_RUSTFLAGS",
        target.to_uppercase().replace('-', "_")
    );
    let directory = programs
        .directory()
        .parent()
        .context("programs are not in a target directory")?;
    let mut command = Command::new(cargo);
    command
        .current_dir(repository())
        .args(["build", "--locked", "--package=casskop-bootstrap"])
        .arg(format!("--target={target}"))
        .arg("--target-dir")
        .arg(directory)
        .env(flags, "-C target-feature=+crt-static")
        .env_remove("RUSTFLAGS");
    tool::run(
        progress,
        "build casskop-bootstrap",
        &cache.log("casskop-bootstrap"),
        &mut command,
    )?;
    let program = directory.join(&target).join("debug/casskop-bootstrap");
    if !program.is_file() {
        bail!("cargo has not left {}", program.display());
    }
    Ok(program)
}

/// The machine's own target.
fn host() -> Result<String> {
    let version = tool::output(Command::new("rustc").arg("-vV"))?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.context("rustc does not name its host")?.to_owned())
}

/// Stands for the stage `jolokia`.
fn jolokia(cache: &Cache, progress: &dyn Progress) -> Result<PathBuf> {
    cache.install(&Artifact::new("jolokia", JOLOKIA), |to| {
        let mut command = Command::new("mvn");
        command
            .args([
                "--quiet",
                "--batch-mode",
                "dependency:copy",
                "-Dmdep.stripVersion=true",
            ])
            .arg(format!("-Dartifact=org.jolokia:jolokia-jvm:{JOLOKIA}"))
            .arg(format!("-DoutputDirectory={}", to.join("out").display()));
        make_directory(to)?;
        tool::run(progress, "fetch Jolokia", &cache.log("jolokia"), &mut command)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_agent_is_of_the_version_the_dockerfile_names() {
        let text = fs::read_to_string(repository().join(ProductImage::Bootstrap.dockerfile())).unwrap();
        assert!(
            text.contains(&format!("org.jolokia:jolokia-jvm:{JOLOKIA} ")),
            "{text}"
        );
    }

    #[test]
    fn every_dockerfile_of_the_product_can_be_read_and_has_its_stage() {
        for product in ProductImage::ALL {
            let text = fs::read_to_string(repository().join(product.dockerfile())).unwrap();
            super::super::dockerfile::parse(&text).unwrap();
            if let Some(target) = product.target() {
                assert!(text.contains(&format!(" AS {target}\n")), "{target}");
            }
        }
    }
}
