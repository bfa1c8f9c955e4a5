//! The answer to `threadPrint`: threads of the JVM, the calls in flight among them as stack frames.
//!
//! It is how an operator that was restarted finds out whether a blocking call still runs in a node.

use std::fmt::Write as _;

use crate::ring::{NodeView, Operation};

const HEADER: &str = "Full thread dump OpenJDK 64-Bit Server VM (17.0.15+6-Debian-1deb12u1 mixed mode, emulated-client, sharing):\n\n";

/// Where every call of an operation comes from, innermost first.
const CALLED_BY_JOLOKIA: &[&str] = &[
    "java.lang.reflect.Method.invoke(java.base@17.0.15/Method.java:569)",
    "com.sun.jmx.mbeanserver.JmxMBeanServer.invoke(java.management@17.0.15/JmxMBeanServer.java:802)",
    "org.jolokia.handler.ExecHandler.doHandleRequest(ExecHandler.java:98)",
    "org.jolokia.http.HttpRequestHandler.handlePostRequest(HttpRequestHandler.java:137)",
    "org.jolokia.jvmagent.handler.JolokiaHttpHandler.handle(JolokiaHttpHandler.java:180)",
    "sun.net.httpserver.ServerImpl$Exchange.run(jdk.httpserver@17.0.15/ServerImpl.java:831)",
    "java.util.concurrent.ThreadPoolExecutor$Worker.run(java.base@17.0.15/ThreadPoolExecutor.java:635)",
    "java.lang.Thread.run(java.base@17.0.15/Thread.java:840)",
];

const GOSSIP: &[&str] = &[
    "jdk.internal.misc.Unsafe.park(java.base@17.0.15/Native Method)",
    "java.util.concurrent.locks.LockSupport.parkNanos(java.base@17.0.15/LockSupport.java:252)",
    "java.util.concurrent.ThreadPoolExecutor.getTask(java.base@17.0.15/ThreadPoolExecutor.java:1062)",
    "io.netty.util.concurrent.FastThreadLocalRunnable.run(FastThreadLocalRunnable.java:30)",
    "java.lang.Thread.run(java.base@17.0.15/Thread.java:840)",
];

/// A thread dump, in the form of `jcmd Thread.print`.
pub(super) fn thread_print(view: Option<NodeView<'_>>) -> String {
    let mut dump = String::from(HEADER);
    let Some(view) = view else { return dump };
    for (number, call) in view.ring().calls_on(view.host()).enumerate() {
        let name = format!("jolokia-{number}");
        let frames = frames(&call.operation).iter().chain(CALLED_BY_JOLOKIA);
        thread(&mut dump, &name, frames);
    }
    thread(&mut dump, "GossipTasks:1", GOSSIP.iter());
    dump
}

fn thread<'a>(dump: &mut String, name: &str, frames: impl Iterator<Item = &'a &'a str>) {
    // Writing to a string cannot fail.
    let _ = writeln!(
        dump,
        "\"{name}\" #17 daemon prio=5 os_prio=0 cpu=0 elapsed=0 tid=0 nid=0 waiting on condition  [0]\n   \
         java.lang.Thread.State: WAITING (parking)"
    );
    for frame in frames {
        let _ = writeln!(dump, "\tat {frame}");
    }
    dump.push('\n');
}

/// Frames of Cassandra, innermost first.
fn frames(operation: &Operation) -> &'static [&'static str] {
    match operation {
        Operation::Cleanup { .. } => &[
            "org.apache.cassandra.db.compaction.CompactionManager.performCleanup(CompactionManager.java:633)",
            "org.apache.cassandra.db.ColumnFamilyStore.forceCleanup(ColumnFamilyStore.java:1742)",
            "org.apache.cassandra.service.StorageService.forceKeyspaceCleanup(StorageService.java:4166)",
        ],
        Operation::UpgradeSstables { .. } => &[
            "org.apache.cassandra.db.compaction.CompactionManager.performSSTableRewrite(CompactionManager.java:549)",
            "org.apache.cassandra.db.ColumnFamilyStore.sstablesRewrite(ColumnFamilyStore.java:1842)",
            "org.apache.cassandra.service.StorageService.upgradeSSTables(StorageService.java:4238)",
        ],
        Operation::Rebuild { .. } => &[
            "org.apache.cassandra.utils.concurrent.AbstractFuture.get(AbstractFuture.java:245)",
            "org.apache.cassandra.service.StorageService.rebuild(StorageService.java:1645)",
            "org.apache.cassandra.service.StorageService.rebuild(StorageService.java:1507)",
        ],
        Operation::RemoveNode { .. } => {
            &["org.apache.cassandra.service.StorageService.removeNode(StorageService.java:5776)"]
        }
        Operation::Decommission { .. } => {
            &["org.apache.cassandra.service.StorageService.decommission(StorageService.java:5378)"]
        }
        Operation::Move { .. } => &[
            "org.apache.cassandra.service.StorageService.move(StorageService.java:4650)",
            "org.apache.cassandra.service.StorageService.move(StorageService.java:4577)",
        ],
        Operation::Drain => &["org.apache.cassandra.service.StorageService.drain(StorageService.java:5904)"],
        Operation::Maintain { name, .. } => match name.as_str() {
            "scrub" => &["org.apache.cassandra.service.StorageService.scrub(StorageService.java:4206)"],
            "garbageCollect" => {
                &["org.apache.cassandra.service.StorageService.garbageCollect(StorageService.java:4269)"]
            }
            "forceKeyspaceFlush" => {
                &["org.apache.cassandra.service.StorageService.forceKeyspaceFlush(StorageService.java:4335)"]
            }
            "forceKeyspaceCompactionForTokenRange" => &[
                "org.apache.cassandra.service.StorageService.forceKeyspaceCompactionForTokenRange(StorageService.java:4120)",
            ],
            _ => &[
                "org.apache.cassandra.service.StorageService.forceKeyspaceCompaction(StorageService.java:4140)",
            ],
        },
    }
}
