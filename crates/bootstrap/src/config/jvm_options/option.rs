//! JVM options, one by one: how a setting is spelled as one, and which options are about the same thing.

use super::super::scalar_text;
use serde_json::Value;

/// How a setting becomes an option.
#[derive(Debug, Clone, Copy)]
pub(super) enum Form {
    /// The value follows at once: `-Xmx` and `4G`.
    Prefix(&'static str),
    /// The value follows an equals sign.
    Value(&'static str),
    /// There or not there.
    Flag(&'static str),
}

/// The settings that cass-config-builder's users know, as options of Java 11 and 17. What those no longer have (the
/// collector's logging flags of Java 8, thread priority policy 42, biased locking) would keep the JVM from starting and is not here.
pub(super) const OPTIONS: [(&str, Form); 38] = [
    ("initial_heap_size", Form::Prefix("-Xms")),
    ("max_heap_size", Form::Prefix("-Xmx")),
    ("heap_size_young_generation", Form::Prefix("-Xmn")),
    ("per_thread_stack_size", Form::Prefix("-Xss")),
    ("max_direct_memory", Form::Value("-XX:MaxDirectMemorySize")),
    ("string_table_size", Form::Value("-XX:StringTableSize")),
    ("enable_assertions", Form::Flag("-ea")),
    ("use_thread_priorities", Form::Flag("-XX:+UseThreadPriorities")),
    (
        "heap_dump_on_out_of_memory_error",
        Form::Flag("-XX:+HeapDumpOnOutOfMemoryError"),
    ),
    ("always_pre_touch", Form::Flag("-XX:+AlwaysPreTouch")),
    ("use_tlb", Form::Flag("-XX:+UseTLAB")),
    ("resize_tlb", Form::Flag("-XX:+ResizeTLAB")),
    ("use_numa", Form::Flag("-XX:+UseNUMA")),
    ("perf_disable_shared_mem", Form::Flag("-XX:+PerfDisableSharedMem")),
    (
        "java_net_prefer_ipv4_stack",
        Form::Flag("-Djava.net.preferIPv4Stack=true"),
    ),
    (
        "unlock-diagnostic-vm-options",
        Form::Flag("-XX:+UnlockDiagnosticVMOptions"),
    ),
    (
        "g1r_set_updating_pause_time_percent",
        Form::Value("-XX:G1RSetUpdatingPauseTimePercent"),
    ),
    ("max_gc_pause_millis", Form::Value("-XX:MaxGCPauseMillis")),
    (
        "initiating_heap_occupancy_percent",
        Form::Value("-XX:InitiatingHeapOccupancyPercent"),
    ),
    ("parallel_gc_threads", Form::Value("-XX:ParallelGCThreads")),
    ("conc_gc_threads", Form::Value("-XX:ConcGCThreads")),
    ("survivor_ratio", Form::Value("-XX:SurvivorRatio")),
    ("max_tenuring_threshold", Form::Value("-XX:MaxTenuringThreshold")),
    (
        "jdk_attach_allow_attach_self",
        Form::Flag("-Djdk.attach.allowAttachSelf=true"),
    ),
    (
        "io_netty_try_reflection_set_accessible",
        Form::Flag("-Dio.netty.tryReflectionSetAccessible=true"),
    ),
    (
        "agent_lib_jdwp",
        Form::Flag("-agentlib:jdwp=transport=dt_socket,server=y,suspend=n,address=1414"),
    ),
    (
        "cassandra_available_processors",
        Form::Value("-Dcassandra.available_processors"),
    ),
    ("cassandra_config_directory", Form::Value("-Dcassandra.config")),
    (
        "cassandra_disable_auth_caches_remote_configuration",
        Form::Value("-Dcassandra.disable_auth_caches_remote_configuration"),
    ),
    (
        "cassandra_expiration_date_overflow_policy",
        Form::Value("-Dcassandra.expiration_date_overflow_policy"),
    ),
    (
        "cassandra_force_default_indexing_page_size",
        Form::Value("-Dcassandra.force_default_indexing_page_size"),
    ),
    ("cassandra_join_ring", Form::Value("-Dcassandra.join_ring")),
    (
        "cassandra_load_ring_state",
        Form::Value("-Dcassandra.load_ring_state"),
    ),
    (
        "cassandra_metrics_reporter_config_file",
        Form::Value("-Dcassandra.metricsReporterConfigFile"),
    ),
    ("cassandra_replay_list", Form::Value("-Dcassandra.replayList")),
    (
        "cassandra_ring_delay_ms",
        Form::Value("-Dcassandra.ring_delay_ms"),
    ),
    ("cassandra_triggers_dir", Form::Value("-Dcassandra.triggers_dir")),
    ("cassandra_write_survey", Form::Value("-Dcassandra.write_survey")),
];

impl Form {
    pub(super) fn option(self, value: &Value) -> Result<Option<String>, &'static str> {
        let text = scalar_text(value);
        match (self, text.as_deref()) {
            // cass-config-builder's word for "let cassandra-env.sh work it out"; a flag that is off is just not written.
            (Self::Prefix(_) | Self::Value(_), Some("auto" | "")) | (Self::Flag(_), Some("false")) => {
                Ok(None)
            }
            (Self::Prefix(option), Some(value)) => Ok(Some(format!("{option}{value}"))),
            (Self::Value(option), Some(value)) => Ok(Some(format!("{option}={value}"))),
            (Self::Flag(option), Some("true")) => Ok(Some(option.to_owned())),
            (Self::Flag(_), _) => Err("must be true or false, left out"),
            (Self::Prefix(_) | Self::Value(_), None) => Err("must be one word or number, left out"),
        }
    }
}

/// The flags that choose a collector, if the Java that reads `file` has it.
pub(super) fn collector(name: &str, file: &str) -> Option<&'static [&'static str]> {
    let java_17 = file.starts_with("jvm17");
    match name {
        "G1GC" | "G1" => Some(&["-XX:+UseG1GC"]),
        "Serial" => Some(&["-XX:+UseSerialGC"]),
        "Parallel" => Some(&["-XX:+UseParallelGC"]),
        "Shenandoah" => Some(&["-XX:+UseShenandoahGC"]),
        "ZGC" if java_17 => Some(&["-XX:+UseZGC"]),
        // Experimental until Java 15.
        "ZGC" => Some(&["-XX:+UnlockExperimentalVMOptions", "-XX:+UseZGC"]),
        // Removed in Java 14.
        "CMS" if !java_17 => Some(&["-XX:+UseConcMarkSweepGC", "-XX:+CMSParallelRemarkEnabled"]),
        _ => None,
    }
}

pub(super) fn is_collector(option: &str) -> bool {
    let names = [
        "UseG1GC",
        "UseSerialGC",
        "UseParallelGC",
        "UseShenandoahGC",
        "UseZGC",
        "UseConcMarkSweepGC",
        "UseParNewGC",
    ];
    option.strip_prefix("-XX:").is_some_and(|flag| {
        names.contains(&flag.trim_start_matches(['+', '-']).trim_end())
            || flag.trim_start_matches(['+', '-']).starts_with("CMS")
    })
}

/// What an option is about: two options of one identity contradict each other or are the same. `None` for lines that are
/// no options, and for options that may be given more than once.
pub(super) fn identity(option: &str) -> Option<&str> {
    let option = option.trim_end();
    if let Some(flag) = option.strip_prefix("-XX:") {
        let name = flag.trim_start_matches(['+', '-']);
        return name.split('=').next();
    }
    if option.starts_with("-D") {
        return option.split('=').next();
    }
    ["-Xms", "-Xmx", "-Xmn", "-Xss", "-ea"]
        .into_iter()
        .find(|prefix| option.starts_with(prefix))
}
