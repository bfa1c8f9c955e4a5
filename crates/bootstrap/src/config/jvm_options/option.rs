//! JVM options, one by one: how a setting is spelled as one, and which options are about the same thing.

use super::super::scalar_text;
use crate::version::Release;
use serde_json::Value;

/// The Java that reads a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Java {
    /// Java 8 alone.
    Eight,
    /// Any that the release runs on: the options must suit all of them.
    Any,
    /// Java 11 alone.
    Eleven,
    /// Java 17 alone.
    Seventeen,
}

impl Java {
    pub(super) fn of(file: &str) -> Self {
        match file {
            // Cassandra 3.11 runs on no other.
            "jvm.options" | "jvm8-server.options" => Self::Eight,
            "jvm11-server.options" => Self::Eleven,
            "jvm17-server.options" => Self::Seventeen,
            _ => Self::Any,
        }
    }
}

/// How a setting becomes an option.
#[derive(Debug, Clone, Copy)]
pub(super) enum Form {
    /// The value follows at once: `-Xmx` and `4G`.
    Prefix(&'static str),
    /// The value follows an equals sign.
    Value(&'static str),
    /// There or not there.
    Flag(&'static str),
    /// There or not there, and refused by the JVM unless diagnostic options are unlocked.
    Diagnostic(&'static str),
}

/// The settings that cass-config-builder's users know and every Java takes as options.
const OPTIONS: [(&str, Form); 52] = [
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
    ("cassandra_max_hint_ttl", Form::Value("-Dcassandra.maxHintTTL")),
    (
        "cassandra_force_3_0_protocol_version",
        Form::Flag("-Dcassandra.force_3_0_protocol_version=true"),
    ),
    (
        "print_heap_histogram_on_out_of_memory_error",
        Form::Value("-Dcassandra.printHeapHistogramOnOutOfMemoryError"),
    ),
    (
        "exit_on_out_of_memory_error",
        Form::Flag("-XX:+ExitOnOutOfMemoryError"),
    ),
    (
        "crash_on_out_of_memory_error",
        Form::Flag("-XX:+CrashOnOutOfMemoryError"),
    ),
    (
        "jdk_nio_maxcachedbuffersize",
        Form::Value("-Djdk.nio.maxCachedBufferSize"),
    ),
    (
        "io_netty_eventloop_maxpendingtasks",
        Form::Value("-Dio.netty.eventLoop.maxPendingTasks"),
    ),
    (
        "page-align-direct-memory",
        Form::Flag("-Dsun.nio.PageAlignDirectMemory=true"),
    ),
    ("restrict-contended", Form::Flag("-XX:-RestrictContended")),
    ("preserve-frame-pointer", Form::Flag("-XX:+PreserveFramePointer")),
    (
        "debug-non-safepoints",
        Form::Diagnostic("-XX:+DebugNonSafepoints"),
    ),
    ("log_compilation", Form::Diagnostic("-XX:+LogCompilation")),
    // Whatever the names say: cass-config-builder's `true` switches biased locking off. It spells it so for 3.11 ...
    ("use_biased_locking", Form::Flag("-XX:-UseBiasedLocking")),
    // ... and so for 4.0.
    ("use-biased-locking", Form::Flag("-XX:-UseBiasedLocking")),
];

/// What Java 8 takes besides. Later ones refuse to start with most of these.
const OF_JAVA_8: [(&str, Form); 14] = [
    (
        "thread_priority_policy_42",
        Form::Flag("-XX:ThreadPriorityPolicy=42"),
    ),
    (
        "cms_initiating_occupancy_fraction",
        Form::Value("-XX:CMSInitiatingOccupancyFraction"),
    ),
    ("cms_wait_duration", Form::Value("-XX:CMSWaitDuration")),
    ("print_gc_details", Form::Flag("-XX:+PrintGCDetails")),
    ("print_gc_date_stamps", Form::Flag("-XX:+PrintGCDateStamps")),
    ("print_heap_at_gc", Form::Flag("-XX:+PrintHeapAtGC")),
    (
        "print_tenuring_distribution",
        Form::Flag("-XX:+PrintTenuringDistribution"),
    ),
    (
        "print_gc_application_stopped_time",
        Form::Flag("-XX:+PrintGCApplicationStoppedTime"),
    ),
    (
        "print_promotion_failure",
        Form::Flag("-XX:+PrintPromotionFailure"),
    ),
    ("print_flss_statistics", Form::Flag("-XX:PrintFLSStatistics=1")),
    ("log_gc", Form::Flag("-Xloggc:/var/log/cassandra/gc.log")),
    (
        "use_gc_log_file_rotation",
        Form::Flag("-XX:+UseGCLogFileRotation"),
    ),
    ("number_of_gc_log_files", Form::Value("-XX:NumberOfGCLogFiles")),
    ("gc_log_file_size", Form::Value("-XX:GCLogFileSize")),
];

/// All settings for a file that `java` reads.
pub(super) fn forms(java: Java) -> impl Iterator<Item = &'static (&'static str, Form)> {
    let more: &[_] = if java == Java::Eight { &OF_JAVA_8 } else { &[] };
    OPTIONS.iter().chain(more)
}

/// How the setting `key` is spelled in a file that `java` reads.
pub(super) fn form_of(key: &str, java: Java) -> Option<Form> {
    forms(java).find(|(name, _)| *name == key).map(|(_, form)| *form)
}

impl Form {
    pub(super) fn option(self, value: &Value) -> Result<Option<String>, &'static str> {
        let text = scalar_text(value);
        match (self, text.as_deref()) {
            // cass-config-builder's word for "let cassandra-env.sh work it out"; a flag that is off is just not written.
            (Self::Prefix(_) | Self::Value(_), Some("auto" | ""))
            | (Self::Flag(_) | Self::Diagnostic(_), Some("false")) => Ok(None),
            (Self::Prefix(option), Some(value)) => Ok(Some(format!("{option}{value}"))),
            (Self::Value(option), Some(value)) => Ok(Some(format!("{option}={value}"))),
            (Self::Flag(option) | Self::Diagnostic(option), Some("true")) => Ok(Some(option.to_owned())),
            (Self::Flag(_) | Self::Diagnostic(_), _) => Err("must be true or false, left out"),
            (Self::Prefix(_) | Self::Value(_), None) => Err("must be one word or number, left out"),
        }
    }
}

/// A garbage collector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Collector {
    G1,
    Serial,
    Parallel,
    Shenandoah,
    Z,
    Cms,
}

impl Collector {
    /// The options that choose the collector `name`, if `java` has it.
    pub(super) fn flags(name: &str, java: Java, release: Release) -> Option<&'static [&'static str]> {
        match (name, java) {
            ("G1GC" | "G1", _) => Some(&["-XX:+UseG1GC"]),
            ("Serial", _) => Some(&["-XX:+UseSerialGC"]),
            ("Parallel", _) => Some(&["-XX:+UseParallelGC"]),
            ("Shenandoah", Java::Any | Java::Eleven | Java::Seventeen) => Some(&["-XX:+UseShenandoahGC"]),
            ("ZGC", Java::Seventeen) => Some(&["-XX:+UseZGC"]),
            // Experimental until Java 15.
            ("ZGC", Java::Any | Java::Eleven) => Some(&["-XX:+UnlockExperimentalVMOptions", "-XX:+UseZGC"]),
            ("CMS", Java::Eight) => Some(&[
                "-XX:+UseParNewGC",
                "-XX:+UseConcMarkSweepGC",
                "-XX:+CMSParallelRemarkEnabled",
            ]),
            ("CMS", Java::Eleven) => Some(&["-XX:+UseConcMarkSweepGC", "-XX:+CMSParallelRemarkEnabled"]),
            // Removed in Java 14, and 5.0 runs on 17 too.
            ("CMS", Java::Any) if release < Release::V5_0 => {
                Some(&["-XX:+UseConcMarkSweepGC", "-XX:+CMSParallelRemarkEnabled"])
            }
            _ => None,
        }
    }

    /// The collector that an option switches on.
    pub(super) fn chosen_by(option: &str) -> Option<Self> {
        match option.trim_end().strip_prefix("-XX:+")? {
            "UseG1GC" => Some(Self::G1),
            "UseSerialGC" => Some(Self::Serial),
            "UseParallelGC" => Some(Self::Parallel),
            "UseShenandoahGC" => Some(Self::Shenandoah),
            "UseZGC" => Some(Self::Z),
            "UseConcMarkSweepGC" | "UseParNewGC" => Some(Self::Cms),
            _ => None,
        }
    }

    /// The collector that an option is for: it does not go with another one. The survivors' settings stand
    /// in the stock files' section for CMS, and are no good for G1.
    pub(super) fn concerned_by(option: &str) -> Option<Self> {
        let name = identity(option)?;
        let of_cms = name.starts_with("CMS")
            || [
                "UseParNewGC",
                "UseConcMarkSweepGC",
                "UseCMSInitiatingOccupancyOnly",
                "SurvivorRatio",
                "MaxTenuringThreshold",
            ]
            .contains(&name);
        if of_cms {
            return Some(Self::Cms);
        }
        Self::chosen_by(&format!("-XX:+{name}"))
    }
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
    ["-Xms", "-Xmx", "-Xmn", "-Xss", "-Xloggc", "-ea"]
        .into_iter()
        .find(|prefix| option.starts_with(prefix))
}
