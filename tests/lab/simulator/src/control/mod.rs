//! The control API: tests steer the simulated world and question it over HTTP.

mod client;
mod command;
mod server;
mod view;

pub use client::{Client, ClientError};
pub use command::Command;
pub(crate) use server::serve;
pub use view::{PodView, RingView, WorldView};
