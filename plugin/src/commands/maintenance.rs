//! The verbs of work on tables: `cleanup` and its kin.

use casskop_types::operation::{OperationCommand, TableOptions, TableWork};
use clap::Subcommand;

use super::pod_operation::{self, RequestArgs};
use super::table_flags::{CompactFlags, ScrubFlags, TableFlags, ThreadFlags};
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
            "  # Only some tables\n",
            "  kubectl casskop ",
            $verb,
            " start --keyspace shop --table carts --table orders\n",
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
    Cleanup(ThreadedArgs),
    /// Rewrite SSTables that an older Cassandra wrote
    ///
    /// Ask for it after an upgrade of Cassandra has reached every node. Nodes stay up.
    #[command(after_help = examples!("upgradesstables"))]
    Upgradesstables(ThreadedArgs),
    /// Rewrite data files, and see whether what is in them can be read
    ///
    /// A snapshot is taken first. Partitions that cannot be read are left out of the new files; of counter tables they make it
    /// fail. Nodes stay up.
    #[command(after_help = examples!("scrub"))]
    Scrub(ScrubArgs),
    /// Merge the data files of each table
    ///
    /// It needs about as much free disk as the largest table takes, and much I/O. Nodes stay up.
    #[command(after_help = examples!("compact"))]
    Compact(CompactArgs),
    /// Write what is in memory to data files
    #[command(after_help = examples!("flush"))]
    Flush(TableArgs),
    /// Rewrite data files without what was deleted or overwritten
    ///
    /// Nodes stay up.
    #[command(after_help = examples!("garbagecollect"))]
    Garbagecollect(ThreadedArgs),
}

/// Work on tables.
#[derive(Debug, clap::Args)]
pub(crate) struct TableArgs {
    #[command(flatten)]
    request: RequestArgs,
    #[command(flatten)]
    tables: TableFlags,
}

/// Work of which the node does several pieces at once.
#[derive(Debug, clap::Args)]
pub(crate) struct ThreadedArgs {
    #[command(flatten)]
    tables: TableArgs,
    #[command(flatten)]
    threads: ThreadFlags,
}

/// A scrub.
#[derive(Debug, clap::Args)]
pub(crate) struct ScrubArgs {
    #[command(flatten)]
    threaded: ThreadedArgs,
    #[command(flatten)]
    how: ScrubFlags,
}

/// A compaction.
#[derive(Debug, clap::Args)]
pub(crate) struct CompactArgs {
    #[command(flatten)]
    tables: TableArgs,
    #[command(flatten)]
    how: CompactFlags,
}

impl Maintenance {
    /// The verb, and what is missing from its arguments.
    pub(crate) fn incomplete(&self) -> Option<(&'static str, String)> {
        let (work, options, args) = self.request();
        let text = if options != TableOptions::default() && !args.starts() {
            Some(
                "--keyspace, --table, --threads and what else says how the work is done go with `start` only"
                    .to_owned(),
            )
        } else if let Err(error) = options.check(work) {
            Some(error.to_string())
        } else {
            args.incomplete()
        };
        text.map(|text| (work.operation().as_str(), text))
    }

    fn request(&self) -> (TableWork, TableOptions, &RequestArgs) {
        let mut options = TableOptions::default();
        let (work, args) = match self {
            Self::Cleanup(args) => (TableWork::Cleanup, args.read(&mut options)),
            Self::Upgradesstables(args) => (TableWork::UpgradeSstables, args.read(&mut options)),
            Self::Garbagecollect(args) => (TableWork::GarbageCollect, args.read(&mut options)),
            Self::Scrub(args) => {
                args.how.read(&mut options);
                (TableWork::Scrub, args.threaded.read(&mut options))
            }
            Self::Compact(args) => {
                args.how.read(&mut options);
                (TableWork::Compact, args.tables.read(&mut options))
            }
            Self::Flush(args) => (TableWork::Flush, args.read(&mut options)),
        };
        (work, options, args)
    }
}

impl TableArgs {
    fn read(&self, options: &mut TableOptions) -> &RequestArgs {
        self.tables.read(options);
        &self.request
    }
}

impl ThreadedArgs {
    fn read(&self, options: &mut TableOptions) -> &RequestArgs {
        self.threads.read(options);
        self.tables.read(options)
    }
}

pub(super) async fn run(
    verb: &Maintenance,
    access: &Access,
    printer: &mut Printer<'_>,
) -> Result<ExitStatus, Failure> {
    let (work, options, args) = verb.request();
    pod_operation::run(args, OperationCommand::OnTables(work, options), access, printer).await
}
