//! A support bundle: what is asked for first when something does not work, without what must not be passed on.

mod bundle;
mod collect;
mod redact;

pub(crate) use bundle::{Bundle, Target};
pub(crate) use collect::{Logs, collect};
