//! The init container `bootstrap`: probes and agents in their places, the user's hooks, the plan for the start.
//!
//! The order is `CassKop`'s, so that hooks written for it find what they look for: files first, then `pre_run.sh`, then seeds and
//! agents, then `post_run.sh`, which has the last word. Every step can be repeated.

use super::{Environment, Layout, Readers, Switch, hooks, kubernetes, read_file, write_file};
use crate::agents::{self, Agents, Load};
use crate::config::cassandra_yaml;
use crate::plan::{self, Jolokia, Plan};
use crate::replace;
use crate::ring_config_map::RingRecord;
use crate::seeds::History;
use crate::version::Release;
use crate::yaml::Document;
use anyhow::{Context as _, Result, bail};
use std::io::Write;
use std::net::IpAddr;
use std::path::Path;

/// Runs all steps.
pub fn run(layout: &Layout, environment: &Environment, out: &mut dyn Write) -> Result<()> {
    place_files(layout)?;
    let environment = hooks::run(&layout.hooks.join("pre_run.sh"), environment, out)?;
    let asked = kubernetes::ring_record(layout, &environment);
    if let Some(note) = asked.note {
        writeln!(out, "bootstrap: {note}")?;
    }
    let replaces = prepare(layout, &environment, &asked.record, out)?;
    let environment = hooks::run(&layout.hooks.join("post_run.sh"), &environment, out)?;
    // A kubelet that keeps no such file does not keep the node from starting.
    let _ = std::fs::write(
        &layout.termination_log,
        RingRecord::termination_message(asked.access, replaces),
    );
    let seeds = environment.get("CASSANDRA_SEEDS").unwrap_or("none given");
    writeln!(out, "bootstrap: done (seeds: {seeds})")?;
    Ok(())
}

/// The probes, this binary, and what else the image brings along.
fn place_files(layout: &Layout) -> Result<()> {
    let own = std::env::current_exe().context("cannot find the running program")?;
    copy(&own, &layout.tools.join("casskop-bootstrap"), Readers::AllMayRun)?;
    for (probe, file) in [
        ("readiness", "readiness-probe.sh"),
        ("liveness", "liveness-probe.sh"),
    ] {
        let script = format!("#!/bin/sh\nexec /opt/bin/casskop-bootstrap probe {probe}\n");
        write_file(
            &layout.configuration.join(file),
            script.as_bytes(),
            Readers::AllMayRun,
        )?;
    }
    copy_all(&layout.image.join("lib"), &layout.extra_lib, Readers::All)?;
    copy_all(&layout.image.join("bin"), &layout.tools, Readers::AllMayRun)?;
    copy_all(&layout.image.join("conf"), &layout.configuration, Readers::All)
}

fn copy_all(from: &Path, to: &Path, readers: Readers) -> Result<()> {
    let entries = match std::fs::read_dir(from) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error).with_context(|| format!("cannot list {}", from.display())),
    };
    for entry in entries {
        let entry = entry.with_context(|| format!("cannot list {}", from.display()))?;
        copy(&entry.path(), &to.join(entry.file_name()), readers)?;
    }
    Ok(())
}

fn copy(from: &Path, to: &Path, readers: Readers) -> Result<()> {
    let content = std::fs::read(from).with_context(|| format!("cannot read {}", from.display()))?;
    write_file(to, &content, readers)
}

/// Seeds, replacement and agents, as files that the Cassandra container reads. Returns whom the node replaces.
fn prepare(
    layout: &Layout,
    environment: &Environment,
    record: &RingRecord,
    out: &mut dyn Write,
) -> Result<Option<IpAddr>> {
    let address = environment.require("POD_IP")?.to_owned();
    let replaces = environment
        .get("CASSANDRA_REPLACE_NODE")
        .map(str::to_owned)
        .or_else(|| record.replaces.clone());
    let jolokia = write_agents(layout, environment, out)?;
    let replaced = replaces.as_deref().map(replace::parse).transpose()?;
    write_replace_flag(layout, replaced, out)?;

    let hosts = std::fs::read_to_string(&layout.hosts).unwrap_or_default();
    let mut plan = Plan {
        full_name: plan::full_name(&hosts, &address),
        address,
        seeds: environment.get("CASSANDRA_SEEDS").unwrap_or_default().to_owned(),
        written_seeds: Vec::new(),
        history: known_history(layout, record.history),
        replaces,
        jolokia,
    };
    write_seeds(layout, environment, &mut plan)?;
    Ok(replaced)
}

/// What this pod has seen of its ring before (the readiness probe notes it in the plan) counts where nobody else tells.
fn known_history(layout: &Layout, told: History) -> History {
    let former = read_file(&layout.plan()).ok();
    let former: Option<Plan> = former.and_then(|text| serde_json::from_str(&text).ok());
    match (told, former.map(|plan| plan.history)) {
        (History::Unknown | History::Unreachable, Some(History::Formed)) => History::Formed,
        (told, _) => told,
    }
}

/// The list without the node itself, which is right for every start but a few; before each start it is decided anew.
fn write_seeds(layout: &Layout, environment: &Environment, plan: &mut Plan) -> Result<()> {
    let list = plan.seed_list();
    if !list.is_empty() {
        let others = list.through_others(&[]);
        let seeds = if others.is_empty() {
            list.complete()
        } else {
            others
        };
        let mut yaml = Document::parse(&read_file(&layout.cassandra_yaml())?);
        cassandra_yaml::with_seeds(&mut yaml, &seeds, environment.get("CASSANDRA_SEED_PROVIDER"));
        plan.written_seeds.push(seeds);
        write_file(&layout.cassandra_yaml(), yaml.text().as_bytes(), Readers::All)?;
    }
    write_file(
        &layout.plan(),
        serde_json::to_string_pretty(plan)?.as_bytes(),
        Readers::All,
    )
}

fn write_replace_flag(layout: &Layout, address: Option<IpAddr>, out: &mut dyn Write) -> Result<()> {
    // The newest first: what an older release is configured with may have been left behind in an image.
    let file = Release::ALL
        .into_iter()
        .rev()
        .map(|release| layout.configuration.join(release.jvm_options_file()))
        .find(|file| file.exists());
    let Some(file) = file else {
        if address.is_some() {
            bail!("no node can be replaced: the configuration has no file of JVM options");
        }
        return Ok(());
    };
    if let Some(address) = address {
        writeln!(out, "bootstrap: this node takes the place of {address}")?;
    }
    write_file(
        &file,
        replace::with_flag(&read_file(&file)?, address).as_bytes(),
        Readers::All,
    )
}

fn write_agents(layout: &Layout, environment: &Environment, out: &mut dyn Write) -> Result<Jolokia> {
    let load = |switch: &str, jar: &str| {
        let wanted = environment.is_on(switch, Switch::On);
        if wanted && layout.extra_lib.join(jar).exists() {
            Load::Yes
        } else {
            Load::No
        }
    };
    let agents = Agents {
        jolokia: load("CASSANDRA_ENABLE_JOLOKIA", "jolokia-agent.jar"),
        exporter: load("CASSANDRA_EXPORTER_AGENT", "cassandra-exporter-agent.jar"),
    };
    if agents.jolokia == Load::Yes {
        let credentials = environment.jolokia_credentials();
        if environment.get("CASSANDRA_AUTH_JOLOKIA") == Some("true") && credentials.is_none() {
            bail!(
                "CASSANDRA_AUTH_JOLOKIA is true without JOLOKIA_USER and JOLOKIA_PASSWORD: the secret of spec.imageJolokiaSecret needs the keys username and password"
            );
        }
        let credentials = credentials.filter(|_| environment.get("CASSANDRA_AUTH_JOLOKIA") == Some("true"));
        let properties = agents::jolokia_properties(credentials.as_ref());
        write_file(
            &layout.configuration.join("jolokia.properties"),
            properties.as_bytes(),
            Readers::OwnerOnly,
        )?;
    } else {
        writeln!(
            out,
            "bootstrap: Jolokia is off: operations over JMX will not work, and the probes look at ports only"
        )?;
    }
    let exporter = layout.configuration.join("exporter.conf");
    if agents.exporter == Load::Yes && !exporter.exists() {
        write_file(&exporter, b"--listen=:9500\n", Readers::All)?;
    }
    let env_sh = layout.configuration.join("cassandra-env.sh");
    write_file(
        &env_sh,
        agents::with_lines(&read_file(&env_sh)?, agents).as_bytes(),
        Readers::All,
    )?;
    Ok(if agents.jolokia == Load::Yes {
        Jolokia::On
    } else {
        Jolokia::Off
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    struct Pod {
        _root: tempfile::TempDir,
        layout: Layout,
    }

    fn pod() -> Pod {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        for directory in ["etc", "extra-lib", "opt-bin", "configmap", "image/lib"] {
            std::fs::create_dir_all(at(directory)).unwrap();
        }
        std::fs::write(at("image/lib/jolokia-agent.jar"), "jar").unwrap();
        std::fs::write(at("etc/cassandra-env.sh"), "JMX_PORT=7199\n").unwrap();
        std::fs::write(at("etc/jvm-server.options"), "-ea\n").unwrap();
        std::fs::write(
            at("etc/cassandra.yaml"),
            "cluster_name: demo\nseed_provider:\n- class_name: x\n",
        )
        .unwrap();
        std::fs::write(
            at("hosts"),
            "10.0.0.1 demo-dc1-rack1-0.demo.ns.svc.cluster.local demo-dc1-rack1-0\n",
        )
        .unwrap();
        let layout = Layout {
            configuration: at("etc"),
            extra_lib: at("extra-lib"),
            tools: at("opt-bin"),
            hooks: at("configmap"),
            image: at("image"),
            hosts: at("hosts"),
            service_account: at("no-account"),
            processes: at("no-proc"),
            termination_log: at("termination-log"),
            jolokia_port: 1,
        };
        Pod { _root: root, layout }
    }

    fn environment(more: &[(&str, &str)]) -> Environment {
        let fixed = [
            ("POD_IP", "10.0.0.1"),
            ("PATH", "/usr/bin:/bin"),
            (
                "CASSANDRA_SEEDS",
                "demo-dc1-rack1-0.demo.ns,demo-dc1-rack2-0.demo.ns",
            ),
        ];
        fixed.into_iter().chain(more.iter().copied()).collect()
    }

    fn prepared(pod: &Pod, more: &[(&str, &str)]) -> Result<String> {
        let mut out = Vec::new();
        prepare(&pod.layout, &environment(more), &RingRecord::UNREAD, &mut out)?;
        Ok(String::from_utf8(out)?)
    }

    fn text(pod: &Pod, name: &str) -> String {
        std::fs::read_to_string(pod.layout.configuration.join(name)).unwrap()
    }

    #[test]
    fn everything_is_in_its_place() {
        let pod = pod();
        place_files(&pod.layout).unwrap();
        prepared(&pod, &[]).unwrap();
        let mode = |path: std::path::PathBuf| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(pod.layout.tools.join("casskop-bootstrap")), 0o755);
        assert_eq!(mode(pod.layout.configuration.join("readiness-probe.sh")), 0o755);
        assert_eq!(mode(pod.layout.extra_lib.join("jolokia-agent.jar")), 0o644);
        assert!(text(&pod, "liveness-probe.sh").ends_with("probe liveness\n"));
        insta::assert_snapshot!(text(&pod, "cassandra.yaml"), @r"
        cluster_name: demo
        seed_provider:
            - class_name: x
              parameters:
                  - seeds: demo-dc1-rack2-0.demo.ns
        ");
        let plan: Plan = serde_json::from_str(&text(&pod, plan::FILE)).unwrap();
        assert_eq!(
            plan.full_name.as_deref(),
            Some("demo-dc1-rack1-0.demo.ns.svc.cluster.local")
        );
        assert_eq!((plan.history, plan.jolokia), (History::Unknown, Jolokia::On));
    }

    #[test]
    fn a_second_try_changes_nothing() {
        let pod = pod();
        let files = || {
            [
                "cassandra.yaml",
                "cassandra-env.sh",
                "jvm-server.options",
                plan::FILE,
            ]
            .map(|file| text(&pod, file))
        };
        place_files(&pod.layout).unwrap();
        prepared(&pod, &[("CASSANDRA_REPLACE_NODE", "10.0.0.9")]).unwrap();
        let first = files();
        place_files(&pod.layout).unwrap();
        prepared(&pod, &[("CASSANDRA_REPLACE_NODE", "10.0.0.9")]).unwrap();
        assert_eq!(files(), first);
    }

    #[test]
    fn what_the_pod_knows_of_its_ring_outlives_a_silent_api_server() {
        let pod = pod();
        let history = |told: History| {
            let record = RingRecord {
                history: told,
                ..RingRecord::UNREAD
            };
            prepare(&pod.layout, &environment(&[]), &record, &mut Vec::new()).unwrap();
            serde_json::from_str::<Plan>(&text(&pod, plan::FILE))
                .unwrap()
                .history
        };
        assert_eq!(history(History::Unreachable), History::Unreachable);
        assert_eq!(history(History::Formed), History::Formed);
        assert_eq!(history(History::Unreachable), History::Formed);
        assert_eq!(history(History::Unknown), History::Formed);
        assert_eq!(
            history(History::NotFormed),
            History::NotFormed,
            "a person said so"
        );
    }

    #[test]
    fn credentials_are_in_one_private_file_only() {
        let pod = pod();
        place_files(&pod.layout).unwrap();
        let log = prepared(
            &pod,
            &[
                ("CASSANDRA_AUTH_JOLOKIA", "true"),
                ("JOLOKIA_USER", "ops"),
                ("JOLOKIA_PASSWORD", "hunter2"),
            ],
        )
        .unwrap();
        let properties = pod.layout.configuration.join("jolokia.properties");
        assert!(
            std::fs::read_to_string(&properties)
                .unwrap()
                .contains("password=hunter2\n")
        );
        assert_eq!(
            std::fs::metadata(properties).unwrap().permissions().mode() & 0o777,
            0o600
        );
        for file in [
            "cassandra.yaml",
            "cassandra-env.sh",
            "jvm-server.options",
            "readiness-probe.sh",
            plan::FILE,
        ] {
            assert!(!text(&pod, file).contains("hunter2"), "{file}");
        }
        assert!(!log.contains("hunter2"));
        assert!(prepared(&pod, &[("CASSANDRA_AUTH_JOLOKIA", "true")]).is_err());
    }

    #[test]
    fn jolokia_can_be_off() {
        let pod = pod();
        place_files(&pod.layout).unwrap();
        let log = prepared(&pod, &[("CASSANDRA_ENABLE_JOLOKIA", "false")]).unwrap();
        assert!(log.contains("Jolokia is off"));
        assert!(!text(&pod, "cassandra-env.sh").contains("-javaagent"));
    }

    #[test]
    fn hooks_run_around_the_preparation() {
        let pod = pod();
        let etc = pod.layout.configuration.display();
        let hook = |name: &str, text: &str| std::fs::write(pod.layout.hooks.join(name), text).unwrap();
        hook(
            "pre_run.sh",
            &format!("test -f {etc}/readiness-probe.sh\nexport CASSANDRA_REPLACE_NODE=10.0.0.9"),
        );
        hook(
            "post_run.sh",
            &format!(
                "set -e; grep -q replace {etc}/jvm-server.options; echo '# mine' >> {etc}/cassandra.yaml"
            ),
        );
        let mut out = Vec::new();
        run(&pod.layout, &environment(&[]), &mut out).unwrap();
        assert!(
            text(&pod, "jvm-server.options").contains("-Dcassandra.replace_address_first_boot=10.0.0.9\n")
        );
        assert!(text(&pod, "cassandra.yaml").ends_with("# mine\n"));
        insta::assert_snapshot!(String::from_utf8(out).unwrap(), @r"
        bootstrap: running pre_run.sh
        bootstrap: this node takes the place of 10.0.0.9
        bootstrap: running post_run.sh
        bootstrap: done (seeds: demo-dc1-rack1-0.demo.ns,demo-dc1-rack2-0.demo.ns)
        ");
        let said = std::fs::read_to_string(&pod.layout.termination_log).unwrap();
        assert_eq!(said, "casskop-bootstrap record=unread replaces=10.0.0.9");

        hook("pre_run.sh", "exit 7");
        assert!(run(&pod.layout, &environment(&[]), &mut Vec::new()).is_err());
    }

    #[test]
    fn a_replacement_needs_an_address() {
        let pod = pod();
        place_files(&pod.layout).unwrap();
        let error = prepared(&pod, &[("CASSANDRA_REPLACE_NODE", "demo-dc1-rack1-1")]).unwrap_err();
        assert!(error.to_string().contains("which is no IP address"));
    }
}
