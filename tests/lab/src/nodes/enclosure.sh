# Runs as the first process of a lab's namespaces, and stays: its end is the end of everything in them.
# STATE is the lab's directory, CACHE the directory that holds it; the others are the network's.
set -eu

# What programs write outside the lab's directory lands in it all the same: kubelet and CNI have fixed paths under
# /var and /run, the volume provisioner under /tmp. The cache stays in place wherever it is.
cover() {
    mkdir -p "$STATE/cover$1"
    case "$CACHE/" in
    "$1"/*)
        mkdir -p "$STATE/cover$CACHE"
        mount --bind "$CACHE" "$STATE/cover$CACHE"
        ;;
    esac
    mount --rbind "$STATE/cover$1" "$1"
}

# The kubelet sets these for the whole machine unless they are so already. It sees them as it wants them.
pretend() {
    [ -e "/proc/sys/$1" ] || return 0
    file="$STATE/kernel/$(echo "$1" | tr / .)"
    echo "$2" >"$file"
    mount --bind "$file" "/proc/sys/$1"
}

mkdir -p "$STATE/kernel"
mount --bind "$STATE" "$STATE"
cover /run
cover /var
cover /tmp
chmod 1777 /tmp
mkdir -p /var/log/containers /var/tmp
# Whatever else they try to write is refused.
mount -o remount,bind,ro /

pretend vm/overcommit_memory 1
pretend vm/panic_on_oom 0
pretend kernel/panic 10
pretend kernel/panic_on_oops 1
pretend kernel/keys/root_maxkeys 1000000
pretend kernel/keys/root_maxbytes 25000000

ip link set lo up
ip link add "$BRIDGE" type bridge
ip address add "$ADDRESS/$PREFIX_LENGTH" dev "$BRIDGE"
ip link set "$BRIDGE" up
echo 1 >/proc/sys/net/ipv4/ip_forward
# Pods of one bridge reach each other by Service addresses too: their packets must pass iptables.
for switch in /proc/sys/net/bridge/bridge-nf-call-iptables; do
    [ ! -e "$switch" ] || echo 1 >"$switch"
done

: >"$STATE/enclosure.ready"

# Orphans become this process's children; the shell's wait takes every child that ends.
while :; do
    sleep 86400 &
    wait $! || :
done
