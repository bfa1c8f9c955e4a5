//! What runs in a Cassandra pod beside Cassandra itself: two init containers, a step before each start of the JVM, and
//! the two probes. One static binary, `casskop-bootstrap`, plays all these parts.
//!
//! The pod template is `CassKop`'s and fixed (a different one would roll every adopted cluster), so everything happens
//! inside its containers:
//!
//! | where | what runs | role |
//! |---|---|---|
//! | init 1 `base-config-builder` (the Cassandra image) | `cp -r /etc/cassandra/* /bootstrap/` | not ours |
//! | init 2 `config-builder` (our image) | `casskop-bootstrap config-builder` | [`roles::config_builder`] |
//! | init 3 `bootstrap` (our image) | `casskop-bootstrap bootstrap` | [`roles::bootstrap`] |
//! | `cassandra` (the Cassandra image), from `cassandra-env.sh` | `/opt/bin/casskop-bootstrap before-start` | [`roles::before_start`] |
//! | `cassandra`, exec probes | `/opt/bin/casskop-bootstrap probe readiness\|liveness` | [`roles::probe`] |
//!
//! # What the images hold
//!
//! * **casskop-config-builder**: the binary; entry point `["/usr/local/bin/casskop-bootstrap", "config-builder"]`. No
//!   shell is needed.
//! * **casskop-bootstrap**: the binary; entry point `["/usr/local/bin/casskop-bootstrap", "bootstrap"]`;
//!   `/opt/casskop/lib/jolokia-agent.jar` (the JVM agent of Jolokia 1.7.2) and any other agent beside it; `bash`, coreutils,
//!   `sed`, `grep` and `awk` for users' hooks; `curl` with CA certificates, which reads the ring's ConfigMap.
//!
//! The binary is copied to `/opt/bin` and runs inside a Cassandra image nobody here built, so it is linked statically
//! (`-C target-feature=+crt-static`).
//!
//! # What is expected of the Cassandra image
//!
//! The contract of the official `cassandra` image: the stock configuration in `/etc/cassandra` with `CASSANDRA_CONF`
//! pointing there, and a `cassandra` launcher that sources `$CASSANDRA_CONF/cassandra-env.sh` before it starts the JVM.
//!
//! # Shape
//!
//! [`config`] renders, [`seeds`] decides, [`agents`], [`replace`] and [`probe`] turn values into text or verdicts: none of
//! them does I/O. [`roles`] reads the environment and the files, and writes the results.

pub mod agents;
pub mod config;
pub mod disk;
pub mod jolokia_http;
pub mod plan;
pub mod probe;
pub mod replace;
pub mod ring_config_map;
pub mod roles;
pub mod section;
pub mod seed_list;
pub mod seeds;
pub mod version;
pub mod yaml;
