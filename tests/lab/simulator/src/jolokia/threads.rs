//! The answer to `threadPrint`: threads of the JVM, the calls in flight among them as stack frames.
//!
//! It is how an operator that was restarted finds out whether a blocking call still runs in a node.

use std::fmt::Write as _;

use crate::ring::{NodeView, Operation};

/// A thread dump as `jcmd Thread.print` writes it.
pub(super) fn thread_print(view: NodeView<'_>) -> String {
    let mut dump = String::from(
        "Full thread dump OpenJDK 64-Bit Server VM (17.0.13+11-Debian-2deb12u1 mixed mode, sharing):\n\n",
    );
    let calls = view.ring().calls_on(view.host());
    for (number, call) in calls.enumerate() {
        thread(&mut dump, number + 1, frames(&call.operation));
    }
    let idle = [
        "jdk.internal.misc.Unsafe.park(java.base@17.0.13/Native Method)",
        "java.util.concurrent.locks.LockSupport.park(java.base@17.0.13/LockSupport.java:211)",
        "java.util.concurrent.LinkedBlockingQueue.take(java.base@17.0.13/LinkedBlockingQueue.java:435)",
        "java.util.concurrent.ThreadPoolExecutor.getTask(java.base@17.0.13/ThreadPoolExecutor.java:1062)",
    ];
    thread(&mut dump, 99, &idle);
    dump
}

/// Writing to a `String` cannot fail.
fn thread(dump: &mut String, number: usize, frames: &[&str]) {
    let _ = writeln!(
        dump,
        "\"jolokia-{number}\" #{number} prio=5 os_prio=0 cpu=1.00ms elapsed=1.00s tid=0x00007f0000000000 \
         nid=0x{number:x} waiting on condition  [0x00007f0000000000]\n   java.lang.Thread.State: WAITING (parking)"
    );
    for frame in frames {
        let _ = writeln!(dump, "\tat {frame}");
    }
    dump.push('\n');
}

fn frames(operation: &Operation) -> &'static [&'static str] {
    match operation {
        Operation::Cleanup { .. } => &[
            "org.apache.cassandra.db.compaction.CompactionManager.parallelAllSSTableOperation(CompactionManager.java:414)",
            "org.apache.cassandra.db.compaction.CompactionManager.performCleanup(CompactionManager.java:595)",
            "org.apache.cassandra.db.ColumnFamilyStore.forceCleanup(ColumnFamilyStore.java:1822)",
            "org.apache.cassandra.service.StorageService.forceKeyspaceCleanup(StorageService.java:2789)",
        ],
        Operation::UpgradeSstables { .. } => &[
            "org.apache.cassandra.db.compaction.CompactionManager.parallelAllSSTableOperation(CompactionManager.java:414)",
            "org.apache.cassandra.db.compaction.CompactionManager.performSSTableRewrite(CompactionManager.java:549)",
            "org.apache.cassandra.db.ColumnFamilyStore.sstablesRewrite(ColumnFamilyStore.java:1842)",
            "org.apache.cassandra.service.StorageService.upgradeSSTables(StorageService.java:2848)",
        ],
        Operation::Rebuild { .. } => &[
            "org.apache.cassandra.utils.concurrent.AbstractFuture.get(AbstractFuture.java:255)",
            "org.apache.cassandra.service.Rebuild.rebuild(Rebuild.java:160)",
            "org.apache.cassandra.service.StorageService.rebuild(StorageService.java:1210)",
        ],
        Operation::RemoveNode { .. } => &[
            "com.google.common.util.concurrent.Uninterruptibles.sleepUninterruptibly(Uninterruptibles.java:405)",
            "org.apache.cassandra.service.StorageService.removeNode(StorageService.java:5183)",
        ],
        Operation::Decommission { .. } => &[
            "org.apache.cassandra.service.StorageService.unbootstrap(StorageService.java:4867)",
            "org.apache.cassandra.service.StorageService.decommission(StorageService.java:4790)",
        ],
        Operation::Drain => &["org.apache.cassandra.service.StorageService.drain(StorageService.java:5280)"],
        Operation::Maintain { name, .. } => match name.as_str() {
            "scrub" => &["org.apache.cassandra.service.StorageService.scrub(StorageService.java:2825)"],
            "garbageCollect" => {
                &["org.apache.cassandra.service.StorageService.garbageCollect(StorageService.java:2870)"]
            }
            "forceKeyspaceFlush" => {
                &["org.apache.cassandra.service.StorageService.forceKeyspaceFlush(StorageService.java:2920)"]
            }
            _ => &[
                "org.apache.cassandra.service.StorageService.forceKeyspaceCompaction(StorageService.java:2890)",
            ],
        },
    }
}
