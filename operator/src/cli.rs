//! Flags and environment. Names that CassKop has keep their meaning.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use jiff::SignedDuration;
use tracing::Level;

/// Runs Apache Cassandra clusters described by `CassandraCluster` objects.
#[derive(Debug, Parser)]
#[command(name = "casskop-operator", version)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What the binary does.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the operator, inside a cluster or outside with a kubeconfig
    Run(Box<RunArgs>),
    /// Print the version
    Version,
}

/// Flags of `casskop-operator run`.
#[derive(Debug, Clone, Args)]
pub struct RunArgs {
    /// Namespace whose clusters to run; empty means all namespaces
    #[arg(long, env = "WATCH_NAMESPACE", default_value = "", value_parser = parse_scope)]
    pub watch_namespace: Scope,

    /// Name of the pod this operator runs in; its identity as leader, and `operatorName` in status
    #[arg(long, env = "POD_NAME")]
    pub pod_name: Option<String>,

    /// Kubeconfig to use instead of the pod's service account
    #[arg(long)]
    pub kubeconfig: Option<PathBuf>,

    /// Least severe level that is logged
    #[arg(long, env = "LOG_LEVEL", default_value = "INFO", ignore_case = true)]
    pub log_level: LogLevel,

    /// Form of the log lines
    #[arg(long, env = "LOG_TYPE", default_value = "text", ignore_case = true)]
    pub log_type: LogType,

    /// Where /metrics is served
    #[arg(long, default_value = ":8080", value_name = "[HOST]:PORT")]
    pub metrics_addr: BindAddress,

    /// Where /healthz and /readyz are served
    #[arg(long, default_value = ":8081", value_name = "[HOST]:PORT")]
    pub health_probe_bind_address: BindAddress,

    /// How nodes are reached: their pods' addresses, or port-forward through the API server
    #[arg(long, default_value = "direct")]
    pub node_access: NodeAccess,

    /// Port of the Jolokia agent in Cassandra pods
    #[arg(long, default_value_t = 8778)]
    pub jolokia_port: u16,

    /// How long a connection to a node may take
    #[arg(long, default_value = "2s", value_parser = parse_duration)]
    pub node_connect_timeout: Duration,

    /// How long a node may take to answer a question
    #[arg(long, default_value = "5s", value_parser = parse_duration)]
    pub node_read_timeout: Duration,

    /// How many clusters are worked on at the same moment
    #[arg(long, default_value_t = 64)]
    pub workers: u16,

    /// How long a cluster's events are gathered before it is looked at
    #[arg(long, default_value = "50ms", value_parser = parse_duration)]
    pub debounce: Duration,

    /// Options of the leader lease.
    #[command(flatten)]
    pub leader: LeaderArgs,
}

/// Options of the leader lease.
#[derive(Debug, Clone, Args)]
pub struct LeaderArgs {
    /// Take the leader lease before acting; false only where nothing else can run
    #[arg(long, default_value_t = true, action = clap::ArgAction::Set, value_name = "BOOL")]
    pub leader_elect: bool,

    /// Namespace of the lease; by default the one of the service account or of the kubeconfig's context
    #[arg(long, env = "POD_NAMESPACE")]
    pub leader_election_namespace: Option<String>,

    /// Name of the lease
    #[arg(long, default_value = "casskop-operator")]
    pub leader_election_id: String,

    /// How long a lease that is not renewed stays valid
    #[arg(long, default_value = "15s", value_parser = parse_duration)]
    pub leader_lease_duration: Duration,
}

/// The clusters this operator looks after.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// Those of every namespace.
    AllNamespaces,
    /// Those of one namespace.
    Namespace(String),
}

/// An address to listen on, as `:8080` or `127.0.0.1:8080`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BindAddress(pub SocketAddr);

/// Severity, in CassKop's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogLevel {
    /// Everything, each pass included.
    Debug,
    /// What changes.
    Info,
    /// What needs a look.
    Warn,
    /// What failed.
    Error,
}

/// Form of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogType {
    /// One JSON object a line.
    Json,
    /// For people.
    Text,
}

/// How the operator reaches Jolokia.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum NodeAccess {
    /// Dial the pod's address.
    Direct,
    /// Through the API server.
    PortForward,
}

impl From<LogLevel> for Level {
    fn from(level: LogLevel) -> Self {
        match level {
            LogLevel::Debug => Self::DEBUG,
            LogLevel::Info => Self::INFO,
            LogLevel::Warn => Self::WARN,
            LogLevel::Error => Self::ERROR,
        }
    }
}

impl Scope {
    /// The one namespace, if it is one.
    pub fn namespace(&self) -> Option<&str> {
        match self {
            Self::AllNamespaces => None,
            Self::Namespace(name) => Some(name),
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AllNamespaces => f.write_str("all namespaces"),
            Self::Namespace(name) => write!(f, "namespace {name}"),
        }
    }
}

impl FromStr for BindAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let explain = || format!("\"{text}\" is not an address; write :8080 or 127.0.0.1:8080");
        if let Some(port) = text.strip_prefix(':') {
            let port = port.parse().map_err(|_| explain())?;
            // The unspecified IPv6 address takes IPv4 connections as well.
            return Ok(Self(SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), port)));
        }
        text.parse().map(Self).map_err(|_| explain())
    }
}

fn parse_scope(text: &str) -> Result<Scope, String> {
    match text.trim() {
        "" => Ok(Scope::AllNamespaces),
        list if list.contains(',') => Err(format!(
            "\"{list}\" names several namespaces; name one, or none to run the clusters of all"
        )),
        name => Ok(Scope::Namespace(name.to_owned())),
    }
}

fn parse_duration(text: &str) -> Result<Duration, String> {
    let signed: SignedDuration = text
        .parse()
        .map_err(|_| format!("\"{text}\" is not a duration; write 15s or 2m"))?;
    match Duration::try_from(signed) {
        Ok(duration) if !duration.is_zero() => Ok(duration),
        _ => Err(format!("\"{text}\" is not a duration longer than nothing")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn run_args(args: &[&str]) -> Result<RunArgs, clap::Error> {
        let command = Cli::try_parse_from(["casskop-operator", "run"].iter().chain(args))?.command;
        match command {
            Command::Run(args) => Ok(*args),
            Command::Version => panic!("not a run"),
        }
    }

    #[test]
    fn cassk_ops_flags_are_accepted() {
        let args = run_args(&[
            "--metrics-addr",
            ":9090",
            "--health-probe-bind-address",
            "127.0.0.1:9091",
        ])
        .unwrap();
        assert_eq!(args.metrics_addr.0, "[::]:9090".parse().unwrap());
        assert_eq!(
            args.health_probe_bind_address.0,
            "127.0.0.1:9091".parse().unwrap()
        );
    }

    #[rstest]
    #[case("", Scope::AllNamespaces)]
    #[case("prod", Scope::Namespace("prod".into()))]
    fn watch_namespace_empty_means_all(#[case] text: &str, #[case] scope: Scope) {
        assert_eq!(
            run_args(&["--watch-namespace", text]).unwrap().watch_namespace,
            scope
        );
    }

    #[rstest]
    #[case(&["--watch-namespace", "a,b"], "name one")]
    #[case(&["--metrics-addr", "8080x"], "write :8080")]
    #[case(&["--leader-lease-duration", "soon"], "write 15s")]
    #[case(&["--debounce", "0s"], "longer than nothing")]
    fn what_is_wrong_is_said(#[case] args: &[&str], #[case] said: &str) {
        let error = run_args(args).unwrap_err().to_string();
        assert!(error.contains(said), "{error}");
    }
}
