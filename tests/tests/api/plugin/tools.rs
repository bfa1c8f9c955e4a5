use anyhow::Result;
use casskop_types::labels;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Pod, Secret, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::api::rbac::v1::Role;
use kube::ResourceExt;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use super::plugin_run::Ended;
use super::stage::Stage;

const SPEC: &str = r#"{"topology": {"dc": [{"name": "dc1", "rack": [{"name": "rack1"}]}]}}"#;

/// The cluster `demo` with two pods.
async fn demo() -> Result<Stage> {
    let stage = Stage::set().await?;
    stage.cluster("demo", SPEC).await?;
    stage.pod("demo", "dc1-rack1", 0, "10.0.0.1").await?;
    stage.pod("demo", "dc1-rack1", 1, "10.0.0.2").await?;
    Ok(stage)
}

fn ended(code: i32, out: &str, err: &str) -> Ended {
    Ended {
        code,
        out: out.to_owned(),
        err: err.to_owned(),
    }
}

#[tokio::test]
async fn a_cluster_is_paused_once_and_resumed_once() -> Result<()> {
    let stage = demo().await?;
    let paused = async || -> Result<Option<String>> {
        Ok(stage
            .clusters()
            .get("demo")
            .await?
            .annotations()
            .get(labels::PAUSED)
            .cloned())
    };
    let said = |what| ended(0, &format!("cassandracluster.db.orange.com/demo {what}\n"), "");
    assert_eq!(
        stage.run(&["reconcile", "pause", "--crd", "demo"]).await?,
        said("paused")
    );
    assert_eq!(paused().await?.as_deref(), Some("true"));
    let version = stage.version_of("demo").await?;
    assert_eq!(
        stage.run(&["reconcile", "pause"]).await?,
        ended(
            0,
            "",
            "cassandracluster `demo` is paused already; nothing written\n"
        )
    );
    assert_eq!(stage.version_of("demo").await?, version);
    assert_eq!(stage.run(&["reconcile", "resume"]).await?, said("resumed"));
    assert_eq!(paused().await?, None);
    assert_eq!(
        stage.run(&["reconcile", "resume", "-o", "name"]).await?,
        ended(
            0,
            "cassandracluster.db.orange.com/demo\n",
            "cassandracluster `demo` is not paused; nothing written\n"
        )
    );
    assert_eq!(
        stage.run(&["reconcile", "pause", "--crd", "prod"]).await?,
        ended(
            2,
            "",
            "error: cassandracluster `prod` not found; the namespace has demo\n"
        )
    );
    Ok(())
}

#[tokio::test]
async fn seeds_are_followed_through_the_service() -> Result<()> {
    let stage = demo().await?;
    let seeds =
        ["demo-dc1-rack1-0", "demo-dc1-rack1-1"].map(|pod| format!("{pod}.demo.{}", stage.namespace()));
    let status = json!({ "status": { "seedlist": seeds } });
    stage
        .clusters()
        .patch_status("demo", &PatchParams::default(), &Patch::Merge(status))
        .await?;
    let slice: EndpointSlice = serde_json::from_value(json!({
        "metadata": { "name": "demo-x", "labels": { "kubernetes.io/service-name": "demo" } },
        "addressType": "IPv4",
        "endpoints": [{ "hostname": "demo-dc1-rack1-0", "addresses": ["10.0.0.1"] }],
    }))?;
    stage
        .objects::<EndpointSlice>()
        .create(&PostParams::default(), &slice)
        .await?;
    let [first, second] = &seeds;
    let told = stage.run(&["seeds"]).await?;
    assert_eq!(
        told.err,
        format!("warning: the Service does not resolve seed {second}\n")
    );
    let lines: Vec<Vec<&str>> = told
        .out
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!(
        lines,
        [
            vec!["SEED", "RACK", "STATE", "ADDRESS", "RESOLVES", "TO"],
            vec![first.as_str(), "dc1.rack1", "ready", "10.0.0.1", "10.0.0.1"],
            vec![second.as_str(), "dc1.rack1", "ready", "10.0.0.2", "<none>"],
        ]
    );
    Ok(())
}

#[tokio::test]
async fn a_tree_shows_what_there_is() -> Result<()> {
    let stage = demo().await?;
    let service: Service = serde_json::from_value(json!({
        "metadata": { "name": "demo", "labels": { "app": "cassandracluster", "cassandracluster": "demo" } },
        "spec": { "clusterIP": "None" },
    }))?;
    stage
        .objects::<Service>()
        .create(&PostParams::default(), &service)
        .await?;
    assert_eq!(
        stage.run(&["tree"]).await?,
        ended(
            0,
            "OBJECT                   READY   STATE\n\
             CassandraCluster/demo    -\n\
             ├─Pod/demo-dc1-rack1-0   yes     ready at 10.0.0.1\n\
             ├─Pod/demo-dc1-rack1-1   yes     ready at 10.0.0.2\n\
             └─Service/demo           -       headless\n",
            ""
        )
    );
    Ok(())
}

#[tokio::test]
async fn tools_are_not_run_where_nobody_said_so() -> Result<()> {
    let stage = demo().await?;
    assert_eq!(
        stage.run(&["nodetool", "drain"]).await?,
        ended(
            2,
            "",
            "error: say on which pods to run `nodetool drain` with --pod, --prefix, --crd, --dc or --rack\n"
        )
    );
    assert_eq!(
        stage.run(&["nodetool", "--crd", "demo", "drain"]).await?.code,
        2,
        "two nodes at once"
    );
    let refused = stage.run(&["cqlsh", "--", "-u", "ann", "-p", "S3cret"]).await?;
    assert_eq!(refused.code, 2);
    assert!(!refused.err.contains("S3cret"), "{}", refused.err);
    assert_eq!(
        stage.run(&["logs", "-c", "sidecar"]).await?,
        ended(
            2,
            "",
            "error: pod `demo-dc1-rack1-0` has no container `sidecar`; it has cassandra\n"
        )
    );
    Ok(())
}

/// No kubelet is here to run it.
#[tokio::test]
async fn a_command_that_cannot_be_run_is_a_failure() -> Result<()> {
    let stage = demo().await?;
    let ran = stage.run(&["nodetool", "status"]).await?;
    assert_eq!((ran.code, ran.out.as_str()), (1, ""), "{}", ran.err);
    assert!(ran.err.contains("pods/exec `demo-dc1-rack1-0`"), "{}", ran.err);
    let ann = stage.as_user("ann")?.run(&["logs"]).await?;
    assert_eq!((ann.code, ann.out.as_str()), (1, ""));
    Ok(())
}

#[tokio::test]
async fn versions_are_told_as_far_as_one_may_know_them() -> Result<()> {
    let stage = demo().await?;
    let told = stage.run(&["version"]).await?;
    assert_eq!((told.code, told.err.as_str()), (0, ""));
    let mut lines = told.out.lines();
    assert!(
        lines
            .next()
            .is_some_and(|line| line.starts_with("kubectl-casskop 0.")),
        "{}",
        told.out
    );
    assert!(told.out.contains("Kubernetes"), "{}", told.out);
    assert!(
        lines.any(|line| line.starts_with("cassandraclusters.db.orange.com") && line.ends_with(" v2")),
        "{}",
        told.out
    );
    let ann = stage.as_user("ann")?.run(&["version"]).await?;
    assert_eq!(ann.code, 0, "{}", ann.err);
    assert!(
        ann.err
            .contains("warning: the operator's version is not known: user `ann` must not list"),
        "{}",
        ann.err
    );
    Ok(())
}

/// A link to the plugin, named as kubectl looks for it, and kubectl's own completion.
#[tokio::test]
async fn kubectl_completes_names_through_the_plugin() -> Result<()> {
    let stage = demo().await?;
    let asked = |words: &str| -> Result<String> {
        let said = stage.typed(&format!(
            "links=$(mktemp -d); trap 'rm -r $links' EXIT; \
             ln -s \"$(command -v kubectl-casskop)\" $links/kubectl_complete-casskop; \
             PATH=$links:$PATH kubectl __complete casskop {words}"
        ))?;
        Ok(said.stdout)
    };
    assert_eq!(asked("restart --crd ''")?, "demo\n:4\n");
    assert_eq!(asked("restart --crd demo --rack dc1")?, "dc1.rack1\n:4\n");
    assert_eq!(
        asked("nodetool --pod demo-dc1-rack1-1")?,
        "demo-dc1-rack1-1\tdc1.rack1, ready\n:4\n"
    );
    assert_eq!(asked("cleanup --crd=d")?, "--crd=demo\n:4\n");
    Ok(())
}

#[tokio::test]
async fn bash_completes_names_through_the_plugin() -> Result<()> {
    let stage = demo().await?;
    let said = stage.typed(
        "bash -c 'source <(kubectl-casskop completion bash); \
         COMP_WORDS=(kubectl-casskop logs --crd \"\"); COMP_CWORD=3; _kubectl_casskop; echo \"${COMPREPLY[@]}\"'",
    )?;
    assert_eq!((said.stdout.as_str(), said.stderr.as_str()), ("demo\n", ""));
    Ok(())
}

#[tokio::test]
async fn an_edit_is_judged_before_it_is_applied() -> Result<()> {
    let stage = demo().await?;
    let manifest = |dc: &str| {
        format!(
            "printf 'apiVersion: db.orange.com/v2\\nkind: CassandraCluster\\nmetadata: {{name: demo}}\\n\
             spec: {{topology: {{dc: [{{name: {dc}, rack: [{{name: rack1}}, {{name: rack2}}]}}]}}}}\\n' \
             | kubectl casskop plan -f -"
        )
    };
    let version = stage.version_of("demo").await?;
    let said = stage.typed(&manifest("dc1"))?;
    assert_eq!(said.code, Some(0), "{said:?}");
    for line in [
        "dc1.rack2   Initializing   0 -> 1   0",
        "Service/demo would be written",
    ] {
        assert!(said.stdout.contains(line), "{said:?}");
    }
    let refused = stage.typed(&manifest("DC-1"))?;
    assert_eq!(
        (refused.code, refused.stdout.as_str()),
        (Some(2), ""),
        "{refused:?}"
    );
    assert!(
        refused.stderr.contains("spec.topology.dc[0].name: "),
        "{refused:?}"
    );
    assert_eq!(stage.version_of("demo").await?, version, "nothing was written");
    Ok(())
}

#[tokio::test]
async fn what_is_lacking_is_found_before_it_is_needed() -> Result<()> {
    let stage = demo().await?;
    let found = stage.run(&["check"]).await?;
    assert_eq!((found.code, found.err.as_str()), (3, ""), "{}", found.out);
    let line = |subject: &str| {
        let lines = found.out.lines().map(str::to_owned);
        let mut lines = lines.filter(|line| line.contains(subject));
        lines.next().unwrap_or_default()
    };
    assert!(line("Kubernetes").starts_with("ok "), "{}", found.out);
    assert!(
        line("definition of CassandraCluster").starts_with("ok "),
        "{}",
        found.out
    );
    assert!(
        line("definition of ScheduledTask").starts_with("ok "),
        "{}",
        found.out
    );
    assert!(line("right to patch pods").starts_with("ok "), "{}", found.out);
    assert!(
        line("right to create k8ssandratasks").starts_with("ok "),
        "{}",
        found.out
    );
    assert!(line("CassKop's lock").starts_with("ok "), "{}", found.out);
    assert!(line("account of demo's pods").starts_with("ok "), "{}", found.out);
    assert!(line("names of demo").starts_with("failed "), "{}", found.out);
    // Who may do nothing hears of every right, and of nothing else as a failure.
    let ann = stage.as_user("ann")?.run(&["check", "-o", "json"]).await?;
    assert_eq!((ann.code, ann.err.as_str()), (3, ""));
    let checks: Value = serde_json::from_str(&ann.out)?;
    let failed: Vec<&str> = checks["checks"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|check| check["verdict"] == "failed")
        .filter_map(|check| check["subject"].as_str())
        .collect();
    assert_eq!(
        failed,
        [
            "right to get cassandraclusters",
            "right to list cassandraclusters",
            "right to list pods"
        ]
    );
    Ok(())
}

/// Planted wherever a secret may stand in an object; what shall be in the report stands beside it.
#[tokio::test]
async fn a_report_holds_what_helps_and_no_secret() -> Result<()> {
    let stage = demo().await?;
    let hooks: ConfigMap = serde_json::from_value(json!({
        "metadata": { "name": "demo-bootstrap", "annotations": {
            "kubectl.kubernetes.io/last-applied-configuration": "{\"data\":\"S3cret-planted\"}",
        } },
        "data": { "jvm.options": "-Xmx1G\n-Djavax.net.ssl.keyStorePassword=S3cret-planted\n" },
    }))?;
    stage
        .objects::<ConfigMap>()
        .create(&PostParams::default(), &hooks)
        .await?;
    let secret: Secret = serde_json::from_value(json!({
        "metadata": { "name": "demo-jolokia", "labels": { "app": "cassandracluster", "cassandracluster": "demo" } },
        "stringData": { "password": "S3cret-planted" },
    }))?;
    stage
        .objects::<Secret>()
        .create(&PostParams::default(), &secret)
        .await?;
    let pod: Pod = serde_json::from_value(json!({
        "metadata": { "name": "demo-dc1-rack1-2", "labels": { "app": "cassandracluster", "cassandracluster": "demo" } },
        "spec": { "schedulerName": "nobody", "automountServiceAccountToken": false, "containers": [{
            "name": "cassandra", "image": "none", "args": ["--password", "S3cret-planted"],
            "env": [{ "name": "DB_PASSWORD", "value": "S3cret-planted" }, { "name": "MAX_HEAP_SIZE", "value": "1G" }],
        }] },
    }))?;
    stage.pods().create(&PostParams::default(), &pod).await?;

    let said = stage.typed(
        "d=$(mktemp -d); trap 'rm -r $d' EXIT; cd $d; kubectl casskop report -f r.tar.gz; \
         stat -c %a r.tar.gz; tar xzf r.tar.gz; ls r; find r -type f -exec cat {} +",
    )?;
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(!said.stdout.contains("S3cret-planted"), "{}", said.stdout);
    for kept in [
        "r.tar.gz\n600\n",
        "cassandraclusters.yaml",
        "not-read.txt",
        "pods.yaml",
        "DB_PASSWORD",
        "MAX_HEAP_SIZE",
        "-Xmx1G",
        "demo-dc1-rack1-0",
    ] {
        assert!(said.stdout.contains(kept), "{kept}: {}", said.stdout);
    }
    assert!(
        !said.stdout.contains("demo-jolokia"),
        "objects of kind Secret are not read"
    );
    Ok(())
}

#[tokio::test]
async fn an_installation_can_be_repeated_and_forgets_no_cluster() -> Result<()> {
    let stage = demo().await?;
    let namespace = stage.namespace().to_owned();
    let image = "registry/casskop-operator:0.1.0";
    let install = ["install", "--operator-namespace", &namespace, "--image", image];
    let elsewhere = ["install", "--operator-namespace", "not-there", "--dry-run=server"];
    let judged = stage.run(&elsewhere).await?;
    assert_eq!(judged.code, 2, "{}", judged.err);
    assert!(
        judged.err.contains("`kubectl create namespace not-there`"),
        "{}",
        judged.err
    );
    // The account of the pods is there already, by another hand.
    let conflict = stage.run(&[&install[..], &["--crd", "prod"]].concat()).await?;
    assert_eq!(conflict.code, 2, "{}", conflict.err);
    assert!(
        conflict
            .err
            .contains("`cassandra-cluster-node` has fields that another manager set otherwise"),
        "{}",
        conflict.err
    );
    let forced = [&install[..], &["--force-conflicts"]].concat();
    let first = stage.run(&[&forced[..], &["--crd", "prod"]].concat()).await?;
    assert_eq!((first.code, first.err.as_str()), (0, ""), "{}", first.out);
    assert!(
        first
            .out
            .contains("deployment.apps/casskop-operator serverside-applied\n"),
        "{}",
        first.out
    );
    // Neither the cluster that is there nor the one that is to come is lost by a second time.
    let second = stage.run(&[&forced[..], &["-o", "name"]].concat()).await?;
    assert_eq!((second.code, second.err.as_str()), (0, ""));
    let role = stage.objects::<Role>().get("cassandra-cluster-node").await?;
    let names = role
        .rules
        .and_then(|rules| rules.into_iter().next()?.resource_names);
    assert_eq!(
        names,
        Some(vec!["demo-bootstrap".to_owned(), "prod-bootstrap".to_owned()])
    );
    let deployment = stage.objects::<Deployment>().get("casskop-operator").await?;
    let pod = deployment.spec.and_then(|spec| spec.template.spec);
    let image_there = pod.and_then(|pod| pod.containers.into_iter().next()?.image);
    assert_eq!(image_there.as_deref(), Some(image));
    stage
        .objects::<Deployment>()
        .delete("casskop-operator", &DeleteParams::default())
        .await?;
    Ok(())
}
