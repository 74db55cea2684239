#!/bin/sh
# boot.sh FOLDER: starts systemd as process 1 of namespaces of its own, on a copy of this machine's files that is
# in memory. FOLDER/files is put on top of the copy. Ends with systemd, and ends it when it is terminated.
set -eu
dir=$1

case ${2:-outside} in
outside)
  # A cgroup of its own, which systemd believes to be the root.
  mount --make-rprivate /
  mkdir "$dir/cgroup"
  mount -t cgroup2 cgroup2 "$dir/cgroup"
  group=$dir/cgroup/faaspot-test-$$
  mkdir "$group"
  unshare --mount --pid --net --ipc --uts --cgroup --fork --kill-child \
    sh -c 'echo $$ >"$1/cgroup.procs" && exec unshare --cgroup sh "$2" "$3" inside' - "$group" "$0" "$dir" &
  trap 'kill -KILL $!; wait $! || true' TERM # with --fork, unshare ignores others
  wait $! || true
  until find "$group" -depth -type d -exec rmdir {} + 2>/dev/null; do # the last processes are about to end
    sleep 0.1
  done
  ;;
inside)
  root=$dir/root
  mkdir "$root" "$dir/memory"
  mount -t tmpfs -o mode=755 tmpfs "$dir/memory"
  mkdir "$dir/memory/work"
  cp -a "$dir/files" "$dir/memory/upper"
  mount -t overlay -o "lowerdir=/,upperdir=$dir/memory/upper,workdir=$dir/memory/work" overlay "$root"
  cd "$root"
  mount -t proc proc proc
  mount --bind proc/sys proc/sys # the settings of the kernel are this machine's
  mount -o remount,bind,ro proc/sys
  mount -t sysfs -o ro sysfs sys
  mount -t cgroup2 cgroup2 sys/fs/cgroup
  mount -t tmpfs -o mode=755 tmpfs dev
  for device in null zero full random urandom tty; do
    touch "dev/$device"
    mount --bind "/dev/$device" "dev/$device"
  done
  mkdir dev/shm dev/pts
  mount -t devpts -o newinstance,ptmxmode=666 devpts dev/pts
  ln -s pts/ptmx dev/ptmx
  mount -t tmpfs -o mode=755 tmpfs run
  mount -t tmpfs tmpfs tmp
  for unit in timers.target systemd-modules-load.service systemd-update-utmp.service systemd-networkd-wait-online.service; do
    mkdir -p run/systemd/system
    ln -s /dev/null "run/systemd/system/$unit"
  done
  pivot_root . mnt
  umount -l /mnt
  exec env -i container=test PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    /lib/systemd/systemd --system --unit=basic.target --show-status=no --log-target=journal
  ;;
esac
