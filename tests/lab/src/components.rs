//! The Kubernetes components, built from their Go modules once per machine.
//!
//! `go install module@version` refuses modules with `replace` lines, and kubernetes and etcd have them. So each
//! comes from a small module of ours (`tests/lab/components/*`) that requires it: there the replaces do not apply,
//! and `go.sum` pins every source by hash.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::cache::{Artifact, Cache, make_directory};
use crate::progress::Progress;
use crate::tool;

/// The Kubernetes version of every lab.
pub const KUBERNETES_VERSION: &str = "v1.34.4";

/// Debian's etcd 3.4 must not stand in: without `RequestWatchProgress` watches end in errors, and every controller
/// lags by up to a minute.
pub const ETCD_VERSION: &str = "v3.6.8";

/// DNS for the pods of real nodes.
pub const COREDNS_VERSION: &str = "v1.15.0";

/// Names a directory with ready-made `kube-apiserver`, `etcd` and `kubectl`, as the envtest tools use it.
pub const ASSETS_VARIABLE: &str = "KUBEBUILDER_ASSETS";

/// One program of the test Kubernetes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Component {
    /// The store.
    Etcd,
    /// The API server.
    ApiServer,
    /// The controllers of Kubernetes itself (StatefulSets, volumes, disruption budgets, ...).
    ControllerManager,
    /// The scheduler.
    Scheduler,
    /// The node agent, for real nodes.
    Kubelet,
    /// Service addresses, for real nodes.
    KubeProxy,
    /// DNS for the pods of real nodes.
    CoreDns,
    /// The client; built only where none is on PATH.
    Kubectl,
}

impl Component {
    /// What a control plane needs, and the client to talk to it.
    pub const CONTROL_PLANE: [Self; 5] = [
        Self::Etcd,
        Self::ApiServer,
        Self::ControllerManager,
        Self::Scheduler,
        Self::Kubectl,
    ];

    /// What real nodes need besides.
    pub const NODES: [Self; 3] = [Self::Kubelet, Self::KubeProxy, Self::CoreDns];

    /// The program's name.
    pub const fn program(self) -> &'static str {
        match self {
            Self::Etcd => "etcd",
            Self::ApiServer => "kube-apiserver",
            Self::ControllerManager => "kube-controller-manager",
            Self::Scheduler => "kube-scheduler",
            Self::Kubelet => "kubelet",
            Self::KubeProxy => "kube-proxy",
            Self::CoreDns => "coredns",
            Self::Kubectl => "kubectl",
        }
    }

    /// The version built.
    pub const fn version(self) -> &'static str {
        match self {
            Self::Etcd => ETCD_VERSION,
            Self::CoreDns => COREDNS_VERSION,
            _ => KUBERNETES_VERSION,
        }
    }

    /// The Go package, and the wrapper module under `tests/lab/components` it is built in.
    fn source(self) -> (&'static str, String) {
        match self {
            Self::Etcd => ("etcd", "go.etcd.io/etcd/server/v3".to_owned()),
            // Not CoreDNS's own program: that one links every plugin there is, and builds for a quarter of an hour.
            Self::CoreDns => ("coredns", "casskop.test/lab/coredns".to_owned()),
            _ => ("kubernetes", format!("k8s.io/kubernetes/cmd/{}", self.program())),
        }
    }

    /// Linker flags: no debug information, and the version that `kubectl version` and the API report. A released
    /// Kubernetes gets these from its build scripts.
    fn linker_flags(self) -> String {
        let mut flags = vec!["-s -w".to_owned()];
        if !matches!(self, Self::Etcd | Self::CoreDns) {
            let mut parts = KUBERNETES_VERSION.trim_start_matches('v').split('.');
            let (major, minor) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
            for (variable, value) in [
                ("gitVersion", KUBERNETES_VERSION),
                ("gitMajor", major),
                ("gitMinor", minor),
                ("gitTreeState", "clean"),
                ("gitCommit", "unknown"),
                ("buildDate", "1970-01-01T00:00:00Z"),
            ] {
                flags.push(format!("-X k8s.io/component-base/version.{variable}={value}"));
            }
        }
        flags.join(" ")
    }
}

/// The programs as they are on this machine.
#[derive(Clone, Debug)]
pub struct Components {
    cache: Cache,
    assets: Option<PathBuf>,
}

impl Components {
    /// From this user's cache, and from `KUBEBUILDER_ASSETS` where that is set.
    pub fn locate() -> Result<Self> {
        let assets = std::env::var_os(ASSETS_VARIABLE)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from);
        if let Some(directory) = assets.as_deref().filter(|directory| !directory.is_dir()) {
            bail!(
                "{ASSETS_VARIABLE} names {}, which is not a directory",
                directory.display()
            );
        }
        Ok(Self {
            cache: Cache::locate()?,
            assets,
        })
    }

    /// From a cache alone.
    pub fn in_cache(cache: Cache) -> Self {
        Self { cache, assets: None }
    }

    /// The cache they are kept in.
    pub fn cache(&self) -> &Cache {
        &self.cache
    }

    /// The program, if it is there already. A client may come from PATH; a server never does, since nobody knows
    /// which version that is.
    pub fn find(&self, component: Component) -> Result<Option<PathBuf>> {
        let program = component.program();
        let ready = self.assets.as_ref().map(|assets| assets.join(program));
        if let Some(ready) = ready.filter(|ready| tool::is_executable(ready)) {
            return Ok(Some(ready));
        }
        if component == Component::Kubectl
            && let Some(installed) = tool::find(program)
        {
            return Ok(Some(installed));
        }
        let artifact = artifact(component)?;
        Ok(self
            .cache
            .has(&artifact)
            .then(|| self.cache.path(&artifact).join(program)))
    }

    /// The program, or what to run to get it.
    pub fn require(&self, component: Component) -> Result<PathBuf> {
        self.find(component)?.with_context(|| {
            format!(
                "{} {} is not built yet: run `cargo xtask setup`",
                component.program(),
                component.version()
            )
        })
    }

    /// The program, built now if it is not there. Minutes for the first one: Go's own build cache then makes the
    /// others faster, and keeps what an interrupted build got done.
    pub fn build(&self, component: Component, progress: &dyn Progress) -> Result<PathBuf> {
        if let Some(ready) = self.find(component)? {
            return Ok(ready);
        }
        let program = component.program();
        if tool::find("go").is_none() {
            bail!("{program} is built from its Go module, and `go` is not on PATH: install Go 1.26 or newer");
        }
        let (module, package) = component.source();
        // A directory of its own for each, so that one of them can be put on PATH.
        let place = self.cache.install(&artifact(component)?, |to| {
            make_directory(to)?;
            let mut command = Command::new("go");
            command
                .current_dir(module_directory(module))
                .env("CGO_ENABLED", "0")
                .env("GOFLAGS", "")
                .args([
                    "build",
                    "-mod=readonly",
                    "-buildvcs=false",
                    "-trimpath",
                    "-ldflags",
                ])
                .arg(component.linker_flags())
                .arg("-o")
                .arg(to.join(program))
                .arg(package);
            let step = format!("build {program} {}", component.version());
            tool::run(progress, &step, &self.cache.log(program), &mut command)
        })?;
        Ok(place.join(program))
    }
}

/// A component is made anew when a module's version or hash, or a flag, changes.
fn artifact(component: Component) -> Result<Artifact> {
    let (module, package) = component.source();
    let directory = module_directory(module);
    let artifact = Artifact::new(component.program(), component.version())
        .input(package)
        .input(component.linker_flags())
        .input_file(&directory.join("go.mod"))?
        .input_file(&directory.join("go.sum"))?;
    match component {
        Component::CoreDns => artifact.input_file(&directory.join("main.go")),
        _ => Ok(artifact),
    }
}

fn module_directory(module: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("components")
        .join(module)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_versions_named_here_are_those_the_modules_pin() {
        for (component, requirement) in [
            (Component::ApiServer, "k8s.io/kubernetes"),
            (Component::Etcd, "go.etcd.io/etcd/server/v3"),
            (Component::CoreDns, "github.com/coredns/coredns"),
        ] {
            let (module, _) = component.source();
            let go_mod = std::fs::read_to_string(module_directory(module).join("go.mod")).unwrap();
            let pinned = format!("{requirement} {}", component.version());
            assert!(
                go_mod.contains(&pinned),
                "{module}/go.mod does not require {pinned}"
            );
        }
    }

    #[test]
    fn every_program_is_a_tool_of_its_module() {
        for component in Component::CONTROL_PLANE.into_iter().chain(Component::NODES) {
            let (module, package) = component.source();
            let go_mod = std::fs::read_to_string(module_directory(module).join("go.mod")).unwrap();
            let named = go_mod
                .lines()
                .any(|line| line.trim().trim_start_matches("tool ") == package);
            let own = go_mod
                .lines()
                .any(|line| line.trim_start_matches("module ") == package);
            assert!(named || own, "{module}/go.mod has no tool {package}");
        }
    }

    #[test]
    fn ready_made_binaries_are_preferred_and_missing_ones_named() {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::tempdir().unwrap();
        let assets = directory.path().join("assets");
        std::fs::create_dir(&assets).unwrap();
        std::fs::write(assets.join("etcd"), "#!/bin/sh\n").unwrap();
        std::fs::set_permissions(assets.join("etcd"), std::fs::Permissions::from_mode(0o755)).unwrap();
        std::fs::write(assets.join("kube-apiserver"), "not executable").unwrap();
        let components = Components {
            cache: Cache::at(&directory.path().join("cache")).unwrap(),
            assets: Some(assets.clone()),
        };
        assert_eq!(components.require(Component::Etcd).unwrap(), assets.join("etcd"));
        let error = components.require(Component::ApiServer).unwrap_err().to_string();
        assert_eq!(
            error,
            "kube-apiserver v1.34.4 is not built yet: run `cargo xtask setup`"
        );
    }
}
