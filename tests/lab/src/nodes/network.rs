//! The lab's network. It exists only inside the lab's network namespace, so every lab uses the same addresses, and
//! nothing in it has a route to the machine or beyond.

use std::net::Ipv4Addr;

/// The bridge all pods are on.
pub const BRIDGE: &str = "lab0";

/// The bridge's address: control plane, DNS, and the pods' gateway.
pub const CONTROL_PLANE: Ipv4Addr = Ipv4Addr::new(10, 88, 0, 1);

/// Control plane, nodes and pods.
pub const RANGE: &str = "10.88.0.0/16";

/// Length of that range's prefix.
pub const PREFIX_LENGTH: u8 = 16;

/// The first address a pod may get.
pub const FIRST_POD: Ipv4Addr = Ipv4Addr::new(10, 88, 1, 0);

/// The last address a pod may get.
pub const LAST_POD: Ipv4Addr = Ipv4Addr::new(10, 88, 255, 254);

/// Services are 10.96.0.0/16.
pub const SERVICES: u8 = 96;

/// The cluster's domain.
pub const DOMAIN: &str = "cluster.local";
