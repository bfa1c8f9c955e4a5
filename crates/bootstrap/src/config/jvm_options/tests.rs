use super::*;
use serde_json::json;

const STOCK: &str = "# stock\n-ea\n-Xms4G\n-XX:+UseG1GC\n-Dcassandra.ring_delay_ms=1\n-XX:+AlwaysPreTouch\n";

fn rendered_over(release: Release, stock: &[(&str, &str)], tree: &Value) -> (Files, Vec<String>) {
    let mut tree = tree.clone();
    tree["cluster-info"] = json!({"name": "demo"});
    tree["datacenter-info"] = json!({"name": "dc1"});
    let tree = Tree::parse(&tree.to_string()).unwrap();
    let stock = stock
        .iter()
        .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
    let mut files: Files = stock.collect();
    let mut notices = Vec::new();
    render(&mut files, release, &tree, &mut notices);
    (files, notices.iter().map(ToString::to_string).collect())
}

fn rendered(tree: &Value) -> (Files, Vec<String>) {
    let stock = [
        ("jvm-server.options", STOCK),
        (
            "jvm11-server.options",
            "-XX:+UseConcMarkSweepGC\n-XX:CMSWaitDuration=10000\n",
        ),
        ("jvm17-server.options", "-XX:+UseSerialGC\n"),
    ];
    rendered_over(Release::V5_0, &stock, tree)
}

/// What 3.11 ships: its collector, and how that is tuned.
const STOCK_3_11: &str = "-Xss256k\n-XX:ThreadPriorityPolicy=42\n-XX:-UseBiasedLocking\n-XX:+UseParNewGC\n\
    -XX:+UseConcMarkSweepGC\n-XX:MaxTenuringThreshold=1\n-XX:CMSWaitDuration=10000\n-XX:+PrintGCDetails\n";

#[test]
fn the_options_of_3_11_are_those_of_java_8() {
    let options = json!({"jvm-options": {
        "garbage_collector": "G1GC", "max_gc_pause_millis": 500, "print_flss_statistics": true, "log_gc": true,
        "print_gc_details": false, "use_biased_locking": true, "thread_priority_policy_42": false, "max_heap_size": "2G",
    }});
    let (files, notices) = rendered_over(Release::V3_11, &[("jvm.options", STOCK_3_11)], &options);
    assert!(notices.is_empty(), "{notices:?}");
    insta::assert_snapshot!(files["jvm.options"], @r"
    -Xss256k
    #-XX:ThreadPriorityPolicy=42
    #-XX:-UseBiasedLocking
    #-XX:+UseParNewGC
    #-XX:+UseConcMarkSweepGC
    #-XX:MaxTenuringThreshold=1
    #-XX:CMSWaitDuration=10000
    #-XX:+PrintGCDetails
    # >>> casskop: jvm options
    -XX:+UseG1GC
    -Xloggc:/var/log/cassandra/gc.log
    -XX:MaxGCPauseMillis=500
    -Xmx2G
    -XX:PrintFLSStatistics=1
    -XX:-UseBiasedLocking
    # <<< casskop: jvm options
    ");
    let (_, notices) = rendered_over(Release::V4_1, &[("jvm-server.options", "")], &options);
    insta::assert_snapshot!(notices.join("\n"), @r"
    jvm-server.options: Cassandra 4.1 has no setting log_gc, left out
    jvm-server.options: Cassandra 4.1 has no setting print_flss_statistics, left out
    jvm-server.options: Cassandra 4.1 has no setting print_gc_details, left out
    jvm-server.options: Cassandra 4.1 has no setting thread_priority_policy_42, left out
    ");
}

#[test]
fn the_images_tuning_of_the_chosen_collector_stays() {
    let options = json!({"jvm-options": {"garbage_collector": "CMS", "cms_wait_duration": 5000}});
    let (files, notices) = rendered_over(Release::V3_11, &[("jvm.options", STOCK_3_11)], &options);
    assert!(notices.is_empty(), "{notices:?}");
    insta::assert_snapshot!(files["jvm.options"], @r"
    -Xss256k
    -XX:ThreadPriorityPolicy=42
    -XX:-UseBiasedLocking
    #-XX:+UseParNewGC
    #-XX:+UseConcMarkSweepGC
    -XX:MaxTenuringThreshold=1
    #-XX:CMSWaitDuration=10000
    -XX:+PrintGCDetails
    # >>> casskop: jvm options
    -XX:CMSWaitDuration=5000
    -XX:+UseParNewGC
    -XX:+UseConcMarkSweepGC
    -XX:+CMSParallelRemarkEnabled
    # <<< casskop: jvm options
    ");
}

#[test]
fn diagnostic_options_are_unlocked_first() {
    let options = json!({"jvm-options": {"debug-non-safepoints": true, "restrict-contended": true}});
    let (files, _) = rendered_over(Release::V4_0, &[("jvm-server.options", "")], &options);
    assert!(
        files["jvm-server.options"]
            .contains("-XX:+UnlockDiagnosticVMOptions\n-XX:+DebugNonSafepoints\n-XX:-RestrictContended\n"),
        "{files:?}"
    );
}

#[test]
fn the_users_block_goes_over_the_operators_defaults() {
    let (files, notices) = rendered(&json!({
        "jvm-options": {"initial_heap_size": "512M", "max_heap_size": "2048M", "cassandra_ring_delay_ms": 30000,
                        "jmx-connection-type": "remote-no-auth"},
        "jvm-server-options": {"max_heap_size": "300M", "additional-jvm-opts": ["-Da=b"], "enable_assertions": true},
    }));
    insta::assert_snapshot!(files["jvm-server.options"], @r"
    # stock
    #-ea
    #-Xms4G
    -XX:+UseG1GC
    #-Dcassandra.ring_delay_ms=1
    -XX:+AlwaysPreTouch
    # >>> casskop: jvm options
    -Dcassandra.ring_delay_ms=30000
    -ea
    -Xms300M
    -Xmx300M
    -Dcassandra.jmx.remote.port=7199
    -Dcom.sun.management.jmxremote.rmi.port=7199
    -Dcom.sun.management.jmxremote.authenticate=false
    -Dcom.sun.management.jmxremote.ssl=false
    -Da=b
    # <<< casskop: jvm options
    ");
    assert_eq!(
        notices,
        ["jvm-server.options: initial_heap_size is above max_heap_size, lowered to it"]
    );
}

#[test]
fn a_chosen_collector_is_the_only_one() {
    let (files, notices) = rendered(&json!({"jvm17-server-options": {"garbage_collector": "ZGC"}}));
    assert!(notices.is_empty(), "{notices:?}");
    assert!(files["jvm-server.options"].contains("#-XX:+UseG1GC"));
    assert!(files["jvm17-server.options"].starts_with("#-XX:+UseSerialGC\n"));
    assert!(files["jvm17-server.options"].contains("\n-XX:+UseZGC\n"));
    assert!(
        files["jvm11-server.options"].starts_with("-XX:+UseConcMarkSweepGC"),
        "another Java's file is left alone"
    );

    let (files, _) = rendered(&json!({"jvm-server-options": {"garbage_collector": "G1GC"}}));
    assert!(files["jvm11-server.options"].starts_with("#-XX:+UseConcMarkSweepGC\n#-XX:CMSWaitDuration"));
    assert!(files["jvm17-server.options"].starts_with("#-XX:+UseSerialGC"));
}

#[test]
fn a_flag_that_is_off_leaves_the_stock_file() {
    let (files, _) = rendered(&json!({"jvm-server-options": {"always_pre_touch": false}}));
    assert!(files["jvm-server.options"].contains("#-XX:+AlwaysPreTouch"));
}

#[test]
fn what_can_not_be_used_is_reported() {
    let (_, notices) = rendered(&json!({
        "jvm-server-options": {"print_gc_details": true, "max_heap_size": ["4G"], "additional-jvm-opts": ["Xmx1G"],
                               "cassandra_replace_address": "10.0.0.9", "per_thread_stack_size": "1m\n-Devil=1"},
        "jvm17-server-options": {"garbage_collector": "CMS"},
        "jvm8-server-options": {"max_heap_size": "1G"},
    }));
    insta::assert_snapshot!(notices.join("\n"), @r"
    cassandra.yaml: cassandra_replace_address is the operator's to set, left out
    jvm-server.options: max_heap_size must be one word or number, left out
    jvm-server.options: per_thread_stack_size must be one word or number, left out
    jvm-server.options: Cassandra 5.0 has no setting print_gc_details, left out
    jvm-server.options: additional-jvm-opts holds an entry that does not start with a dash, left out
    jvm8-server.options: max_heap_size belongs to a file that this image does not have, left out
    jvm17-server.options: garbage_collector names no collector of this Java, left out
    ");
}
