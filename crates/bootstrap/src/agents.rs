//! Java agents and the step before each start, as lines of `cassandra-env.sh`.

use crate::section;
use std::fmt::Write as _;

/// The section of `cassandra-env.sh` that this module owns.
pub const SECTION: &str = "agents and start";

/// Where Jolokia reads its options. They hold the password, so they are not given on the command line, which every process
/// on the machine can read.
pub const JOLOKIA_PROPERTIES: &str = "/etc/cassandra/jolokia.properties";

/// Where the agents' jars are.
pub const EXTRA_LIB: &str = "/extra-lib";

/// The agents to load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Agents {
    /// Jolokia, over which the operator and the probes talk to the node.
    pub jolokia: Load,
    /// The metrics exporter.
    pub exporter: Load,
}

/// Whether an agent is loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Load {
    /// It is.
    Yes,
    /// It is not.
    No,
}

/// `cassandra-env.sh` with our lines at its end.
///
/// nodetool sources the file too, so the step before a start asks who is reading; and `exit` in a sourced file ends the
/// launcher, which is meant: a node that may not start must not.
pub fn with_lines(env_sh: &str, agents: Agents) -> String {
    let mut lines = vec![fresh_streams()];
    if agents.jolokia == Load::Yes {
        lines.push(format!(
            "JVM_OPTS=\"$JVM_OPTS -javaagent:{EXTRA_LIB}/jolokia-agent.jar=config={JOLOKIA_PROPERTIES}\""
        ));
    }
    if agents.exporter == Load::Yes {
        lines.push(format!(
            "JVM_OPTS=\"$JVM_OPTS -javaagent:{EXTRA_LIB}/cassandra-exporter-agent.jar=@/etc/cassandra/exporter.conf\""
        ));
    }
    lines.push(
        "case \"${0##*/}\" in\n    cassandra) /opt/bin/casskop-bootstrap before-start || exit 1 ;;\nesac"
            .to_owned(),
    );
    section::with_section(env_sh, SECTION, &lines)
}

/// What a node streamed before, it streams again when it joins anew or is rebuilt. From 5.0 on Cassandra wants to be told
/// (CASSANDRA-17679): otherwise it refuses to go on after a join that broke off, and every rebuild of a node that once
/// received anything, be it system keyspaces while it joined.
fn fresh_streams() -> String {
    let property = "-Dcassandra.reset_bootstrap_progress=";
    format!(
        "case \"$JVM_OPTS\" in\n    *{property}*) ;;\n    *) JVM_OPTS=\"$JVM_OPTS {property}true\" ;;\nesac"
    )
}

/// Credentials for Jolokia.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The user's name.
    pub user: String,
    /// The password; not part of any output.
    pub password: String,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials")
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}

/// The agent's options as a Java properties file. `executor=fixed` bounds the number of calls at work at once, as in `CassKop`.
pub fn jolokia_properties(credentials: Option<&Credentials>) -> String {
    let authentication = credentials.map_or_else(String::new, |Credentials { user, password }| {
        format!(
            "authMode=basic\nuser={}\npassword={}\n",
            escaped(user),
            escaped(password)
        )
    });
    format!("host=0.0.0.0\nport=8778\nexecutor=fixed\n{authentication}")
}

/// A value in a Java properties file, which is Latin-1 with escapes, and in which a backslash, a leading blank and a line
/// break mean something.
fn escaped(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    let mut units = [0; 2];
    for character in value.chars() {
        match character {
            '\\' | ' ' | ':' | '=' | '#' | '!' => {
                out.push('\\');
                out.push(character);
            }
            '!'..='~' => out.push(character),
            other => {
                for unit in other.encode_utf16(&mut units) {
                    // Writing to a String cannot fail.
                    let _ = write!(out, "\\u{unit:04X}");
                }
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_added_once() {
        let agents = Agents {
            jolokia: Load::Yes,
            exporter: Load::Yes,
        };
        let once = with_lines("JMX_PORT=7199\n", agents);
        insta::assert_snapshot!(once, @r#"
        JMX_PORT=7199
        # >>> casskop: agents and start
        case "$JVM_OPTS" in
            *-Dcassandra.reset_bootstrap_progress=*) ;;
            *) JVM_OPTS="$JVM_OPTS -Dcassandra.reset_bootstrap_progress=true" ;;
        esac
        JVM_OPTS="$JVM_OPTS -javaagent:/extra-lib/jolokia-agent.jar=config=/etc/cassandra/jolokia.properties"
        JVM_OPTS="$JVM_OPTS -javaagent:/extra-lib/cassandra-exporter-agent.jar=@/etc/cassandra/exporter.conf"
        case "${0##*/}" in
            cassandra) /opt/bin/casskop-bootstrap before-start || exit 1 ;;
        esac
        # <<< casskop: agents and start
        "#);
        assert_eq!(with_lines(&once, agents), once);
    }

    #[test]
    fn agents_can_be_left_out() {
        let text = with_lines(
            "",
            Agents {
                jolokia: Load::No,
                exporter: Load::No,
            },
        );
        assert!(!text.contains("-javaagent") && text.contains("before-start"));
    }

    #[test]
    fn passwords_survive_the_properties_format() {
        let credentials = Credentials {
            user: "ops".into(),
            password: " a\\b=c:d#!\n\u{e9}\u{1f600}".into(),
        };
        insta::assert_snapshot!(jolokia_properties(Some(&credentials)), @r"
        host=0.0.0.0
        port=8778
        executor=fixed
        authMode=basic
        user=ops
        password=\ a\\b\=c\:d\#\!\u000A\u00E9\uD83D\uDE00
        ");
        assert!(!format!("{credentials:?}").contains("a\\"));
    }
}
