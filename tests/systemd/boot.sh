#!/bin/sh
# Boots systemd as process 1 of a machine of its own, made of namespaces: its root is the folder $1, its /usr is that of
# this machine, read-only but for /usr/local, and it shares the network. Ends when process 1 does. With the folder
# $1/usr.own its /usr can be written, and what is written there is gone when it ends.
set -eu
root=$(readlink -f "$1")

case ${2-} in
'')
    # A mount table and a cgroup of its own, which are gone when it is.
    exec unshare --mount --propagation private "$0" "$root" outside
    ;;
outside)
    mkdir -p "$root/sys"
    mount -t tmpfs -o mode=755 none "$root/sys"
    mkdir "$root/sys/cgroup"
    # As seen from below, where mounting it leaves its options alone.
    unshare --cgroup mount -t cgroup2 none "$root/sys/cgroup"
    # Machines whose test was killed have left theirs.
    for old in "$root/sys/cgroup"/kwo-test-*; do
        [ ! -d "$old" ] || [ -e "/proc/${old##*-}" ] || find "$old" -depth -type d -exec rmdir {} + || :
    done
    own="$root/sys/cgroup/kwo-test-$$"
    mkdir "$own"
    echo $$ >"$own/cgroup.procs"
    setpriv --pdeathsig KILL \
        unshare --pid --fork --kill-child --cgroup --uts --ipc --mount --propagation private "$0" "$root" inside || :
    echo $$ >"$root/sys/cgroup/cgroup.procs"
    find "$own" -depth -type d -exec rmdir {} +
    exit
    ;;
esac

# The number of what becomes process 1, as the old /proc knows it.
read -r init _ </proc/self/stat
echo "$init" >"$root/init"
umount "$root/sys/cgroup" "$root/sys"
mount --bind "$root" "$root"
cd "$root"
mkdir -p usr proc dev run tmp old var/lib var/log/journal usr.local/bin
if [ -d usr.own ]; then
    mount -t tmpfs -o mode=755 none usr.own
    mkdir usr.own/upper usr.own/work
    mount -t overlay -o lowerdir=/usr,upperdir=usr.own/upper,workdir=usr.own/work none usr
else
    mount --bind /usr usr
    mount -o remount,bind,ro usr
fi
mount --bind usr.local usr/local
for name in bin sbin lib lib64; do
    [ ! -L "/$name" ] || ln -sfn "usr/$name" "$name"
done
mount -t proc proc proc
# Its kernel is that of this machine, which is to stay as it is.
for name in sys sysrq-trigger; do
    [ -e "proc/$name" ] || continue
    mount --bind "proc/$name" "proc/$name"
    mount -o remount,bind,ro "proc/$name"
done
mount -t sysfs -o ro sysfs sys
mount -t tmpfs none sys/fs/cgroup 2>/dev/null || :
mount -t cgroup2 none sys/fs/cgroup
mount -t tmpfs -o mode=755 none dev
for name in null zero full random urandom tty; do
    : >"dev/$name"
    mount --bind "/dev/$name" "dev/$name"
done
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=0666 devpts dev/pts
ln -s pts/ptmx dev/ptmx
mount -t tmpfs -o mode=755 none run
mount -t tmpfs none tmp

# No more than the machine needs to have a name, users and a target. systemd adds its own, and a next boot finds them.
if [ ! -e etc/passwd ]; then
    mkdir -p etc/systemd/system
    echo 'root:x:0:0:root:/root:/bin/sh
nobody:x:65534:65534::/:/bin/false' >etc/passwd
    echo 'root:x:0:
systemd-journal:x:999:
nogroup:x:65534:' >etc/group
    echo 'passwd: files systemd
group: files systemd
hosts: files dns' >etc/nsswitch.conf
    echo node >etc/hostname
    echo '127.0.0.1 localhost node' >etc/hosts
    tr -d - </proc/sys/kernel/random/uuid >etc/machine-id
    echo '[Unit]
Requires=systemd-journald.service multi-user.target
After=systemd-journald.service' >etc/systemd/system/test.target
fi

pivot_root . old
umount -l old
rmdir old
# Where systemd finds itself in a container, it leaves this to whoever made that.
mount --make-rshared /
exec setpriv --bounding-set -sys_time,-sys_module,-sys_rawio,-sys_boot,-net_admin \
    env -i PATH=/usr/local/bin:/usr/bin:/usr/sbin container=kwo /usr/lib/systemd/systemd --unit=test.target
