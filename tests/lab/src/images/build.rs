//! Building an image from a Dockerfile: every instruction that changes files is one layer, kept under a name made of
//! everything it depends on. So an unchanged file costs nothing, and an interrupted build goes on where it stopped.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use sha2::{Digest as _, Sha256};

use super::base;
use super::copy::Target;
use super::dockerfile::{self, Copy, Instruction, expand};
use super::layer::{Layer, hash_tree};
use crate::cache::{Artifact, Cache, make_directory};
use crate::progress::Progress;
use crate::tool;

/// What an image holds and how it starts.
#[derive(Clone, Debug, Default)]
pub struct Image {
    /// Its layers, lowest first.
    pub layers: Vec<Layer>,
    /// Its environment.
    pub environment: BTreeMap<String, String>,
    /// Its program.
    pub entrypoint: Vec<String>,
    /// Its program's arguments.
    pub command: Vec<String>,
    /// Who runs it.
    pub user: String,
    /// Where it runs.
    pub directory: String,
    /// The ports it listens on.
    pub ports: Vec<String>,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
}

/// What an image is built from.
#[derive(Clone, Debug)]
pub struct Recipe<'a> {
    /// What it is called in progress reports.
    pub name: &'a str,
    /// The Dockerfile.
    pub dockerfile: &'a Path,
    /// What `COPY` copies from.
    pub context: &'a Path,
    /// The stage that is wanted; the last one where none is named.
    pub target: Option<&'a str>,
    /// Values of its arguments.
    pub arguments: BTreeMap<String, String>,
    /// Directories that stand in for stages, as `docker build --build-context NAME=DIRECTORY` has it: what a stage would
    /// build in a container is built on the machine itself.
    pub stages: BTreeMap<String, PathBuf>,
    /// What becomes of layers that an earlier state of the sources made.
    pub retention: Retention,
}

/// What stays in the cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retention {
    /// All layers ever made: they take long to make and seldom change.
    Everything,
    /// The layers of this build alone: each change of the code makes others.
    Newest,
}

/// Where files come from and what came before.
struct Builder<'a> {
    cache: &'a Cache,
    progress: &'a dyn Progress,
    recipe: &'a Recipe<'a>,
    variables: BTreeMap<String, String>,
    /// Arguments declared before the first stage, which a stage sees once it declares them too.
    defaults: BTreeMap<String, String>,
    stage: Option<String>,
    image: Image,
    artifacts: Vec<Artifact>,
}

/// Builds the image, or takes it from the cache.
pub fn build(cache: &Cache, progress: &dyn Progress, recipe: &Recipe<'_>) -> Result<Image> {
    let path = recipe.dockerfile;
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let instructions = dockerfile::parse(&text).with_context(|| format!("cannot read {}", path.display()))?;
    let mut builder = Builder {
        cache,
        progress,
        recipe,
        variables: BTreeMap::new(),
        defaults: BTreeMap::new(),
        stage: None,
        image: Image::default(),
        artifacts: Vec::new(),
    };
    let stages = instructions.chunk_by(|_, next| !matches!(next, Instruction::From { .. }));
    for stage in stages.filter(|stage| recipe.wants(stage)) {
        for instruction in stage {
            builder
                .carry_out(instruction)
                .with_context(|| format!("cannot build {}", recipe.name))?;
        }
    }
    builder.finish()
}

impl Recipe<'_> {
    /// Whether a stage has to be built: one that something stands in for need not, nor one that is not the target.
    fn wants(&self, stage: &[Instruction]) -> bool {
        let Some(Instruction::From { stage, .. }) = stage.first() else {
            return true;
        };
        match (stage, self.target) {
            (Some(stage), _) if self.stages.contains_key(stage) => false,
            (stage, Some(target)) => stage.as_deref() == Some(target),
            (_, None) => true,
        }
    }
}

impl Builder<'_> {
    fn finish(self) -> Result<Image> {
        if let Some(target) = self
            .recipe
            .target
            .filter(|target| self.stage.as_deref() != Some(*target))
        {
            bail!("{} has no stage {target}", self.recipe.dockerfile.display());
        }
        if self.recipe.retention == Retention::Newest {
            self.cache
                .remove_others(&layer_name(self.recipe.name), &self.artifacts)?;
        }
        Ok(self.image)
    }

    fn carry_out(&mut self, instruction: &Instruction) -> Result<()> {
        match instruction {
            Instruction::From { image, stage } => self.begin(image, stage.as_deref())?,
            Instruction::Arg { name, default } => {
                let given = self
                    .recipe
                    .arguments
                    .get(name)
                    .or_else(|| self.defaults.get(name))
                    .cloned();
                let value = given.or_else(|| default.as_ref().map(|default| self.expanded(default)));
                self.variables.insert(name.clone(), value.unwrap_or_default());
            }
            Instruction::Env(pairs) => {
                for (name, value) in pairs {
                    let value = self.expanded(value);
                    self.variables.insert(name.clone(), value.clone());
                    self.image.environment.insert(name.clone(), value);
                }
            }
            Instruction::Run(command) => self.run(&command.words())?,
            Instruction::Copy(copy) => self.copy(copy)?,
            Instruction::User(user) => self.image.user = self.expanded(user),
            Instruction::WorkDir(directory) => self.image.directory = self.expanded(directory),
            Instruction::Entrypoint(command) => {
                self.image.entrypoint = command.words();
                // As Docker does: a base's arguments are not meant for another program.
                self.image.command.clear();
            }
            Instruction::Cmd(command) => self.image.command = command.words(),
            Instruction::Expose(ports) => self.image.ports.extend(ports.iter().cloned()),
            Instruction::Label(pairs) => {
                for (name, value) in pairs {
                    self.image.labels.insert(name.clone(), self.expanded(value));
                }
            }
        }
        Ok(())
    }

    fn expanded(&self, text: &str) -> String {
        expand(text, &self.variables)
    }

    fn begin(&mut self, image: &str, stage: Option<&str>) -> Result<()> {
        if self.stage.is_none() && self.image.layers.is_empty() {
            self.defaults = std::mem::take(&mut self.variables);
        }
        let image = expand(image, &self.defaults);
        self.image = match image.as_str() {
            // The second is made of the same packages, a few of them.
            base::NAME | "gcr.io/distroless/cc-debian12:nonroot" => debian(self.cache, self.progress)?,
            "scratch" => Image::default(),
            other => {
                bail!("the image {other} is not one the lab can make, and nothing stands in for its stage")
            }
        };
        self.variables.clone_from(&self.image.environment);
        self.stage = stage.map(str::to_owned);
        Ok(())
    }

    /// A layer named by the layers below it and by what makes it.
    fn artifact(&self, kind: &str) -> Artifact {
        let below = self.image.layers.iter().map(|layer| layer.digest().hex());
        below.fold(
            Artifact::new(&layer_name(self.recipe.name), kind),
            Artifact::input,
        )
    }

    fn push(&mut self, artifact: Artifact, make: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
        let place = self.cache.install(&artifact, |to| {
            make_directory(&Layer::tree_in(to))?;
            make(to)?;
            Layer::seal(to)
        })?;
        self.image.layers.push(Layer::open(&place)?);
        self.artifacts.push(artifact);
        Ok(())
    }

    fn run(&mut self, words: &[String]) -> Result<()> {
        let user = self.image.user.as_str();
        if !matches!(user, "" | "0" | "root") {
            bail!("RUN as another user than root is not supported: put it before USER {user}");
        }
        let mut artifact = self.artifact("run").input(include_str!("run.sh"));
        for (name, value) in &self.variables {
            artifact = artifact.input(name).input(value);
        }
        for word in words {
            artifact = artifact.input(word);
        }
        let (cache, progress, name) = (self.cache, self.progress, self.recipe.name);
        let (layers, variables) = (self.image.layers.clone(), self.variables.clone());
        let directory = match self.image.directory.as_str() {
            "" => "/".to_owned(),
            directory => directory.to_owned(),
        };
        self.push(artifact, |to| {
            // The command sees its layers through a directory that is gone again when the layer is sealed.
            let scratch = Scratch::new(to)?;
            let lower: Vec<String> = layers
                .iter()
                .rev()
                .map(|layer| layer.tree().display().to_string())
                .collect();
            let mut command = Command::new("unshare");
            command
                .args([
                    "--mount",
                    "--pid",
                    "--fork",
                    "--kill-child",
                    "--propagation",
                    "private",
                    "--",
                ])
                .args(["sh", "-c", include_str!("run.sh"), "sh"])
                .args(words)
                .envs(&variables)
                .env("PATH", variables.get("PATH").map_or(PATH, String::as_str))
                .env("DEBIAN_FRONTEND", "noninteractive")
                .env("LOWER", lower.join(":"))
                .env("UPPER", Layer::tree_in(to))
                .env("WORK", &scratch.work)
                .env("ROOT", &scratch.root)
                .env("DIRECTORY", directory);
            tool::run(
                progress,
                &format!("build {name}"),
                &cache.log("images"),
                &mut command,
            )?;
            scratch.remove()
        })
    }

    fn copy(&mut self, copy: &Copy) -> Result<()> {
        let origin = match &copy.from {
            None => self.recipe.context,
            Some(stage) => {
                let directory = self.recipe.stages.get(stage);
                directory.with_context(|| format!("nothing stands in for the stage {stage}"))?
            }
        };
        let sources: Vec<PathBuf> = copy
            .sources
            .iter()
            .map(|source| origin.join(self.expanded(source).trim_start_matches('/')))
            .collect();
        let destination = self.expanded(&copy.destination);
        let mut contents = Sha256::new();
        for source in &sources {
            hash_tree(source, &mut contents)?;
        }
        let described = format!("{destination} {:?} {:?}", copy.owner, copy.mode);
        let artifact = self.artifact("copy").input(described).input(contents.finalize());
        let layers = self.image.layers.clone();
        let directory = self.image.directory.clone();
        self.push(artifact, |to| {
            let target = Path::new("/").join(directory).join(&destination);
            let into = Target {
                tree: Layer::tree_in(to),
                below: &layers,
                owner: copy.owner,
                mode: copy.mode,
            };
            let as_directory = destination.ends_with('/') || sources.len() > 1;
            for source in &sources {
                into.place(source, &target, as_directory)?;
            }
            Ok(())
        })
    }
}

/// What all layers of one image are called in the cache.
fn layer_name(image: &str) -> String {
    format!("layer-{image}")
}

/// Where images look for programs unless they say so themselves.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The base as an image.
pub fn debian(cache: &Cache, progress: &dyn Progress) -> Result<Image> {
    Ok(Image {
        layers: vec![base::layer(cache, progress)?],
        environment: BTreeMap::from([("PATH".to_owned(), PATH.to_owned())]),
        ..Image::default()
    })
}

/// The mount point and the work directory of an overlay.
struct Scratch {
    root: PathBuf,
    work: PathBuf,
}

impl Scratch {
    fn new(directory: &Path) -> Result<Self> {
        let scratch = Self {
            root: directory.join("root"),
            work: directory.join("work"),
        };
        make_directory(&scratch.root)?;
        make_directory(&scratch.work)?;
        Ok(scratch)
    }

    fn remove(self) -> Result<()> {
        crate::cache::remove_all(&self.work)?;
        crate::cache::remove_all(&self.root)
    }
}
