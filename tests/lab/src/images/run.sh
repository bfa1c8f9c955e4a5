# Runs one command in an image that is being built, in mount and process namespaces of its own.
# LOWER are the layers below, TOP down; UPPER takes what the command changes; ROOT is where both are seen as one.
set -eu
mount -t overlay overlay -o "lowerdir=$LOWER,upperdir=$UPPER,workdir=$WORK" "$ROOT"
mount -t proc proc "$ROOT/proc"
mount --rbind /dev "$ROOT/dev"
# Packages come the way the machine itself gets them.
for file in /etc/resolv.conf /etc/hosts; do
    [ ! -e "$ROOT$file" ] || [ ! -e "$file" ] || mount --bind "$file" "$ROOT$file"
done
if [ -d /etc/apt/apt.conf.d ] && [ -d "$ROOT/etc/apt/apt.conf.d" ]; then
    mount --bind /etc/apt/apt.conf.d "$ROOT/etc/apt/apt.conf.d"
fi
directory=$DIRECTORY
unset LOWER UPPER WORK DIRECTORY
exec chroot "$ROOT" /usr/bin/env --chdir="$directory" "$@"
