#!/bin/sh
# Runs a command as the runtime of a node would, in namespaces of its own:
#
#     container.sh ROOT HOSTNAME USER:GROUP GROUP ro|rw [SOURCE:PATH:ro|rw...] -- NAME=VALUE... -- COMMAND...
#
# The root is a folder, the one of an image. The network is that of this machine. The command has no capability, and can
# get none. What a runtime does beyond that, such as seccomp, is missing.
set -eu
case ${INSIDE-} in
'')
    # Process 1 of this namespace ends with whoever started it, and the container with process 1. Of the container itself
    # the kernel forgets that as soon as it has another user.
    INSIDE=outer exec unshare --pid --fork --kill-child "$0" "$@"
    ;;
outer)
    code=0
    INSIDE=inner unshare --mount --propagation private --uts --ipc --pid --fork "$0" "$@" || code=$?
    exit "$code"
    ;;
esac
root=$1 user=$3 group=$4 writes=$5
hostname "$2"
shift 5
mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
mount -t tmpfs -o mode=755 none "$root/dev"
for name in null zero full random urandom; do
    : >"$root/dev/$name"
    mount --bind "/dev/$name" "$root/dev/$name"
done
while [ "$1" != -- ]; do
    source=${1%%:*} path=${1#*:} mode=${1##*:}
    mount --bind "$source" "$root${path%:*}"
    [ "$mode" = rw ] || mount -o remount,bind,ro "$root${path%:*}"
    shift
done
shift
[ "$writes" = rw ] || mount -o remount,bind,ro "$root"
variables=
while [ "$1" != -- ]; do
    variables="$variables$1
"
    shift
done
shift
# env, setpriv and chroot are those of this machine, whatever PATH the container has.
IFS='
'
# shellcheck disable=SC2086
exec /usr/bin/env -i $variables /usr/bin/setpriv --no-new-privs /usr/sbin/chroot --userspec="$user" --groups="$group" \
    "$root" "$@"
