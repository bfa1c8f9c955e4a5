//! One node: a containerd and a kubelet with directories, sockets, address and control group of their own.

use std::fmt;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use super::enclosure::Enclosure;
use super::{CNI_PLUGINS, cgroups, network};
use crate::cache::{make_directory, write_whole};
use crate::components::{Component, Components};
use crate::control_plane::Placement;
use crate::images::{ImageArchive, PAUSE};
use crate::kubeconfig::{Access, Credentials};
use crate::pki::Authority;
use crate::state::Roster;
use crate::tool;
use crate::wait::{Answer, until};

/// How long containerd may take to listen.
const START: Duration = Duration::from_mins(1);

/// Zones the nodes are spread over, one after the other: racks are placed by them.
const ZONES: u16 = 3;

/// The image namespace of Kubernetes within containerd.
const IMAGE_NAMESPACE: &str = "k8s.io";

/// Which node of its lab, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct NodeNumber(u8);

impl NodeNumber {
    /// The node of that number, if a lab can have so many.
    pub fn new(number: u16) -> Result<Self> {
        match u8::try_from(number) {
            Ok(number @ 1..=200) => Ok(Self(number)),
            _ => bail!("a lab has 1 to 200 real nodes, so there is no node {number}"),
        }
    }

    /// The node's address on the bridge.
    pub fn address(self) -> Ipv4Addr {
        let [a, b, c, _] = network::CONTROL_PLANE.octets();
        Ipv4Addr::new(a, b, c, self.0 + 10)
    }

    /// The zone label's value.
    pub fn zone(self) -> String {
        format!("zone-{}", (u16::from(self.0) - 1) % ZONES + 1)
    }
}

impl fmt::Display for NodeNumber {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "n{}", self.0)
    }
}

/// A node that was started.
#[derive(Clone, Debug)]
pub struct Node {
    number: NodeNumber,
    directory: PathBuf,
}

impl Node {
    /// The node of a lab, whether or not it was started.
    pub fn of(enclosure: &Enclosure, number: NodeNumber) -> Self {
        Self {
            number,
            directory: enclosure.state().join(number.to_string()),
        }
    }

    /// Starts containerd, and the kubelet once that listens. The node registers itself a moment later.
    pub async fn start(
        roster: &mut Roster,
        components: &Components,
        enclosure: &Enclosure,
        placement: &Placement,
        number: NodeNumber,
    ) -> Result<Self> {
        let node = Self::of(enclosure, number);
        let kubelet = components.require(Component::Kubelet)?;
        cgroups::create_node(&roster.record().name, &number.to_string())?;
        node.write_configuration(roster, placement)?;
        let address = format!("{}/{}", number.address(), network::PREFIX_LENGTH);
        tool::output(
            enclosure
                .command("ip")
                .args(["address", "add", &address, "dev", network::BRIDGE]),
        )?;

        let mut containerd = enclosure.command("containerd");
        containerd
            .arg("--config")
            .arg(node.directory.join("containerd.toml"));
        roster.spawn(&format!("containerd-{number}"), &mut containerd)?;
        until("containerd listens", START, async || {
            roster.check_all_running()?;
            Ok(match node.control(enclosure).arg("version").output() {
                Ok(output) if output.status.success() => Answer::Yes(()),
                Ok(output) => Answer::not_yet(String::from_utf8_lossy(&output.stderr).trim()),
                Err(error) => return Err(error).context("cannot run ctr"),
            })
        })
        .await?;
        roster.spawn(
            &format!("kubelet-{number}"),
            &mut node.kubelet(enclosure, kubelet),
        )?;
        Ok(node)
    }

    /// Its name in Kubernetes.
    pub fn name(&self) -> String {
        self.number.to_string()
    }

    /// `ctr` for this node.
    pub fn control(&self, enclosure: &Enclosure) -> Command {
        let mut command = enclosure.command("ctr");
        command
            .arg("--address")
            .arg(self.socket())
            .args(["--namespace", IMAGE_NAMESPACE]);
        command
    }

    fn socket(&self) -> PathBuf {
        self.directory.join("containerd.sock")
    }

    fn kubelet(&self, enclosure: &Enclosure, program: PathBuf) -> Command {
        let mut command = enclosure.command(program);
        command
            .arg("--config")
            .arg(self.directory.join("kubelet.json"))
            .arg("--kubeconfig")
            .arg(self.directory.join("kubeconfig"))
            .arg("--root-dir")
            .arg(self.directory.join("kubelet"))
            .arg("--cert-dir")
            .arg(self.directory.join("certificates"))
            .arg(format!("--hostname-override={}", self.number))
            .arg(format!("--node-ip={}", self.number.address()))
            .arg(format!(
                "--node-labels=topology.kubernetes.io/zone={}",
                self.number.zone()
            ));
        command
    }

    fn write_configuration(&self, roster: &Roster, placement: &Placement) -> Result<()> {
        for inner in ["cni", "kubelet", "volume-plugins", "logs"] {
            make_directory(&self.directory.join(inner))?;
        }
        write_whole(
            &self.directory.join("containerd.toml"),
            self.containerd_configuration(),
        )?;
        write_whole(
            &self.directory.join("cni/10-lab.conflist"),
            cni_configuration(roster.directory().path()).to_string(),
        )?;
        write_whole(
            &self.directory.join("kubelet.json"),
            self.kubelet_configuration(&roster.record().name).to_string(),
        )?;
        // Empty: pods ask the lab's DNS and nobody else.
        write_whole(&self.directory.join("resolv.conf"), "")?;

        let authority = Authority::load(&roster.directory().pki())?;
        let user = format!("system:node:{}", self.number);
        Access {
            lab: &roster.record().name,
            server: &placement.server(),
            authority: &std::fs::read_to_string(authority.certificate_file())?,
            user: &user,
            credentials: Credentials::Certificate(authority.login(&user, Some("system:nodes"))?),
            namespace: "default",
        }
        .write(&self.directory.join("kubeconfig"))
    }

    fn containerd_configuration(&self) -> String {
        let at = |inner: &str| self.directory.join(inner).display().to_string();
        format!(
            r#"version = 2
root = "{root}"
state = "{state}"
disabled_plugins = ["io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs",
    "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs", "io.containerd.internal.v1.opt"]

[grpc]
address = "{socket}"

[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "{pause}"
# Without CAP_SYS_RESOURCE (in a container, say) a lower score than one's own cannot be set, and no pod would start.
restrict_oom_score_adj = true
disable_apparmor = true

[plugins."io.containerd.grpc.v1.cri".containerd]
snapshotter = "overlayfs"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"

[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "{CNI_PLUGINS}"
conf_dir = "{cni}"
"#,
            root = at("containerd"),
            state = at("containerd-state"),
            socket = self.socket().display(),
            pause = PAUSE,
            cni = at("cni"),
        )
    }

    fn kubelet_configuration(&self, lab: &str) -> Value {
        let address = self.number.address().to_string();
        json!({
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "address": address,
            "port": 10250,
            "healthzBindAddress": address,
            // Only the lab's own network reaches the kubelet.
            "authentication": { "anonymous": { "enabled": true }, "webhook": { "enabled": false } },
            "authorization": { "mode": "AlwaysAllow" },
            "cgroupDriver": "cgroupfs",
            "cgroupRoot": cgroups::of_node(lab, &self.name()),
            "failCgroupV1": false,
            "failSwapOn": false,
            // The disk is the machine's, and not asked about: labs run on file systems that cAdvisor does not know.
            "localStorageCapacityIsolation": false,
            "evictionHard": {
                "memory.available": "50Mi", "nodefs.available": "1%", "nodefs.inodesFree": "1%", "imagefs.available": "1%",
            },
            // Images come from the lab alone: one that is collected cannot be pulled again.
            "imageGCHighThresholdPercent": 100,
            "clusterDNS": [network::CONTROL_PLANE.to_string()],
            "clusterDomain": network::DOMAIN,
            "resolvConf": self.directory.join("resolv.conf"),
            "podLogsDir": self.directory.join("logs"),
            "volumePluginDir": self.directory.join("volume-plugins"),
            "containerRuntimeEndpoint": format!("unix://{}", self.socket().display()),
            "nodeStatusUpdateFrequency": "5s",
            "serializeImagePulls": false,
            "maxPods": 250,
        })
    }
}

/// One bridge and one range for all nodes: they are one machine.
fn cni_configuration(state: &Path) -> Value {
    json!({
        "cniVersion": "1.0.0",
        "name": "lab",
        "plugins": [
            {
                "type": "bridge",
                "bridge": network::BRIDGE,
                "isGateway": true,
                "ipMasq": false,
                "hairpinMode": true,
                "ipam": {
                    "type": "host-local",
                    "dataDir": state.join("pod-addresses"),
                    "ranges": [[{
                        "subnet": network::RANGE,
                        "rangeStart": network::FIRST_POD,
                        "rangeEnd": network::LAST_POD,
                        "gateway": network::CONTROL_PLANE,
                    }]],
                    "routes": [{ "dst": "0.0.0.0/0" }],
                },
            },
            { "type": "portmap", "capabilities": { "portMappings": true } },
        ],
    })
}

/// Puts images into nodes, all nodes at once.
pub fn import(enclosure: &Enclosure, nodes: &[Node], images: &[ImageArchive]) -> Result<()> {
    std::thread::scope(|scope| {
        let importing: Vec<_> = nodes
            .iter()
            .map(|node| {
                scope.spawn(move || {
                    for image in images {
                        let mut command = node.control(enclosure);
                        command.args(["images", "import"]).arg(image.path());
                        tool::output(&mut command).with_context(|| {
                            format!("cannot import {} into {}", image.name(), node.number)
                        })?;
                    }
                    Ok(())
                })
            })
            .collect();
        for thread in importing {
            thread
                .join()
                .unwrap_or_else(|_| bail!("a thread that imported images panicked"))?;
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_have_their_own_addresses_below_the_pods() {
        let first = NodeNumber::new(1).unwrap();
        let last = NodeNumber::new(200).unwrap();
        assert_eq!(first.address(), Ipv4Addr::new(10, 88, 0, 11));
        assert!(last.address() < network::FIRST_POD);
        assert!(NodeNumber::new(0).is_err() && NodeNumber::new(201).is_err());
    }

    #[test]
    fn zones_repeat_after_three_nodes() {
        let zones: Vec<String> = (1..=4)
            .map(|number| NodeNumber::new(number).unwrap().zone())
            .collect();
        assert_eq!(zones, ["zone-1", "zone-2", "zone-3", "zone-1"]);
    }
}
