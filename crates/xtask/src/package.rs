//! `cargo xtask package`: archives of the plugin, and krew's manifest for them.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use casskop_lab::programs::Programs;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::cargo;
use crate::cli::PackageOptions;
use crate::printer::Printer;

const PROGRAM: &str = "kubectl-casskop";
const COMPLETION: &str = "kubectl_complete-casskop";
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Largest plugin, in bytes: people carry it to machines at night.
const LARGEST: usize = 12 * 1024 * 1024;

/// One archive as krew's manifest names it.
struct Platform {
    os: &'static str,
    arch: &'static str,
    archive: String,
    sha256: String,
}

pub(crate) fn run(options: &PackageOptions, printer: &Printer) -> Result<()> {
    let programs = Programs::beside_this_one()?;
    let target_directory = programs
        .directory()
        .parent()
        .context("this program is not in a target directory")?;
    let out = target_directory.join("package");
    fs::create_dir_all(&out)?;
    let mut platforms = Vec::new();
    for target in &options.target {
        let (os, arch) = platform(target)?;
        let mut build = cargo::command(&[
            "build",
            "--release",
            "--locked",
            "--package",
            PROGRAM,
            "--target",
            target,
        ])?;
        cargo::run(printer, &mut build)
            .with_context(|| format!("is the target installed? `rustup target add {target}`"))?;
        let program = fs::read(target_directory.join(target).join("release").join(PROGRAM))?;
        ensure!(
            program.len() <= LARGEST,
            "the plugin has {} bytes, more than {LARGEST}",
            program.len()
        );
        let bytes = archive(&program, &cargo::repository())?;
        let name = format!("{PROGRAM}_v{VERSION}_{os}_{arch}.tar.gz");
        write(&out.join(&name), &bytes, printer)?;
        platforms.push(Platform {
            os,
            arch,
            sha256: hex(&Sha256::digest(&bytes)),
            archive: name,
        });
    }
    let texts = fs::read_to_string(cargo::repository().join("packaging/krew/casskop.yaml"))?;
    let manifest = manifest(&texts, &platforms)?;
    write(&out.join("casskop.yaml"), manifest.as_bytes(), printer)
}

/// What krew calls the platform of a Rust target.
fn platform(target: &str) -> Result<(&'static str, &'static str)> {
    let arch = match target.split('-').next() {
        Some("x86_64") => "amd64",
        Some("aarch64") => "arm64",
        _ => bail!("{target}: only x86_64 and aarch64 are packaged"),
    };
    let os = if target.contains("-linux-") {
        "linux"
    } else if target.ends_with("-apple-darwin") {
        "darwin"
    } else {
        bail!("{target}: only Linux and macOS are packaged")
    };
    Ok((os, arch))
}

/// The program, the script by which kubectl completes, and the licence; without times or owners, so that the same build makes
/// the same archive.
fn archive(program: &[u8], repository: &Path) -> Result<Vec<u8>> {
    let completion = fs::read(repository.join("plugin/src/commands/completion/kubectl.sh"))?;
    let licence = fs::read(repository.join("LICENSE"))?;
    let mut archive = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::best()));
    for (name, mode, bytes) in [
        ("LICENSE", 0o644, licence.as_slice()),
        (PROGRAM, 0o755, program),
        (COMPLETION, 0o755, &completion),
    ] {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(mode);
        header.set_mtime(0);
        archive.append_data(&mut header, name, bytes)?;
    }
    Ok(archive.into_inner()?.finish()?)
}

fn manifest(texts: &str, platforms: &[Platform]) -> Result<String> {
    let mut manifest: Value = serde_yaml::from_str(texts).context("packaging/krew/casskop.yaml")?;
    let homepage = manifest["spec"]["homepage"]
        .as_str()
        .context("the manifest has no homepage")?
        .to_owned();
    let platforms = platforms.iter().map(|platform| {
        json!({
            "selector": { "matchLabels": { "os": platform.os, "arch": platform.arch } },
            "uri": format!("{homepage}/releases/download/v{VERSION}/{}", platform.archive),
            "sha256": platform.sha256,
            "bin": PROGRAM,
            "files": [{ "from": PROGRAM, "to": "." }, { "from": COMPLETION, "to": "." }, { "from": "LICENSE", "to": "." }],
        })
    });
    manifest["spec"]["version"] = json!(format!("v{VERSION}"));
    manifest["spec"]["platforms"] = platforms.collect();
    Ok(serde_yaml::to_string(&manifest)?)
}

fn write(path: &Path, bytes: &[u8], printer: &Printer) -> Result<()> {
    let mut file = fs::File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
    file.write_all(bytes)?;
    printer.result(&path.display().to_string());
    Ok(())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn an_archive_holds_the_plugin_its_completion_and_the_licence() {
        let bytes = archive(b"program", &cargo::repository()).unwrap();
        assert_eq!(
            bytes,
            archive(b"program", &cargo::repository()).unwrap(),
            "the same bytes again"
        );
        let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(bytes.as_slice()));
        let mut found = Vec::new();
        for entry in archive.entries().unwrap() {
            let mut entry = entry.unwrap();
            let mut text = String::new();
            entry.read_to_string(&mut text).unwrap();
            found.push((
                entry.path().unwrap().display().to_string(),
                entry.header().mode().unwrap(),
                text,
            ));
        }
        let [licence, program, completion] = found.as_slice() else {
            panic!("{found:?}");
        };
        assert!(licence.0 == "LICENSE" && licence.2.contains("Apache License"));
        assert_eq!(
            (program.0.as_str(), program.1, program.2.as_str()),
            (PROGRAM, 0o755, "program")
        );
        assert!(completion.0 == COMPLETION && completion.1 == 0o755 && completion.2.contains("__complete"));
    }

    #[test]
    fn krew_finds_what_it_asks_for() {
        let texts = fs::read_to_string(cargo::repository().join("packaging/krew/casskop.yaml")).unwrap();
        let platforms = [Platform {
            os: "linux",
            arch: "amd64",
            archive: "a.tar.gz".to_owned(),
            sha256: hex(&Sha256::digest(b"")),
        }];
        let manifest: Value = serde_yaml::from_str(&manifest(&texts, &platforms).unwrap()).unwrap();
        assert_eq!(manifest["metadata"]["name"], "casskop");
        assert_eq!(manifest["spec"]["version"], format!("v{VERSION}"));
        let platform = &manifest["spec"]["platforms"][0];
        assert!(
            platform["uri"]
                .as_str()
                .unwrap()
                .ends_with(&format!("/v{VERSION}/a.tar.gz"))
        );
        assert_eq!(
            platform["sha256"],
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
        assert!(manifest["spec"]["shortDescription"].as_str().unwrap().len() <= 50);
    }

    #[test]
    fn targets_have_krews_names() {
        assert_eq!(platform("x86_64-unknown-linux-musl").unwrap(), ("linux", "amd64"));
        assert_eq!(platform("aarch64-apple-darwin").unwrap(), ("darwin", "arm64"));
        assert!(platform("x86_64-pc-windows-msvc").is_err());
    }
}
