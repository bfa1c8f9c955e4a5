//! A real node, run by plain java.

use std::fs;
use std::net::IpAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use casskop_jolokia::{Bulk, Call, NodeStatus, ReleaseVersion, Request};
use serde_json::Value;

use crate::exchange::{Exchange, Login, PASSWORD, USER, post};
use crate::network::address;

/// What every node is run with.
pub(crate) struct Java {
    pub(crate) lib: PathBuf,
    pub(crate) agent: PathBuf,
    pub(crate) options: Vec<String>,
    pub(crate) scratch: PathBuf,
    pub(crate) version: ReleaseVersion,
}

/// A node's place in the ring.
pub(crate) struct Place {
    /// From 1; the last number of the address.
    pub(crate) number: u8,
    pub(crate) datacenter: &'static str,
    pub(crate) rack: &'static str,
    pub(crate) token: i64,
    pub(crate) bootstrap: Bootstrap,
}

/// Whether a new node streams its data when it joins.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bootstrap {
    Streams,
    JoinsEmpty,
}

/// A running node; killed when dropped.
pub(crate) struct Node {
    pub(crate) address: IpAddr,
    process: Child,
}

/// How long any state of the scenario may take to come.
const STATE_LIMIT: Duration = Duration::from_mins(3);
/// Between two looks; the states worth recording last longer.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Long enough to look at a node that joins or leaves.
const RING_DELAY_MS: u32 = 8000;

impl Node {
    pub(crate) fn start(java: &Java, place: &Place) -> Result<Self> {
        let address = address(place.number);
        let home = java.scratch.join(format!("node-{}", place.number));
        fs::create_dir_all(&home)?;
        let write = |name: &str, text: String| fs::write(home.join(name), text);
        write("cassandra.yaml", yaml(place, address))?;
        write(
            "cassandra-rackdc.properties",
            format!("dc={}\nrack={}\n", place.datacenter, place.rack),
        )?;
        write("logback.xml", LOGBACK.to_owned())?;
        let jamm = fs::read_dir(&java.lib)?
            .filter_map(|entry| Some(entry.ok()?.path()))
            .find(|path| {
                path.file_name()
                    .is_some_and(|name| name.to_string_lossy().starts_with("jamm-"))
            })
            .context("no jamm-*.jar in the lib directory")?;
        let log = fs::File::create(home.join("system.log"))?;
        // A recorder that is killed takes its nodes with it.
        let process = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "--", "java"])
            .args(&java.options)
            .args(["-Xmx400m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:+IgnoreUnrecognizedVMOptions"])
            .arg("-Djava.security.manager=allow")
            .arg(format!("-javaagent:{}", jamm.display()))
            .arg(format!(
                "-javaagent:{}=host={address},port=8778,executor=fixed,authMode=basic,user={USER},password={PASSWORD}",
                java.agent.display()
            ))
            .arg(format!("-Dcassandra.ring_delay_ms={RING_DELAY_MS}"))
            // Or it closes its output, and with it the log.
            .arg("-Dcassandra-foreground=yes")
            .arg("-Dcassandra.skip_wait_for_gossip_to_settle=0")
            .arg("-Dcassandra.config=file:cassandra.yaml")
            .arg("-Dcassandra.storagedir=.")
            .arg("-Dcassandra.logdir=.")
            .args(["-Dlogback.configurationFile=logback.xml", "-cp"])
            .arg(format!(".:{}/*", java.lib.display()))
            .args(["org.apache.cassandra.service.CassandraDaemon", "-R"])
            .current_dir(&home)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("cannot run setpriv (util-linux) and java")?;
        Ok(Self { address, process })
    }

    /// Sends the request of `call` and keeps whatever comes back.
    pub(crate) fn ask<T>(&self, call: &Call<T>) -> Result<Exchange> {
        self.post(call.request().to_json())
    }

    pub(crate) fn request(&self, request: &Request) -> Result<Exchange> {
        self.post(request.to_json())
    }

    pub(crate) fn ask_all(&self, bulk: &Bulk) -> Result<Exchange> {
        self.post(bulk.to_json())
    }

    pub(crate) fn status(&self) -> Result<Exchange> {
        self.ask_all(&NodeStatus::question())
    }

    /// Sends any request.
    pub(crate) fn post(&self, request: Value) -> Result<Exchange> {
        post(self.address, Login::Right, request)
    }

    /// Asks `call` again and again until `enough` holds of its value.
    pub(crate) fn wait<T>(&self, what: &str, call: &Call<T>, enough: impl Fn(&T) -> bool) -> Result<()> {
        let deadline = Instant::now() + STATE_LIMIT;
        let mut last = String::new();
        while Instant::now() < deadline {
            match self.ask(call) {
                Ok(exchange) => match call.parse(&exchange.answer) {
                    Ok(value) if enough(&value) => return Ok(()),
                    _ => last = exchange.answer.to_string(),
                },
                Err(error) => last = error.to_string(),
            }
            std::thread::sleep(LOOK_EVERY);
        }
        bail!("{} never came to: {what}; last answer: {last}", self.address)
    }

    /// Waits until the agent answers anything at all.
    pub(crate) fn wait_for_agent(&mut self) -> Result<()> {
        let deadline = Instant::now() + STATE_LIMIT;
        while self.status().is_err() {
            ensure!(
                self.process.try_wait()?.is_none(),
                "{} ended at its start; see system.log",
                self.address
            );
            ensure!(Instant::now() < deadline, "{}: no agent in time", self.address);
            std::thread::sleep(LOOK_EVERY);
        }
        Ok(())
    }

    /// Kills the process, as a machine that loses power would.
    pub(crate) fn kill(&mut self) -> Result<()> {
        self.process.kill()?;
        self.process.wait()?;
        Ok(())
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // Nothing can be done about a failure here, and a node that has ended already is one.
        let _ = self.kill();
    }
}

/// Streams and compactions are slowed down so that they can be looked at. The settings have the names of 4.0,
/// which the later versions accept.
fn yaml(place: &Place, own: IpAddr) -> String {
    let seed = address(1);
    let bootstrap = place.bootstrap == Bootstrap::Streams;
    format!(
        "cluster_name: traces
num_tokens: 1
initial_token: {token}
auto_bootstrap: {bootstrap}
partitioner: org.apache.cassandra.dht.Murmur3Partitioner
endpoint_snitch: GossipingPropertyFileSnitch
listen_address: {own}
rpc_address: {own}
start_native_transport: true
seed_provider:
  - class_name: org.apache.cassandra.locator.SimpleSeedProvider
    parameters: [{{seeds: \"{seed}\"}}]
commitlog_sync: periodic
commitlog_sync_period_in_ms: 10000
stream_entire_sstables: false
stream_throughput_outbound_megabits_per_sec: 8
inter_dc_stream_throughput_outbound_megabits_per_sec: 8
compaction_throughput_mb_per_sec: 1
concurrent_compactors: 2
write_request_timeout_in_ms: 20000
",
        token = place.token,
    )
}

const LOGBACK: &str = r#"<configuration>
  <appender name="OUT" class="ch.qos.logback.core.ConsoleAppender">
    <encoder><pattern>%-5level [%thread] %date{ISO8601} %F:%L - %msg%n</pattern></encoder>
  </appender>
  <root level="INFO"><appender-ref ref="OUT"/></root>
</configuration>
"#;
