#!/bin/bash
# Creates the profile of CPython: profile.sh WORK, after build.sh --work WORK. Writes python.profdata.zst next to itself.
#
# The profile is an input of the build, and committed: counts depend a little on addresses and clocks, and so would the guest's
# bytes. Create it again for a new CPython; functions that have changed since are compiled without a profile.
#
# As root on Debian 12. The profiled interpreter has 32 bits, like the guest, so that both take the same paths through the
# sources. The counts are those of branches in the sources, not of compiled code.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
[ $# = 1 ] || { sed -n '2,/^set /{/^#/s/^# \{0,1\}//p}' "$0" >&2; exit 2; }
export GUEST_WORK=$1 GUEST_OUT=$1
# shellcheck source=../stages.sh
. "$here/../stages.sh"
work=$(cd "$work" && pwd -P)

DEBIAN_FRONTEND=noninteractive quiet profile-tools apt-get install -y -q --no-install-recommends libclang-rt-19-dev libc6-dev-i386 gcc-multilib

rm -rf "$work/profile"
mkdir "$work/profile"
cd "$work/profile"
source=../source/python
say "compiling an interpreter that counts"
quiet profile-configure "$source/configure" --host=i686-linux-gnu --build=x86_64-linux-gnu --with-build-python="$work/native/python" \
  CC="clang-19 -m32" CXX="clang++-19 -m32" OPT="-O1 -DNDEBUG -DFAAS_PROFILE" \
  CFLAGS_NODIST="-fprofile-instr-generate -mllvm -enable-value-profiling" LDFLAGS_NODIST=-fprofile-instr-generate \
  --with-pymalloc --without-mimalloc --without-doc-strings --without-computed-gotos --disable-test-modules --with-ensurepip=no \
  ac_cv_file__dev_ptmx=yes ac_cv_file__dev_ptc=no ac_cv_buggy_getaddrinfo=no
export LLVM_PROFILE_FILE=/dev/null
quiet profile-make make -j"$(nproc)" python
# Modules whose libraries are not available in 32 bits are omitted; binascii uses zlib only for speed.
make -k -j"$(nproc)" sharedmods >"$work/log/profile-modules" 2>&1 || true
clang-19 -m32 -fprofile-instr-generate -mllvm -enable-value-profiling -O1 -DNDEBUG -DFAAS_PROFILE -fPIC -shared -I"$source/Include" -I"$source/Include/internal" -I. \
  -DPy_BUILD_CORE_MODULE "$source/Modules/binascii.c" -o Modules/binascii.so
for module in _json math _struct _datetime _random _decimal _csv _heapq _bisect _statistics; do
  ls Modules/"$module".*.so >/dev/null || die "$module was not built: see $work/log/profile-modules"
done

say "running train.py"
PYTHONHASHSEED=1 PYTHONHOME=/nonexistent PYTHONPATH="$here:$source/Lib:Modules" LLVM_PROFILE_FILE="counts-%m" \
  ./python -S -B -c 'import train; train.main(40)'
llvm-profdata-19 merge --sparse -o python.profdata counts-*
zstd -q -f -19 --single-thread python.profdata -o "$here/python.profdata.zst"
say "$(stat -c %s "$here/python.profdata.zst") bytes: $here/python.profdata.zst"
