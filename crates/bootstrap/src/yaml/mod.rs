//! Reading and changing `cassandra.yaml` without losing what is already in it.
//!
//! The file's reader is `SnakeYAML`, which implements YAML 1.1; YAML crates for Rust implement 1.2. A round trip through a
//! parser would therefore change meanings (`on` is a boolean there and a word here), and would drop the stock file's
//! comments. So untouched settings keep their very text ([`document`]), and values that are written are quoted by the
//! rules of YAML 1.1 ([`write`]).

pub mod document;
pub mod write;

pub use document::Document;
