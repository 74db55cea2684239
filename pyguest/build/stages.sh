# Shared by build.sh and its stages: folders, messages, and the rule for skipping a stage.
# shellcheck shell=bash
# shellcheck disable=SC2034 # read by the scripts that source this file

build=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
repo=$(cd "$build/../.." && pwd)
work=${GUEST_WORK:?run build.sh, not its stages}
out=${GUEST_OUT:?run build.sh, not its stages}

# The caller's locale, time zone, umask and flags must not affect the bytes.
export LC_ALL=C TZ=UTC
umask 022
unset CFLAGS CPPFLAGS CXXFLAGS LDFLAGS LIBS CC CXX CPP AR RANLIB MAKEFLAGS PYTHONPATH PYTHONHOME CPATH C_INCLUDE_PATH LIBRARY_PATH

say() { printf 'guest: %s\n' "$*"; }
die() { printf 'guest: %s\n' "$*" >&2; exit 1; }

# quiet LOG COMMAND...: runs a command with its output in a log, whose end is shown only if the command fails.
quiet() {
  local log=$work/log/$1
  shift
  mkdir -p "$work/log"
  "$@" >"$log" 2>&1 </dev/null || { tail -n 40 "$log" >&2; die "failed: $1 (all of its output: $log)"; }
}

# pinned KIND: prints the lines of inputs.txt of that kind, as "PACKAGE VERSION FILE SHA256"; none if GUEST_KINDS excludes that kind.
pinned() {
  [[ " ${GUEST_KINDS:-source binary tool} " == *" $1 "* ]] || return 0
  awk -v kind="$1" '$1 == kind { print $2, $3, $4, $5 }' "$build/inputs.txt"
}

# trixie: sets apt to the options with which apt reads trixie from the mirror of the machine's own release, with separate lists,
# so that nothing of trixie is ever installed.
trixie() {
  local mirror kind key=/usr/share/keyrings/debian-archive-keyring.gpg
  mirror=$( (cat /etc/apt/sources.list /etc/apt/sources.list.d/*.sources /etc/apt/sources.list.d/*.list 2>/dev/null || true) |
    awk '/^URIs:/ { print $2 } /^deb / { for (i = 2; i <= NF; i++) if ($i ~ /debian\/?$/) print $i }' | grep -E 'debian/?$' | head -n 1 || true)
  [ -n "$mirror" ] || die "no Debian mirror found in /etc/apt: add one, the sources come from there"
  mkdir -p "$work/apt/lists/partial"
  for kind in deb deb-src; do
    printf '%s [signed-by=%s] %s trixie main\n' "$kind" "$key" "$mirror"
  done >"$work/apt/sources.list"
  apt=(-q -o "Dir::Etc::sourcelist=$work/apt/sources.list" -o Dir::Etc::sourceparts=/dev/null
    -o "Dir::State::Lists=$work/apt/lists" -o APT::Sandbox::User=root)
}

# hash_of PATH...: prints one hash of the contents of files and folders, independent of their location.
hash_of() {
  local path
  for path in "$@"; do
    if [ -d "$path" ]; then
      (cd "$path" && find . -type f ! -name "*_test.go" ! -path "*/testdata/*" -print0 | sort -z | xargs -0 -r sha256sum)
    elif [ -e "$path" ]; then
      sha256sum <"$path"
    fi
  done | sha256sum | cut -d' ' -f1
}

# stage SCRIPT INPUT...: runs a stage unless neither it, its inputs, nor the stages before it have changed.
# after=SCRIPT names the stage that it follows, if that is not the previous one.
previous_stage=''
stage() {
  local script=$1 input paths=() stamp
  shift
  for input in "$@"; do
    case $input in /*) paths+=("$input") ;; *) paths+=("$build/$input") ;; esac
  done
  stamp=$work/stamp/$script
  mkdir -p "$work/stamp"
  local now
  now=$(hash_of "$build/stages.sh" "$build/$script" "${paths[@]}" "$work/stamp/${after:-${previous_stage:-none}}")
  previous_stage=$script
  if [ -e "$stamp" ] && [ "$(cat "$stamp")" = "$now" ] && [ "$script" != pack.sh ]; then
    say "${script%.sh}: unchanged"
    return
  fi
  rm -f "$stamp"
  local started=$SECONDS
  say "${script%.sh}: $(sed -n '2s/^# *//p' "$build/$script")"
  bash "$build/$script"
  say "${script%.sh}: $((SECONDS - started)) s"
  printf '%s\n' "$now" >"$stamp"
}
