//! The grounds on which something may be destroyed.

/// Proof that a claim may be deleted. Only the functions of this module make one, from facts of this pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Licence {
    ground: Ground,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Ground {
    /// Another node says that the host id left the ring.
    LeftTheRing { host_id: String, witness: String },
}
