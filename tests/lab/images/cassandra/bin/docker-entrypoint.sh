#!/bin/bash
# Entry of a plain `docker run` or of a pod that gives no command: the few CASSANDRA_* variables of the official image are
# written into the configuration. CassandraCluster pods give `cassandra -f` as their command and never come here.
set -eu
: "${CASSANDRA_CONF:=/etc/cassandra}"
if [ "${1:-}" = cassandra ]; then
    address=${CASSANDRA_LISTEN_ADDRESS:-$(hostname -i | cut -d' ' -f1)}
    yaml="$CASSANDRA_CONF/cassandra.yaml"
    # Not `sed -i`: it renames, and the directory may belong to another user.
    set_yaml() { local text; text=$(sed -r "s|^(# )?($1:).*|\2 $2|" "$yaml"); printf '%s\n' "$text" >"$yaml"; }
    set_yaml listen_address "$address"
    set_yaml rpc_address 0.0.0.0
    grep -q '^broadcast_rpc_address:' "$yaml" || printf 'broadcast_rpc_address: %s\n' "$address" >>"$yaml"
    set_yaml ' +- seeds' "\"${CASSANDRA_SEEDS:-$address}\""
    [ -z "${CASSANDRA_CLUSTER_NAME:-}" ] || set_yaml cluster_name "'$CASSANDRA_CLUSTER_NAME'"
    [ -z "${CASSANDRA_ENDPOINT_SNITCH:-}" ] || set_yaml endpoint_snitch "$CASSANDRA_ENDPOINT_SNITCH"
    rackdc="$CASSANDRA_CONF/cassandra-rackdc.properties"
    [ -z "${CASSANDRA_DC:-}${CASSANDRA_RACK:-}" ] ||
        printf 'dc=%s\nrack=%s\n' "${CASSANDRA_DC:-dc1}" "${CASSANDRA_RACK:-rack1}" >"$rackdc"
fi
exec "$@"
