//! What can be said to `cargo xtask`.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Build, lab, test and bench tasks of kubectl-casskop.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", max_term_width = 110)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Install what this machine lacks for labs and tests, and nothing it has
    Setup(SetupOptions),
    /// Start, end and look at test Kubernetes labs
    #[command(subcommand)]
    Lab(LabCommand),
    /// Write crds/ from the types
    Crds,
    /// Write docs/plugin/ from the plugin's command line
    Docs,
    /// Build archives of the plugin, and krew's manifest for them, into target/package/
    Package(PackageOptions),
    /// Run the tests, all of them or some layers
    Test(TestOptions),
    /// Show the main job end to end: a ring, a rolling restart, a cleanup
    Demo(DemoOptions),
    /// Print the budgets with today's figures, and fail if one is exceeded
    Bench,
}

#[derive(Debug, Args)]
pub(crate) struct SetupOptions {
    /// Only what labs with simulated nodes need: no Debian packages, no images, no root
    #[arg(long)]
    pub(crate) simulated: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum LabCommand {
    /// Start a lab and leave it running
    Up(UpOptions),
    /// Take labs down: the named one, or all that no running process owns
    Down {
        /// The lab's name, as `lab status` shows it
        name: Option<String>,
    },
    /// Show the labs and what runs in them
    Status,
    /// Print the exports that make kubectl and the plugin work in a shell: eval "$(cargo xtask lab env)"
    Env {
        /// The lab's name; needed only if several are up
        name: Option<String>,
    },
    /// Lead connections to a loopback port into a lab's own network
    #[command(hide = true)]
    Forward {
        #[arg(long)]
        listen: SocketAddr,
        #[arg(long)]
        to: SocketAddr,
        #[arg(long)]
        network: PathBuf,
    },
    /// Take a lab down when standard input ends
    #[command(hide = true)]
    Reap { directory: PathBuf },
}

#[derive(Debug, Args)]
pub(crate) struct PackageOptions {
    /// Rust's name of a platform; repeat it for several
    #[arg(long, value_name = "TRIPLE", default_value = "x86_64-unknown-linux-musl")]
    pub(crate) target: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct UpOptions {
    /// Real nodes: kubelet, containerd and runc in network namespaces of the lab (default 3; needs root)
    #[arg(long, value_name = "N", conflicts_with = "simulated", value_parser = clap::value_parser!(u16).range(1..=9))]
    pub(crate) nodes: Option<u16>,
    /// Simulated nodes, on loopback, without root; 0 for an API server and its controllers alone
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(0..=500))]
    pub(crate) simulated: Option<u16>,
    /// A name of your own, to have several labs at once [default: "real" or "simulated"]
    #[arg(long)]
    pub(crate) name: Option<String>,
}

/// The tests from the cheapest to the dearest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Layer {
    /// Format, lints, dependencies, and all tests that need no Kubernetes
    Core,
    /// A real API server and etcd
    Api,
    /// Simulated nodes and rings
    Sim,
    /// One real ring of Cassandra on real nodes
    E2e,
}

#[derive(Debug, Args)]
pub(crate) struct TestOptions {
    /// Which tests [default: all]
    #[arg(value_enum)]
    pub(crate) layers: Vec<Layer>,
    /// The long runs too
    #[arg(long)]
    pub(crate) full: bool,
    /// For the test programs, e.g. a test's name
    #[arg(last = true)]
    pub(crate) arguments: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct DemoOptions {
    /// Without real nodes and real Cassandra: under a minute once set up
    #[arg(long, conflicts_with = "context")]
    pub(crate) simulated: bool,
    /// On a cluster of your own, by the name of its kubeconfig context: everything but the CRDs goes into the
    /// namespace casskop-demo
    #[arg(long, value_name = "NAME")]
    pub(crate) context: Option<String>,
    #[command(flatten)]
    pub(crate) images: ImageOptions,
}

/// Images for a cluster that has not got the usual ones. A lab makes its own.
#[derive(Debug, Args)]
#[command(next_help_heading = "Images, with --context")]
pub(crate) struct ImageOptions {
    /// The operator, from operator/Dockerfile
    #[arg(long = "operator-image", value_name = "IMAGE", requires = "context")]
    pub(crate) operator: Option<String>,
    /// The init container that prepares a node, from crates/bootstrap/Dockerfile, target bootstrap
    #[arg(long = "bootstrap-image", value_name = "IMAGE", requires = "context")]
    pub(crate) bootstrap: Option<String>,
    /// The init container that writes the configuration, from crates/bootstrap/Dockerfile, target config-builder
    #[arg(long = "config-builder-image", value_name = "IMAGE", requires = "context")]
    pub(crate) config_builder: Option<String>,
    /// Cassandra 5.0 [default: cassandra:5.0]
    #[arg(long = "cassandra-image", value_name = "IMAGE", requires = "context")]
    pub(crate) cassandra: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn layers_run_in_their_own_order_whatever_was_typed() {
        assert!(Layer::Core < Layer::Api && Layer::Api < Layer::Sim && Layer::Sim < Layer::E2e);
    }

    #[test]
    fn real_and_simulated_nodes_exclude_each_other() {
        let error =
            Cli::try_parse_from(["xtask", "lab", "up", "--nodes", "2", "--simulated", "3"]).unwrap_err();
        assert_eq!(error.kind(), clap::error::ErrorKind::ArgumentConflict);
        assert!(Cli::try_parse_from(["xtask", "lab", "up", "--simulated", "many"]).is_err());
        assert!(Cli::try_parse_from(["xtask", "test", "unit"]).is_err());
    }

    #[test]
    fn images_are_chosen_for_a_cluster_of_ones_own_alone() {
        assert!(Cli::try_parse_from(["xtask", "demo", "--operator-image", "a:1"]).is_err());
        assert!(Cli::try_parse_from(["xtask", "demo", "--simulated", "--context", "kind"]).is_err());
        let own = ["xtask", "demo", "--context", "kind", "--operator-image", "a:1"];
        assert!(Cli::try_parse_from(own).is_ok());
    }
}
