# Where things are in this image; sourced by the server's and the tools' launchers.
: "${CASSANDRA_HOME:=/opt/cassandra}"
: "${CASSANDRA_CONF:=/etc/cassandra}"
: "${CASSANDRA_LOG_DIR:=/var/log/cassandra}"
export CASSANDRA_HOME CASSANDRA_CONF CASSANDRA_LOG_DIR
CLASSPATH="$CASSANDRA_CONF:$CASSANDRA_HOME/lib/*"
JAVA="${JAVA_HOME:+$JAVA_HOME/bin/}java"
java17_options=$(grep '^-' "$CASSANDRA_HOME/bin/java17.options")
