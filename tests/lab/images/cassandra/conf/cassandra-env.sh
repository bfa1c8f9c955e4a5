# Sourced by the launcher with CASSANDRA_CONF, CASSANDRA_HOME, CASSANDRA_LOG_DIR and JVM_OPTS set. What the operator's
# bootstrap container appends to this file (agents, for instance) works as it does with the stock one: JVM_OPTS is read after it.

for options_file in "$CASSANDRA_CONF/jvm${jvmoptions_variant}.options" "$CASSANDRA_CONF"/jvm1[17]"${jvmoptions_variant}.options"; do
    [ -f "$options_file" ] || continue
    JVM_OPTS="$JVM_OPTS $(grep '^-' "$options_file" | tr '\n' ' ')"
done

case "$JVM_OPTS" in
    *-Xlog:gc*) ;;
    *) JVM_OPTS="$JVM_OPTS -Xlog:gc=info:file=${CASSANDRA_LOG_DIR}/gc.log:time,uptime,level:filecount=2,filesize=10485760" ;;
esac

# The stock file sizes the heap by the machine's memory; several nodes share a test machine, so the default is small.
case "$JVM_OPTS" in
    *-Xmx*) ;;
    *) JVM_OPTS="$JVM_OPTS -Xms${MAX_HEAP_SIZE:-320M} -Xmx${MAX_HEAP_SIZE:-320M}" ;;
esac
[ -z "${HEAP_NEWSIZE:-}" ] || JVM_OPTS="$JVM_OPTS -Xmn${HEAP_NEWSIZE}"

export MALLOC_ARENA_MAX="${MALLOC_ARENA_MAX:-4}"

JVM_OPTS="$JVM_OPTS -XX:CompileCommandFile=$CASSANDRA_CONF/hotspot_compiler"
JVM_OPTS="$JVM_OPTS -javaagent:$(echo "$CASSANDRA_HOME"/lib/jamm-*.jar)"

if [ -n "${CASSANDRA_HEAPDUMP_DIR:-}" ]; then
    JVM_OPTS="$JVM_OPTS -XX:HeapDumpPath=$CASSANDRA_HEAPDUMP_DIR"
fi

JMX_PORT="7199"
LOCAL_JMX="${LOCAL_JMX:-yes}"
if [ "$LOCAL_JMX" = yes ]; then
    JVM_OPTS="$JVM_OPTS -Dcassandra.jmx.local.port=$JMX_PORT"
    JVM_OPTS="$JVM_OPTS -Dcom.sun.management.jmxremote.authenticate=false"
else
    JVM_OPTS="$JVM_OPTS -Dcassandra.jmx.remote.port=$JMX_PORT"
    JVM_OPTS="$JVM_OPTS -Dcom.sun.management.jmxremote.rmi.port=$JMX_PORT"
    JVM_OPTS="$JVM_OPTS -Dcom.sun.management.jmxremote.authenticate=true"
    JVM_OPTS="$JVM_OPTS -Dcom.sun.management.jmxremote.password.file=/etc/cassandra/jmxremote.password"
fi

JVM_OPTS="$JVM_OPTS ${JVM_EXTRA_OPTS:-}"
