//! Images, made without an engine: from the same Dockerfiles that `docker build` reads, as archives that containerd
//! imports.
//!
//! * [`dockerfile`]: what is to be done;
//! * [`build`]: doing it, one cached layer an instruction;
//! * [`base`]: the Debian that stands for `debian:bookworm-slim`;
//! * [`layer`] and [`archive`]: the formats;
//! * [`cassandra`] and [`product`]: the images of the lab.

pub mod archive;
pub mod base;
pub mod build;
pub mod cassandra;
mod copy;
pub mod dockerfile;
pub mod layer;
pub mod product;

use anyhow::Result;

use crate::cache::Cache;
use crate::programs::Programs;
use crate::progress::Progress;

pub use archive::{ImageArchive, PAUSE};

/// Everything a lab with real nodes imports: the images of Cassandra, and the product's own as the code is now.
pub fn archives(cache: &Cache, programs: &Programs, progress: &dyn Progress) -> Result<Vec<ImageArchive>> {
    Ok(vec![
        cassandra::archive(cache, progress)?,
        product::archive(cache, programs, progress)?,
    ])
}
