//go:build linux

package server

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/faaspot/faaspot/test/process"
)

// finding is a finding of `fas doctor`.
type finding struct{ Check, State, Detail, Fix string }

// diagnose runs a command that runs `fas doctor --json`, and returns what that has found.
func diagnose(t *testing.T, cmd *exec.Cmd) map[string]finding {
	t.Helper()
	var talk bytes.Buffer
	cmd.Stderr = &talk
	// There is always a problem: no server is there.
	cmd.Env = append(os.Environ(), "FAASPOT_DIR=/nowhere", "FAASPOT_URL=http://127.0.0.1:1")
	out, err := cmd.Output()
	if exit, ok := errors.AsType[*exec.ExitError](err); !ok || exit.ExitCode() != 1 {
		t.Fatalf("%v: %s%s", err, out, talk.Bytes())
	}
	var list []finding
	if err := json.Unmarshal(out, &list); err != nil {
		t.Fatalf("%v: %s%s", err, out, talk.Bytes())
	}
	found := map[string]finding{}
	for _, f := range list {
		if found[f.Check] = f; (f.State == "warning" || f.State == "problem") && f.Fix == "" {
			t.Errorf("%+v has no fix", f)
		}
	}
	return found
}

func checkFinding(t *testing.T, name string, got finding, state, detail, fix string) {
	t.Helper()
	if got.State != state || !regexp.MustCompile(detail).MatchString(got.Detail) || !strings.Contains(got.Fix, fix) {
		t.Errorf("%s: %+v", name, got)
	}
}

// The doctor finds what is wrong with the disk and the folder of a server, also as another user. Each case is made in
// a mount namespace of its own, with a disk of 64 MB at /mnt.
func TestDoctorFindsWhatTheMachineLacks(t *testing.T) {
	needNamespaces(t)
	t.Parallel()
	// As a user without rights: of that of the data, or of the keys alone.
	const other = "setpriv --reuid 65534 --regid 65534 --clear-groups "
	for name, test := range map[string]struct {
		script                    string
		check, state, detail, fix string
	}{
		"room":         {"head -c 10M /dev/zero >/mnt/filler", "disk", "ok", "MB of 6[47] MB free", ""},
		"nearly full":  {"head -c 40M /dev/zero >/mnt/filler", "disk", "warning", "MB free$", "fas admin df"},
		"full":         {"head -c 58M /dev/zero >/mnt/filler", "disk", "problem", "nothing new is accepted", "free some room"},
		"read-only":    {"mount -o remount,ro /mnt", "data folder", "problem", "read-only file system", "a disk that can be written"},
		"other user":   {"as='" + other + "'", "data folder", "problem", "permission denied", "let the user that runs the server own the folder"},
		"same user":    {"chown -R 65534:65534 /mnt/data; as='" + other + "'", "data folder", "ok", "^/mnt/data$", ""},
		"no way there": {"mkdir -m 700 /mnt/x; mv /mnt/data /mnt/x; data=/mnt/x/data; as='" + other + "'", "data folder", "problem", "permission denied", "let the user"},
		"keys of root": {"chown 65534:65534 /mnt/data; as='" + other + "'", "keys of secrets", "problem", "permission denied", "read the keys"},
		"damaged keys": {"echo x >/mnt/data/secrets.keys", "keys of secrets", "problem", "is not 32 bytes", "copy them back"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			script := `mount -t tmpfs -o mode=755 tmpfs /media
cp "$1" /media/fas
mount -t tmpfs -o size=64m,mode=755 tmpfs /mnt
mkdir -m 700 /mnt/data /mnt/data/store
head -c 32 /dev/urandom | base64 >/mnt/data/secrets.keys
chmod 600 /mnt/data/secrets.keys
data=/mnt/data as=
` + test.script + `
cd /
exec $as /media/fas doctor --json --data $data`
			found := diagnose(t, exec.Command("unshare", "--mount", "sh", "-ec", script, "-", process.Binary(t)))
			checkFinding(t, name, found[test.check], test.state, test.detail, test.fix)
		})
	}
}

// The doctor finds that the interpreter in its binary was changed.
func TestDoctorFindsADamagedBinary(t *testing.T) {
	t.Parallel()
	binary, err := os.ReadFile(process.Binary(t))
	if err != nil {
		t.Fatal(err)
	}
	guest, err := os.ReadFile(filepath.Join(source, "pyguest/guest.wasm.zst"))
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.Index(binary, guest)
	if at < 0 {
		t.Fatal("the binary has no interpreter")
	}
	binary[at+len(guest)/2] ^= 1
	damaged := filepath.Join(t.TempDir(), "fas")
	if err := os.WriteFile(damaged, binary, 0o700); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(damaged, "doctor", "--json", "--data", filepath.Join(t.TempDir(), "absent"))
	checkFinding(t, "damaged", diagnose(t, cmd)["interpreter"], "problem", ".", "install the binary again")
}

// groupFiles are the files of control groups, of version 2 or 1, with the limits of this test.
var groupFiles = []struct {
	mount, controller string
	first             bool // of version 1, whose folders have one controller
	file, limit       string
}{
	{"/sys/fs/cgroup", "memory", false, "memory.max", "314572800"},
	{"/sys/fs/cgroup", "cpu", false, "cpu.max", "100000 100000"},
	{"/sys/fs/cgroup/memory", "memory", true, "memory.limit_in_bytes", "314572800"},
	{"/sys/fs/cgroup/cpu", "cpu", true, "cpu.cfs_quota_us", "100000"},
}

// The doctor finds that its control group has little memory and less than two processors.
func TestDoctorFindsLimitsOfItsControlGroup(t *testing.T) {
	t.Parallel()
	script, limited := "", make(map[string]bool)
	for _, g := range groupFiles {
		if controllers, _ := os.ReadFile(filepath.Join(g.mount, "cgroup.subtree_control")); !g.first && !slices.Contains(strings.Fields(string(controllers)), g.controller) {
			continue
		}
		folder := filepath.Join(g.mount, fmt.Sprint("faaspot-doctor-", os.Getpid()))
		if err := os.Mkdir(folder, 0o755); err != nil && !errors.Is(err, os.ErrExist) {
			continue
		}
		t.Cleanup(func() { _ = os.Remove(folder) })
		if err := os.WriteFile(filepath.Join(folder, g.file), []byte(g.limit), 0o600); err != nil {
			continue
		}
		script += "echo $$ >" + folder + "/cgroup.procs; "
		limited[g.controller] = true
	}
	if len(limited) == 0 {
		if os.Getenv("CI") != "" {
			t.Fatal("this test cannot make control groups with limits")
		}
		t.Skip("this test cannot make control groups with limits")
	}
	found := diagnose(t, exec.Command("sh", "-ec", script+`exec "$1" doctor --json --data /nowhere/data`, "-", process.Binary(t)))
	if limited["memory"] {
		checkFinding(t, "memory", found["memory"], "warning", "has 3[01]\\d MB$", "give it at least")
	}
	if limited["cpu"] {
		checkFinding(t, "processors", found["processors"], "warning", "^1$", "CPUQuota=200%")
	}
}

// checkWallsAreMissed runs the doctor on a machine of systemd that has the binary, without one of the kernel's walls.
func checkWallsAreMissed(t *testing.T, m machine) {
	t.Helper()
	found := diagnose(t, m.command("systemd-run", "--pipe", "--wait", "--quiet", "--property=SystemCallFilter=~landlock_create_ruleset",
		"--property=SystemCallErrorNumber=ENOSYS", "--property=LimitNOFILE=1000", "--setenv=FAASPOT_DIR=/nowhere", "--setenv=FAASPOT_URL=http://127.0.0.1:1", "fas", "doctor", "--json", "--data", "/nowhere/data"))
	checkFinding(t, "files", found["open files"], "warning", "at most 1000", "LimitNOFILE=")
	checkFinding(t, "walls", found["walls"], "warning", "no Landlock", "lsm=")
}
