//! The verbs of operations that need nothing but pods: `cleanup` and its kin. They differ in what they say.

use casskop_types::operation::{OperationCommand, OperationName};
use clap::Subcommand;

use super::pod_operation::{self, RequestArgs};
use crate::exit::ExitStatus;
use crate::failure::Failure;
use crate::kube_access::Access;
use crate::printer::Printer;

macro_rules! examples {
    ($verb:literal) => {
        concat!(
            "Examples:\n",
            "  # On every node of the only cluster of the namespace, watching it\n",
            "  kubectl casskop ",
            $verb,
            " start --wait\n",
            "  # On the nodes of a rack, two at a time\n",
            "  kubectl casskop ",
            $verb,
            " start --crd demo --rack dc1.rack1 --parallel 2\n",
            "  # On pods by the beginning of their names\n",
            "  kubectl casskop ",
            $verb,
            " --prefix demo-dc1\n",
            "  # How far it is\n",
            "  kubectl casskop ",
            $verb,
            " status --crd demo\n",
            "  # Hold back what has not begun, and end what runs\n",
            "  kubectl casskop ",
            $verb,
            " pause --crd demo\n",
            "  kubectl casskop ",
            $verb,
            " abort --crd demo",
        )
    };
}

/// One variant a verb.
#[derive(Debug, Subcommand)]
pub(crate) enum Maintenance {
    /// Drop the data of tokens that nodes no longer own
    ///
    /// Ask for it after nodes have been added: each old node still holds the data it has handed over. Nodes stay up.
    #[command(after_help = examples!("cleanup"))]
    Cleanup(RequestArgs),
    /// Rewrite SSTables that an older Cassandra wrote
    ///
    /// Ask for it after an upgrade of Cassandra has reached every node. Nodes stay up.
    #[command(after_help = examples!("upgradesstables"))]
    Upgradesstables(RequestArgs),
    /// Rewrite data files, and see whether what is in them can be read
    ///
    /// A snapshot is taken first, and rows that cannot be read are left out of the new files. Nodes stay up.
    #[command(after_help = examples!("scrub"))]
    Scrub(KeyspaceArgs),
    /// Merge the data files of each table
    ///
    /// It needs about as much free disk as the largest table takes, and much I/O. Nodes stay up.
    #[command(after_help = examples!("compact"))]
    Compact(KeyspaceArgs),
    /// Write what is in memory to data files
    #[command(after_help = examples!("flush"))]
    Flush(KeyspaceArgs),
    /// Rewrite data files without what was deleted or overwritten
    ///
    /// Nodes stay up.
    #[command(after_help = examples!("garbagecollect"))]
    Garbagecollect(KeyspaceArgs),
}

/// Arguments of an operation on keyspaces.
#[derive(Debug, clap::Args)]
pub(crate) struct KeyspaceArgs {
    #[command(flatten)]
    request: RequestArgs,
    /// With start: only this keyspace, instead of all
    #[arg(long, value_name = "KEYSPACE", value_parser = keyspace)]
    keyspace: Option<String>,
}

/// Reads a keyspace as the operator will. Nothing at all is none: it would be taken for all keyspaces.
fn keyspace(text: &str) -> Result<String, String> {
    let read = OperationCommand::parse(OperationName::Flush, Some(text));
    let argument = read.ok().and_then(|command| command.argument());
    argument.filter(|read| read == text).ok_or_else(|| {
        "a keyspace's name has letters, digits and `_`, 48 at most; leave the flag out for all keyspaces"
            .to_owned()
    })
}

impl Maintenance {
    /// The verb, and what is missing from its arguments.
    pub(crate) fn incomplete(&self) -> Option<(&'static str, String)> {
        let (command, args) = self.request();
        let text = if command.argument().is_some() && !args.starts() {
            Some("--keyspace goes with `start` only".to_owned())
        } else {
            args.incomplete()
        };
        text.map(|text| (command.name().as_str(), text))
    }

    fn request(&self) -> (OperationCommand, &RequestArgs) {
        match self {
            Self::Cleanup(args) => (OperationCommand::Cleanup, args),
            Self::Upgradesstables(args) => (OperationCommand::UpgradeSstables, args),
            Self::Scrub(args) => of(args, |keyspace| OperationCommand::Scrub { keyspace }),
            Self::Compact(args) => of(args, |keyspace| OperationCommand::Compact { keyspace }),
            Self::Flush(args) => of(args, |keyspace| OperationCommand::Flush { keyspace }),
            Self::Garbagecollect(args) => of(args, |keyspace| OperationCommand::GarbageCollect { keyspace }),
        }
    }
}

fn of(
    args: &KeyspaceArgs,
    command: impl Fn(Option<String>) -> OperationCommand,
) -> (OperationCommand, &RequestArgs) {
    (command(args.keyspace.clone()), &args.request)
}

pub(super) async fn run(
    verb: &Maintenance,
    access: &Access,
    printer: &mut Printer<'_>,
) -> Result<ExitStatus, Failure> {
    let (command, args) = verb.request();
    pod_operation::run(args, command, access, printer).await
}
