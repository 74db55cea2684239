#!/bin/sh
# build.sh FOLDER COMMAND...: runs the commands of the first stage of an image, each in a shell in FOLDER/source at
# /src of a copy of this machine's files, which is in memory. Afterwards FOLDER/built has what the last stage copies.
set -eu
dir=$1
shift
mount --make-rprivate /
mkdir "$dir/memory" "$dir/root" "$dir/built"
mount -t tmpfs -o mode=755 tmpfs "$dir/memory"
mkdir "$dir/memory/work" "$dir/memory/upper"
cp -a "$dir/source" "$dir/memory/upper/src"
mount -t overlay -o "lowerdir=/,upperdir=$dir/memory/upper,workdir=$dir/memory/work" overlay "$dir/root"
mount -t proc proc "$dir/root/proc"
mount --rbind /dev "$dir/root/dev"
mount -t tmpfs tmpfs "$dir/root/tmp"
for command; do
  chroot "$dir/root" sh -c 'cd /src && exec sh -c "$1"' - "$command"
done
mkdir -p "$dir/built/src/bin"
cp "$dir/root/src/bin/fas" "$dir/built/src/bin/fas"
cp -a "$dir/root/data" "$dir/built/data"
