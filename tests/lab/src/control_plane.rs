//! etcd, API server, controller-manager and scheduler of one lab.

use std::ffi::OsString;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use k8s_openapi::api::core::v1::{ConfigMap, ServiceAccount};
use kube::Api;

use crate::address::{Block, free_ports};
use crate::audit;
use crate::cache::write_whole;
use crate::components::{Component, Components};
use crate::kubeconfig::{Access, Credentials};
use crate::pki::Authority;
use crate::state::Roster;
use crate::wait::{Answer, until};

/// How long the API server may take to become ready. It takes 3 s alone on two cores; the rest is for busy machines.
const START: Duration = Duration::from_mins(2);

/// The administrator's user name, as the audit log shows it.
pub const ADMIN: &str = "admin";

/// The group that RBAC lets do everything.
pub const ADMIN_GROUP: &str = "system:masters";

/// Where a control plane runs and how it is reached.
#[derive(Clone, Debug)]
pub struct Placement {
    /// Put before every command, e.g. `nsenter --net=...`; it must end with what follows, and killing it must be
    /// enough to end both.
    pub prefix: Vec<OsString>,
    /// Put between that and the controller-manager, which makes the volumes' directories: it makes them for itself.
    pub volume_owner: Vec<OsString>,
    /// The address all of it listens on.
    pub address: IpAddr,
    /// Its ports there.
    pub ports: Ports,
    /// Service addresses.
    pub services: ServiceRange,
    /// Whether the Service `kubernetes` leads to the API server.
    pub endpoint: Endpoint,
    /// Where the machine itself reaches the API server, if not at its own address.
    pub entrance: Option<SocketAddr>,
}

/// The ports of a control plane. Controller-manager and scheduler have none.
#[derive(Clone, Copy, Debug)]
pub struct Ports {
    /// etcd for its clients.
    pub etcd: u16,
    /// etcd for its peers, of which there are none.
    pub etcd_peer: u16,
    /// The API server.
    pub api: u16,
}

/// 10.N.0.0/16 as the range of Service addresses.
#[derive(Clone, Copy, Debug)]
pub struct ServiceRange(pub u8);

impl ServiceRange {
    /// The range as flags want it.
    pub fn cidr(self) -> String {
        format!("10.{}.0.0/16", self.0)
    }

    /// The address of the Service `kubernetes`: always the first one.
    pub fn kubernetes(self) -> IpAddr {
        IpAddr::V4(Ipv4Addr::new(10, self.0, 0, 1))
    }
}

/// What the Service `kubernetes` leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// Nothing: the API server refuses to publish a loopback address, and nobody inside would ask.
    None,
    /// The API server, for pods of real nodes.
    Published,
}

impl Placement {
    /// On the lab's own loopback address, ports chosen by the kernel.
    pub fn loopback(block: Block) -> Result<Self> {
        let address = block.control_plane();
        let [etcd, etcd_peer, api] = free_ports(address)?;
        Ok(Self {
            prefix: Vec::new(),
            volume_owner: Vec::new(),
            address,
            ports: Ports { etcd, etcd_peer, api },
            services: ServiceRange(96),
            endpoint: Endpoint::None,
            entrance: None,
        })
    }

    /// The API server's address for the lab's own programs.
    pub fn server(&self) -> String {
        format!("https://{}:{}", self.address, self.ports.api)
    }

    /// Its address for who uses the lab.
    fn entrance(&self) -> String {
        self.entrance
            .map_or_else(|| self.server(), |entrance| format!("https://{entrance}"))
    }

    fn command(&self, component: Component, program: PathBuf) -> Command {
        let owner = match component {
            Component::ControllerManager => self.volume_owner.as_slice(),
            _ => &[],
        };
        let mut words = self
            .prefix
            .iter()
            .chain(owner)
            .cloned()
            .chain([program.into_os_string()]);
        let mut command = Command::new(words.next().unwrap_or_default());
        command.args(words);
        command
    }
}

/// Starts a control plane and waits until it serves: the API server is ready, and the controllers have made what
/// every pod needs (its ServiceAccount and the authority's certificate).
pub async fn start(roster: &mut Roster, components: &Components, placement: &Placement) -> Result<()> {
    // All programs are there before the first one starts: half a control plane helps nobody.
    let program = |component| {
        components
            .require(component)
            .map(|program| placement.command(component, program))
    };
    let (mut etcd, mut api_server) = (program(Component::Etcd)?, program(Component::ApiServer)?);
    let (mut controllers, mut scheduler) = (
        program(Component::ControllerManager)?,
        program(Component::Scheduler)?,
    );

    let authority = create_authority(roster, placement)?;
    write_logins(roster, placement, &authority)?;
    let policy = roster.directory().path().join("audit-policy.yaml");
    write_whole(&policy, audit::POLICY)?;

    roster.spawn("etcd", etcd.args(etcd_flags(roster, placement)))?;
    roster.spawn(
        "kube-apiserver",
        api_server.args(api_server_flags(roster, placement, &authority)),
    )?;
    let client = await_ready(roster).await?;
    roster.spawn(
        "kube-controller-manager",
        controllers.args(controller_flags(roster, placement, &authority)),
    )?;
    roster.spawn("kube-scheduler", scheduler.args(scheduler_flags(roster)))?;
    await_controllers(roster, &client).await
}

fn create_authority(roster: &Roster, placement: &Placement) -> Result<Authority> {
    let names = [
        "localhost",
        "kubernetes",
        "kubernetes.default",
        "kubernetes.default.svc",
    ];
    let mut names: Vec<String> = names.map(str::to_owned).into();
    names.push("kubernetes.default.svc.cluster.local".to_owned());
    let mut addresses = vec![
        placement.address,
        IpAddr::V4(Ipv4Addr::LOCALHOST),
        placement.services.kubernetes(),
    ];
    addresses.extend(placement.entrance.map(|entrance| entrance.ip()));
    Authority::create(&roster.directory().pki(), &names, &addresses)
}

/// Everyone has a user of their own, so that the audit log tells them apart.
fn write_logins(roster: &Roster, placement: &Placement, authority: &Authority) -> Result<()> {
    let directory = roster.directory();
    let certificate = std::fs::read_to_string(authority.certificate_file())?;
    let (outside, inside) = (placement.entrance(), placement.server());
    let logins = [
        (ADMIN, Some(ADMIN_GROUP), directory.kubeconfig(), &outside),
        (
            "system:kube-controller-manager",
            None,
            directory.kubeconfig_of("kube-controller-manager"),
            &inside,
        ),
        (
            "system:kube-scheduler",
            None,
            directory.kubeconfig_of("kube-scheduler"),
            &inside,
        ),
    ];
    for (user, group, path, server) in logins {
        Access {
            lab: &roster.record().name,
            server,
            authority: &certificate,
            user,
            credentials: Credentials::Certificate(authority.login(user, group)?),
            namespace: "default",
        }
        .write(&path)?;
    }
    Ok(())
}

async fn await_ready(roster: &Roster) -> Result<kube::Client> {
    let client = crate::lab::client(&roster.directory().kubeconfig()).await?;
    until("the API server is ready", START, async || {
        roster.check_all_running()?;
        let question = http::Request::get("/readyz").body(Vec::new())?;
        Ok(match client.request_text(question).await {
            Ok(_) => Answer::Yes(()),
            Err(error) => Answer::not_yet(error),
        })
    })
    .await?;
    Ok(client)
}

async fn await_controllers(roster: &Roster, client: &kube::Client) -> Result<()> {
    let accounts = Api::<ServiceAccount>::namespaced(client.clone(), "default");
    let config_maps = Api::<ConfigMap>::namespaced(client.clone(), "default");
    until("the controllers are at work", START, async || {
        roster.check_all_running()?;
        let account = accounts
            .get_opt("default")
            .await
            .context("cannot read ServiceAccounts")?;
        let certificate = config_maps
            .get_opt("kube-root-ca.crt")
            .await
            .context("cannot read ConfigMaps")?;
        Ok(match (account, certificate) {
            (Some(_), Some(_)) => Answer::Yes(()),
            (None, _) => Answer::not_yet("the namespace default has no ServiceAccount yet"),
            (_, None) => Answer::not_yet("the namespace default has no kube-root-ca.crt yet"),
        })
    })
    .await
}

fn etcd_flags(roster: &Roster, placement: &Placement) -> Vec<String> {
    let clients = format!("http://{}:{}", placement.address, placement.ports.etcd);
    let peers = format!("http://{}:{}", placement.address, placement.ports.etcd_peer);
    vec![
        "--name=lab".to_owned(),
        format!("--data-dir={}", roster.directory().path().join("etcd").display()),
        format!("--listen-client-urls={clients}"),
        format!("--advertise-client-urls={clients}"),
        format!("--listen-peer-urls={peers}"),
        format!("--initial-advertise-peer-urls={peers}"),
        format!("--initial-cluster=lab={peers}"),
        // A lab does not survive a power cut, and waiting for the disk is most of what a small write takes.
        "--unsafe-no-fsync".to_owned(),
        "--quota-backend-bytes=4294967296".to_owned(),
        "--log-level=warn".to_owned(),
    ]
}

fn api_server_flags(roster: &Roster, placement: &Placement, authority: &Authority) -> Vec<String> {
    let directory = roster.directory();
    let reconciler = match placement.endpoint {
        Endpoint::None => "none",
        Endpoint::Published => "lease",
    };
    vec![
        format!(
            "--etcd-servers=http://{}:{}",
            placement.address, placement.ports.etcd
        ),
        format!("--bind-address={}", placement.address),
        format!("--advertise-address={}", placement.address),
        format!("--secure-port={}", placement.ports.api),
        format!(
            "--tls-cert-file={}",
            authority.server_certificate_file().display()
        ),
        format!("--tls-private-key-file={}", authority.server_key_file().display()),
        format!("--client-ca-file={}", authority.certificate_file().display()),
        format!("--service-cluster-ip-range={}", placement.services.cidr()),
        "--service-account-issuer=https://kubernetes.default.svc.cluster.local".to_owned(),
        format!(
            "--service-account-key-file={}",
            authority.token_public_key_file().display()
        ),
        format!(
            "--service-account-signing-key-file={}",
            authority.token_key_file().display()
        ),
        "--authorization-mode=Node,RBAC".to_owned(),
        "--allow-privileged=true".to_owned(),
        format!("--endpoint-reconciler-type={reconciler}"),
        // Node names do not resolve: without this `kubectl logs` and `exec` fail.
        "--kubelet-preferred-address-types=InternalIP".to_owned(),
        format!(
            "--audit-policy-file={}",
            directory.path().join("audit-policy.yaml").display()
        ),
        format!("--audit-log-path={}", directory.audit_log().display()),
        // One file for the lab's whole life: a reader counts from where it last stood. 0 would mean 100 MB.
        "--audit-log-maxsize=1048576".to_owned(),
        "--profiling=false".to_owned(),
    ]
}

fn controller_flags(roster: &Roster, placement: &Placement, authority: &Authority) -> Vec<String> {
    vec![
        format!(
            "--kubeconfig={}",
            roster
                .directory()
                .kubeconfig_of("kube-controller-manager")
                .display()
        ),
        format!("--root-ca-file={}", authority.certificate_file().display()),
        format!(
            "--service-account-private-key-file={}",
            authority.token_key_file().display()
        ),
        format!("--service-cluster-ip-range={}", placement.services.cidr()),
        // The audit log then shows which controller it was.
        "--use-service-account-credentials=true".to_owned(),
        "--enable-hostpath-provisioner=true".to_owned(),
        "--leader-elect=false".to_owned(),
        "--secure-port=0".to_owned(),
        // The defaults (20 requests/s, 5 StatefulSets at once) would be what a fleet of clusters is measured by.
        "--kube-api-qps=500".to_owned(),
        "--kube-api-burst=1000".to_owned(),
        "--concurrent-statefulset-syncs=20".to_owned(),
        "--profiling=false".to_owned(),
    ]
}

fn scheduler_flags(roster: &Roster) -> Vec<String> {
    vec![
        format!(
            "--kubeconfig={}",
            roster.directory().kubeconfig_of("kube-scheduler").display()
        ),
        "--leader-elect=false".to_owned(),
        "--secure-port=0".to_owned(),
        "--kube-api-qps=500".to_owned(),
        "--kube-api-burst=1000".to_owned(),
        // A pod whose claim was bound in the very moment it was found unschedulable may be forgotten until this is over (5 min
        // by default).
        "--pod-max-in-unschedulable-pods-duration=10s".to_owned(),
        "--profiling=false".to_owned(),
    ]
}
