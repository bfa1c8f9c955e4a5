//! What is gone once a request is carried out, for the person who has to say yes to it.

use std::fmt;

use casskop_types::names::DATA_VOLUME;

/// What a request takes away for good. Its text is one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Loss {
    /// A fresh node takes the place of the pod's lost one.
    Replaced {
        /// The pod.
        pod: String,
        /// The lost node, as far as it is known.
        node: Option<String>,
    },
    /// A lost node is taken out of the ring, and what its pod had goes.
    RemovedWithPod {
        /// The pod.
        pod: String,
    },
    /// A lost node is taken out of the ring.
    Removed {
        /// Its address or host id.
        node: String,
    },
    /// Nodes leave the ring one after the other.
    Decommissioned {
        /// The datacenter.
        dc: String,
        /// Their pods, the last one of each of its racks.
        pods: Vec<String>,
        /// Nodes of each rack then.
        left: usize,
    },
    /// Fresh nodes take the places of lost ones, one after the other.
    ReplacedByTask {
        /// Of which pods.
        pods: String,
    },
    /// A task is deleted before it has ended.
    TaskEnds {
        /// The task.
        task: String,
    },
}

impl Loss {
    /// What is about to be done, as after "to".
    pub fn deed(&self) -> String {
        match self {
            Self::Replaced { pod, .. } => format!("replace the node of pod {pod}"),
            Self::RemovedWithPod { pod } => format!("remove the node of pod {pod} from the ring"),
            Self::Removed { node } => format!("remove node {node} from the ring"),
            Self::Decommissioned { pods, .. } => {
                format!("have the nodes of pods {} leave the ring", pods.join(", "))
            }
            Self::ReplacedByTask { pods } => format!("replace the lost nodes of {pods}"),
            Self::TaskEnds { task } => format!("delete {task}"),
        }
    }
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Replaced { pod, node } => {
                write!(f, "claim {DATA_VOLUME}-{pod}")?;
                if let Some(node) = node {
                    write!(f, " with the data of node {node}")?;
                }
                write!(
                    f,
                    " and pod {pod} will be deleted; a fresh node streams the data from the other replicas, and there is no way back"
                )
            }
            Self::RemovedWithPod { pod } => write!(
                f,
                "the node of pod {pod} will leave the ring for good, and claim {DATA_VOLUME}-{pod} with its data and the pod will be deleted; \
                 the other replicas take over what it held"
            ),
            Self::Removed { node } => write!(
                f,
                "node {node} will leave the ring for good; the other replicas take over what it held"
            ),
            Self::Decommissioned { dc, pods, left } => {
                write!(
                    f,
                    "the nodes of pods {}, the last one of each rack of datacenter {dc}, will leave the ring one after the other: each \
                     streams its data to the others first, then its pod and its claim are deleted",
                    pods.join(", ")
                )?;
                if *left == 0 {
                    f.write_str("; no node of the datacenter is left then")?;
                }
                Ok(())
            }
            Self::ReplacedByTask { pods } => write!(
                f,
                "claim and data of each node of {pods} that is lost will be deleted, and a fresh node streams them from the other \
                 replicas; there is no way back"
            ),
            Self::TaskEnds { task } => write!(
                f,
                "{task} has not ended: nothing more is begun for it, what runs is stopped where Cassandra can, and what it has come to is \
                 not on record any more; `kubectl casskop task abort` keeps it"
            ),
        }
    }
}
