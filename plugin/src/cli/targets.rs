//! Which pods a pod operation is asked for.

use casskop_core::guard::{PodScope, PodSelection};
use casskop_core::view::RackRef;
use clap::builder::NonEmptyStringValueParser;
use clap::{Args, ValueEnum};

/// Selects Cassandra pods. Without any flag it is every pod of the only cluster of the namespace.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Selecting pods")]
pub(crate) struct PodTargets {
    /// Only this pod; repeat it for several
    #[arg(long, value_name = "NAME", conflicts_with_all = ["prefix", "dc", "rack"])]
    pub(crate) pod: Vec<String>,
    /// Only pods whose names begin so
    #[arg(long, value_name = "TEXT", value_parser = NonEmptyStringValueParser::new(), conflicts_with_all = ["dc", "rack"])]
    pub(crate) prefix: Option<String>,
    /// Only pods of this `CassandraCluster`
    #[arg(long, value_name = "NAME")]
    pub(crate) crd: Option<String>,
    /// Only pods of these datacenters
    #[arg(long, value_name = "DC", num_args = 1.., value_delimiter = ',')]
    pub(crate) dc: Vec<String>,
    /// Only pods of these racks
    #[arg(long, value_name = "DC.RACK", num_args = 1.., value_delimiter = ',', conflicts_with = "dc")]
    pub(crate) rack: Vec<RackRef>,
    /// Only Cassandra pods with these labels
    #[arg(short = 'l', long, value_name = "LABELS", conflicts_with_all = ["pod", "prefix", "dc", "rack"])]
    pub(crate) selector: Option<String>,
}

impl PodTargets {
    /// Whether no flag says which pods.
    pub(crate) fn is_empty(&self) -> bool {
        self.pod.is_empty()
            && self.prefix.is_none()
            && self.crd.is_none()
            && self.dc.is_empty()
            && self.rack.is_empty()
            && self.selector.is_none()
    }

    /// What was selected. Which pods have the labels that were asked for is not known yet.
    pub(crate) fn selection(&self) -> PodSelection {
        let scope = if !self.pod.is_empty() {
            PodScope::Named(self.pod.clone())
        } else if let Some(prefix) = &self.prefix {
            PodScope::Prefix(prefix.clone())
        } else if !self.rack.is_empty() {
            PodScope::Racks(self.rack.clone())
        } else if !self.dc.is_empty() {
            PodScope::Datacenters(self.dc.clone())
        } else if let Some(selector) = &self.selector {
            PodScope::Labelled {
                selector: selector.clone(),
                pods: Vec::new(),
            }
        } else {
            PodScope::All
        };
        PodSelection {
            cluster: self.crd.clone(),
            scope,
        }
    }
}

/// The word after the operation's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Step {
    /// Ask for the operation
    Start,
    /// Hold back what has not begun
    Pause,
    /// Let go what is held back
    Unpause,
    /// End what has not ended
    Abort,
    /// Show how far it is on each pod
    Status,
}
