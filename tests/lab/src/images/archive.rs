//! Images as files: one archive in the layout of the Open Container Initiative, which `ctr images import` reads. Several
//! images share one archive, and with it the layers they have in common.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::{Value, json};
use tar::{Builder, Header};

use super::build::Image;
use super::layer::Digest;
use crate::cache::{Artifact, Cache};

/// The image of the process that holds a pod's namespaces.
pub const PAUSE: &str = "docker.io/casskop-lab/pause:1";

/// What the pause container runs: it ends when asked, and takes the children that others leave to it.
const HOLD: &str = "trap 'exit 0' TERM INT; while :; do sleep 86400 & wait $!; done";

/// Media types of uncompressed layers and of what describes them.
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// An archive of images in the cache.
#[derive(Clone, Debug)]
pub struct ImageArchive {
    name: String,
    path: PathBuf,
}

impl ImageArchive {
    /// An archive that is there.
    pub fn at(name: &str, path: &Path) -> Self {
        Self {
            name: name.to_owned(),
            path: path.to_owned(),
        }
    }

    /// What is in it, for messages.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// The pause image: the base and a command.
pub fn pause(base: &Image) -> Image {
    let mut image = base.clone();
    image.entrypoint = ["/bin/sh", "-c", HOLD].map(str::to_owned).into();
    image
}

/// A name as container runtimes complete it: without a registry, Docker's is meant.
pub fn full_name(name: &str) -> String {
    let registry = name.split('/').next().unwrap_or_default();
    if name.contains('/') && (registry.contains('.') || registry.contains(':') || registry == "localhost") {
        return name.to_owned();
    }
    format!("docker.io/{name}")
}

/// An archive of images in the cache, made now unless it is there. Archives of the same name with other content are
/// thrown away: everything in them is there as layers still.
pub fn in_cache(cache: &Cache, name: &str, images: &[(String, Image)]) -> Result<ImageArchive> {
    let mut artifact = Artifact::new(name, "oci");
    for (name, image) in images {
        artifact = artifact.input(name).input(configuration(image).to_string());
    }
    let place = cache.install(&artifact, |to| {
        let file = File::create(to).with_context(|| format!("cannot create {}", to.display()))?;
        write_to(BufWriter::new(file), images).with_context(|| format!("cannot write {}", to.display()))
    })?;
    cache.remove_others(name, std::slice::from_ref(&artifact))?;
    Ok(ImageArchive::at(name, &place))
}

fn write_to(to: impl Write, images: &[(String, Image)]) -> Result<()> {
    let mut blobs = Blobs {
        archive: Builder::new(to),
        written: BTreeSet::new(),
    };
    let mut manifests = Vec::with_capacity(images.len());
    for (name, image) in images {
        let layers = image
            .layers
            .iter()
            .map(|layer| blobs.add_file(layer.digest(), &layer.archive()));
        let layers = layers.collect::<Result<Vec<u64>>>()?;
        let layers: Vec<Value> = image
            .layers
            .iter()
            .zip(layers)
            .map(|(layer, size)| json!({ "mediaType": LAYER, "digest": layer.digest().oci(), "size": size }))
            .collect();
        let config = blobs.add_document(CONFIG, &configuration(image))?;
        let document =
            json!({ "schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": layers });
        let mut manifest = blobs.add_document(MANIFEST, &document)?;
        manifest["annotations"] = json!({ "io.containerd.image.name": full_name(name) });
        manifest["platform"] = json!({ "os": "linux", "architecture": architecture() });
        manifests.push(manifest);
    }
    let index = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": manifests });
    blobs.add("index.json", &serde_json::to_vec(&index)?)?;
    blobs.add("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#)?;
    blobs.archive.into_inner()?.flush()?;
    Ok(())
}

fn configuration(image: &Image) -> Value {
    let digests: Vec<String> = image.layers.iter().map(|layer| layer.digest().oci()).collect();
    let environment: Vec<String> = image
        .environment
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let ports: serde_json::Map<String, Value> = image
        .ports
        .iter()
        .map(|port| (format!("{port}/tcp"), json!({})))
        .collect();
    json!({
        "os": "linux",
        "architecture": architecture(),
        "config": {
            "User": image.user,
            "WorkingDir": image.directory,
            "Env": environment,
            "Entrypoint": image.entrypoint,
            "Cmd": image.command,
            "ExposedPorts": ports,
            "Labels": image.labels,
        },
        "rootfs": { "type": "layers", "diff_ids": digests },
    })
}

/// The machine's architecture, as images name it.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

struct Blobs<W: Write> {
    archive: Builder<W>,
    written: BTreeSet<Digest>,
}

impl<W: Write> Blobs<W> {
    fn add_file(&mut self, digest: &Digest, path: &Path) -> Result<u64> {
        let file = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
        let size = file.metadata()?.len();
        if self.written.insert(digest.clone()) {
            self.append(&blob(digest), size, file)?;
        }
        Ok(size)
    }

    fn add_document(&mut self, media_type: &str, document: &Value) -> Result<Value> {
        let bytes = serde_json::to_vec(document)?;
        let digest = Digest::of(&bytes);
        if self.written.insert(digest.clone()) {
            self.add(&blob(&digest), &bytes)?;
        }
        Ok(json!({ "mediaType": media_type, "digest": digest.oci(), "size": bytes.len() }))
    }

    fn add(&mut self, name: &str, bytes: &[u8]) -> Result<()> {
        self.append(name, u64::try_from(bytes.len())?, bytes)
    }

    fn append(&mut self, name: &str, size: u64, content: impl io::Read) -> Result<()> {
        let mut header = Header::new_gnu();
        header.set_size(size);
        header.set_mode(0o644);
        header.set_mtime(0);
        Ok(self.archive.append_data(&mut header, name, content)?)
    }
}

fn blob(digest: &Digest) -> String {
    format!("blobs/sha256/{}", digest.hex())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::images::layer::Layer;
    use std::collections::BTreeMap;
    use std::io::Read;

    #[test]
    fn names_are_completed_as_container_runtimes_do_it() {
        assert_eq!(
            full_name("casskop-lab/cassandra:5.0.9"),
            "docker.io/casskop-lab/cassandra:5.0.9"
        );
        assert_eq!(full_name("ghcr.io/a/b:1"), "ghcr.io/a/b:1");
        assert_eq!(full_name("localhost/a:1"), "localhost/a:1");
    }

    #[test]
    fn two_images_share_their_common_layer_and_every_blob_has_the_digest_it_is_named_by() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir(Layer::tree_in(directory.path())).unwrap();
        std::fs::write(Layer::tree_in(directory.path()).join("file"), "content").unwrap();
        Layer::seal(directory.path()).unwrap();
        let base = Image {
            layers: vec![Layer::open(directory.path()).unwrap()],
            ..Image::default()
        };
        let holder = pause(&base);
        let mut bytes = Vec::new();
        write_to(
            &mut bytes,
            &[("base:1".to_owned(), base), (PAUSE.to_owned(), holder)],
        )
        .unwrap();

        let mut entries = BTreeMap::new();
        for entry in tar::Archive::new(bytes.as_slice()).entries().unwrap() {
            let mut entry = entry.unwrap();
            let name = entry.path().unwrap().display().to_string();
            let mut content = Vec::new();
            entry.read_to_end(&mut content).unwrap();
            assert!(
                entries.insert(name.clone(), content).is_none(),
                "{name} is there twice"
            );
        }
        let index: Value = serde_json::from_slice(&entries["index.json"]).unwrap();
        let named: Vec<&str> = index["manifests"]
            .as_array()
            .unwrap()
            .iter()
            .map(|manifest| {
                manifest["annotations"]["io.containerd.image.name"]
                    .as_str()
                    .unwrap()
            })
            .collect();
        assert_eq!(named, ["docker.io/base:1", PAUSE]);
        for (name, content) in &entries {
            if let Some(digest) = name.strip_prefix("blobs/sha256/") {
                assert_eq!(Digest::of(content).hex(), digest);
            }
        }
        // One layer, two configurations, two manifests, the index and the layout's mark.
        assert_eq!(entries.len(), 7);
    }
}
