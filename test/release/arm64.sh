#!/bin/bash
# Tests fas for linux/arm64 on another processor, under qemu-user: serves and runs functions with the cross-compiled binary, then
# runs tests of the sandbox that restore memory and keep tenants apart.
#
#   test/release/arm64.sh         # what CI runs: at most three minutes on two processors
#   test/release/arm64.sh soak    # that, and all tests of the sandbox at full length; takes an hour or more
#
# Needs Go and qemu-aarch64-static; as root on Debian it installs the latter. A missing tool is a failure, not a skip.
#
# qemu-user passes neither userfaultfd nor PAGEMAP_SCAN on to the kernel, so that of the sandbox's ways to find written pages
# (runtime/sandbox/tracker_linux.go) only trackEntries works, which reads /proc/self/pagemap. The sandbox therefore has memory
# of both kinds here as well: "mapped", restored page by page, and "copied", restored as a whole.
set -euo pipefail

# The index of trackEntries, which names its subtests.
readonly tracker=2
# The tests that must pass. Naming a subtest excludes its siblings: those of other trackers would only be skipped, after several
# seconds each, and of copied memory, which is plain Go, two tests are enough.
readonly tests=(
  TestRun
  TestHashesAreRight
  TestTimeLimit
  TestRecursionErrorCanBeCaught/mapped
  TestReasonableDepth
  TestSlotsAreRestoredExactly/mapped
  TestEveryEndingIsRestored/mapped
  TestTrackersReportWrittenPages/$tracker
  TestRunsWithoutPageFaultsAreRestored/$tracker
  TestNoTracksAreLeft/mapped
  TestNoTracksAreLeft/copied
  TestFilesOfTheModuleBody/copied
  TestNothingIsLeftForOthers/mapped/1
  TestMarkersAreSeen/mapped
  TestTenantsShareNoPages
)
# How long the server may take to be ready, in seconds: it compiles the guest under emulation, which takes 20 s of two processors.
readonly ready_time=300

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
say() { printf 'arm64: %s\n' "$*"; }
fail() {
  printf 'arm64: %s\n' "$*" >&2
  exit 1
}

qemu=qemu-aarch64-static
if ! command -v $qemu >/dev/null; then
  { [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; } || fail "needs $qemu: install the package qemu-user-static, or run this as root on Debian"
  say "installing qemu-user-static"
  apt-get update -q >/dev/null
  DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends qemu-user-static >/dev/null
fi

began=$(date +%s)
work=$(mktemp -d)
server=
sandbox=
# shellcheck disable=SC2317 # called by the trap
cleanup() {
  local pid
  for pid in $server $sandbox; do
    kill -KILL "$pid" 2>/dev/null || true
    wait "$pid" 2>/dev/null || true
  done
  rm -rf "$work"
}
trap cleanup EXIT

export GOOS=linux GOARCH=arm64 CGO_ENABLED=0
fas=$work/fas
SECONDS=0
go build -trimpath -o "$fas" ./cmd/fas
go test -c -trimpath -o "$work/sandbox.test" ./runtime/sandbox
unset GOOS GOARCH CGO_ENABLED
say "compiled in $SECONDS s"

# The tests run on one processor most of the time, so that the server has the other.
pattern=$(printf '|^%s$' "${tests[@]//\//\$/^}")
(cd runtime/sandbox && exec $qemu "$work/sandbox.test" -test.v -test.short -test.timeout 10m -test.run "${pattern:1}") >"$work/tests" 2>&1 &
sandbox=$!

# Serve on loopback with a temporary data folder.
export FAASPOT_DIR=$work/home
mkdir "$FAASPOT_DIR"

# start starts the server and waits until it is ready.
start() {
  rm -f "$work/address"
  SECONDS=0
  $qemu "$fas" serve --listen 127.0.0.1:0 --address-file "$work/address" --grace 1s >>"$work/log" 2>&1 &
  server=$!
  until [ -s "$work/address" ]; do
    kill -0 "$server" 2>/dev/null || fail "the server has ended: $(cat "$work/log")"
    [ $SECONDS -lt $ready_time ] || fail "the server is not ready after $SECONDS s: $(cat "$work/log")"
    sleep 0.1
  done
  say "the server is ready after $SECONDS s"
}

# stop asks the server to stop and checks that it exits with 0.
stop() {
  local pid=$server status=0
  server=
  kill -TERM "$pid"
  wait "$pid" || status=$?
  [ $status = 0 ] || fail "the server has exited with $status: $(cat "$work/log")"
}

# expect WANT COMMAND... runs a command of fas and compares the last line of its output.
expect() {
  local want=$1 got
  shift
  got=$($qemu "$fas" "$@") || fail "fas $* has failed; the server's log: $(cat "$work/log")"
  [ "${got##*$'\n'}" = "$want" ] || fail "fas $* prints $got, not $want"
}

cat >"$work/f.py" <<'PYTHON'
import hashlib
calls = 0
def main(args, context):
    global calls
    calls += 1
    return [calls, hashlib.sha256(args["text"].encode()).hexdigest(), sum(1.5 ** n for n in range(args.get("n", 10)))]
PYTHON
want='[1,"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",113.330078125]'
start
$qemu "$fas" functions create f --file "$work/f.py" >/dev/null
for _ in 1 2 3; do # each run must find the module as it was deployed
  expect "$want" functions run f -p text=abc --wait
done
id=$($qemu "$fas" functions run f -p text=abc)
expect "$want" executions get "$id" --wait
stop
start # finds the guest compiled, and the function stored
expect "$want" functions run f -p text=abc --wait
stop
# qemu has neither Landlock nor filters of system calls.
! grep -E '"level":"(WARN|ERROR)"' "$work/log" | grep -v 'the process is confined less than on a newer system' || fail "the server has logged warnings"
say "served"

wait "$sandbox" || {
  cat "$work/tests"
  fail "tests of the sandbox have failed"
}
sandbox=
for test in "${tests[@]}"; do
  grep -E "^ *--- PASS: $test \(" "$work/tests" || {
    cat "$work/tests"
    fail "$test has not passed: it was skipped, or has another name now"
  }
done
say "passed in $(($(date +%s) - began)) s"

# TestCraftedBytecode deploys with a time limit that emulation exceeds on a busy machine.
if [ "${1:-}" = soak ]; then
  cd runtime/sandbox
  $qemu "$work/sandbox.test" -test.v -test.timeout 0 -test.skip '^TestCraftedBytecode$'
fi
