//! What pods expect of the cluster besides the API: Service addresses (kube-proxy) and names (`CoreDNS`). Both are
//! processes of the lab, one of each for all nodes, since the nodes share one network.

use std::path::PathBuf;

use anyhow::{Context, Result};
use serde_json::json;

use super::enclosure::Enclosure;
use super::network;
use crate::cache::write_whole;
use crate::components::{Component, Components};
use crate::control_plane::{ADMIN_GROUP, Placement};
use crate::kubeconfig::{Access, Credentials};
use crate::pki::Authority;
use crate::state::Roster;

/// kube-proxy's user name: Kubernetes binds its rights to it.
const PROXY_USER: &str = "system:kube-proxy";

/// The DNS server's user name, as the audit log shows it.
const DNS_USER: &str = "coredns";

/// Starts both.
pub fn start(
    roster: &mut Roster,
    components: &Components,
    enclosure: &Enclosure,
    placement: &Placement,
) -> Result<()> {
    let proxy = components.require(Component::KubeProxy)?;
    let dns = components.require(Component::CoreDns)?;

    let login = write_login(roster, placement, PROXY_USER, None)?;
    let configuration = roster.directory().path().join("kube-proxy.json");
    write_whole(&configuration, proxy_configuration(&login).to_string())?;
    roster.spawn(
        "kube-proxy",
        enclosure.command(proxy).arg("--config").arg(configuration),
    )?;

    let login = write_login(roster, placement, DNS_USER, Some(ADMIN_GROUP))?;
    let configuration = roster.directory().path().join("Corefile");
    write_whole(&configuration, dns_configuration(&login))?;
    roster.spawn("coredns", enclosure.command(dns).arg("-conf").arg(configuration))?;
    Ok(())
}

/// A login for a process inside, with the API server's address there.
fn write_login(roster: &Roster, placement: &Placement, user: &str, group: Option<&str>) -> Result<PathBuf> {
    let directory = roster.directory();
    let authority = Authority::load(&directory.pki())?;
    let certificate = std::fs::read_to_string(authority.certificate_file())
        .context("cannot read the lab's authority certificate")?;
    let path = directory.kubeconfig_of(user);
    Access {
        lab: &roster.record().name,
        server: &placement.server(),
        authority: &certificate,
        user,
        credentials: Credentials::Certificate(authority.login(user, group)?),
        namespace: "default",
    }
    .write(&path)?;
    Ok(path)
}

fn proxy_configuration(kubeconfig: &std::path::Path) -> serde_json::Value {
    json!({
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "clientConnection": { "kubeconfig": kubeconfig },
        // The modes that need IPVS or nftables ask for kernel modules that test machines may lack.
        "mode": "iptables",
        "clusterCIDR": network::RANGE,
        "bindAddress": network::CONTROL_PLANE,
        "healthzBindAddress": format!("{}:10256", network::CONTROL_PLANE),
        "metricsBindAddress": format!("{}:10249", network::CONTROL_PLANE),
        // Limits of connection tracking are the whole machine's: 0 leaves them alone.
        "conntrack": { "maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s" },
    })
}

/// Answers are kept for 2 s: a pod that was replaced has a new address at once, and Cassandra looks names up anew.
fn dns_configuration(kubeconfig: &std::path::Path) -> String {
    format!(
        ".:53 {{\n    bind {address}\n    ready {address}:8181\n    errors\n    kubernetes {domain} in-addr.arpa {{\n        \
         kubeconfig {kubeconfig}\n        ttl 2\n    }}\n}}\n",
        address = network::CONTROL_PLANE,
        domain = network::DOMAIN,
        kubeconfig = kubeconfig.display(),
    )
}
