//go:build linux

package server

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	goruntime "runtime"
	"strings"
	"testing"

	"github.com/faaspot/faaspot/test/process"
)

// debianPackage builds a package of the binary under test, and returns its path.
func debianPackage(t *testing.T, version string) string {
	t.Helper()
	dir := t.TempDir()
	content := filepath.Join(dir, "content")
	for from, to := range map[string]string{
		process.Binary(t):                                   "fas",
		filepath.Join(source, "LICENSE"):                    "LICENSE",
		filepath.Join(source, "pyguest/licenses/bzip2.txt"): "licenses/guest/LICENSE",
	} {
		if err := copyFile(from, filepath.Join(content, to)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(filepath.Join(content, "licenses/guest/LICENSE"), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("cmd/fas/deb.sh", content, version, goruntime.GOARCH, process.Binary(t), dir)
	cmd.Dir = source
	var talk strings.Builder
	cmd.Stderr = &talk
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, talk.String())
	}
	return strings.TrimSpace(string(out))
}

// checkPackage checks that Debian's own checker finds no errors in a package.
func checkPackage(t *testing.T, path string) {
	t.Helper()
	if _, err := exec.LookPath("lintian"); err != nil {
		if os.Getenv("CI") != "" {
			t.Error(err)
		}
		return
	}
	if out, err := exec.Command("lintian", "--no-cfg", "--allow-root", "--fail-on", "error", path).CombinedOutput(); err != nil {
		t.Errorf("lintian: %v\n%s", err, out)
	}
}

// The package for Debian runs the server as a service of a user of its own. An upgrade keeps what was changed and
// restarts it, a removal stops it and keeps the data, and a purge leaves nothing but the user. Debian's checker finds no errors.
func TestDebianPackage(t *testing.T) {
	needNamespaces(t)
	for _, need := range []string{"/lib/systemd/systemd", "/usr/bin/dpkg"} {
		if _, err := os.Stat(need); err != nil && os.Getenv("CI") == "" {
			t.Skipf("needs Debian with systemd: %v", err)
		}
	}
	t.Parallel()
	first, second := debianPackage(t, "v1.0.0-rc1"), debianPackage(t, "v1.0.0")
	if got, want := filepath.Base(first)+" "+filepath.Base(second), fmt.Sprintf("faaspot_1.0.0~rc1_%[1]s.deb faaspot_1.0.0_%[1]s.deb", goruntime.GOARCH); got != want {
		t.Errorf("the packages are %s", got)
	}
	checkPackage(t, second)
	files := filepath.Join(t.TempDir(), "files")
	for from, to := range map[string]string{first: "src/before.deb", second: "src/new.deb"} {
		if err := copyFile(from, filepath.Join(files, to)); err != nil {
			t.Fatal(err)
		}
	}
	// As after a first start, which compiles the interpreter.
	if err := os.CopyFS(filepath.Join(files, "var/lib/faaspot/cache"), os.DirFS(process.Guest(t))); err != nil {
		t.Fatal(err)
	}
	m := boot(t, files)
	t.Cleanup(func() {
		if t.Failed() {
			out, _ := m.command("journalctl", "--no-pager", "--unit=faaspot").CombinedOutput()
			t.Logf("the journal:\n%s", out)
		}
	})
	// What keeps packages in containers from starting services, and makes an index of all manual pages.
	m.must(t, "rm", "-f", "/usr/sbin/policy-rc.d", "/var/lib/man-db/auto-update")
	fas := func(words ...string) string {
		t.Helper()
		return m.must(t, append([]string{"env", "FAASPOT_CONFIG=/var/lib/faaspot/fasconf.yaml", "/usr/bin/fas"}, words...)...)
	}
	serves := func() {
		t.Helper()
		fas("ready", "--attempts", "60")
		if lines := m.complaints(t, m.property(t, "InvocationID")); lines != nil {
			t.Errorf("the server logs\n%s", strings.Join(lines, ""))
		}
	}

	complete := func() {
		t.Helper()
		if out := m.must(t, "dpkg", "--audit"); out != "" {
			t.Errorf("dpkg --audit: %s", out)
		}
	}

	// A server that cannot start does not break the installation, nor its removal.
	m.must(t, "systemd-run", "--unit=taken", "--property=Type=exec", "systemd-socket-activate", "--listen=127.0.0.1:8080", "/bin/sleep", "infinity")
	process.Until(t, "the port is taken", func() bool { return m.command("bash", "-c", "</dev/tcp/127.0.0.1/8080").Run() == nil })
	if out := m.must(t, "dpkg", "--install", "/src/before.deb"); !strings.Contains(out, "the server has not started") {
		t.Errorf("the installation with a port that is taken says %s", out)
	}
	complete()
	m.must(t, "sh", "-ec", "systemctl stop taken faaspot && systemctl reset-failed")

	m.must(t, "dpkg", "--install", "/src/before.deb")
	serves()
	complete()
	if got := m.property(t, "User") + " " + m.property(t, "FragmentPath") + " " + m.property(t, "UnitFileState"); got != "faaspot /lib/systemd/system/faaspot.service enabled" && got != "faaspot /usr/lib/systemd/system/faaspot.service enabled" {
		t.Errorf("the service is %q", got)
	}
	if out := m.must(t, "stat", "-c", "%a %U:%G %F", "/var/lib/faaspot"); out != "700 faaspot:faaspot directory\n" {
		t.Errorf("the data folder is %q", out)
	}
	if out, err := m.command("systemd-analyze", "security", "--no-pager", "--threshold=15", "faaspot.service").CombinedOutput(); err != nil {
		t.Errorf("security: %v\n%s", err, out)
	}
	for _, command := range []string{
		"dpkg --verify faaspot",
		"test -z \"$(dpkg --verify faaspot)\"",
		"zcat /usr/share/man/man1/fas-serve.1.gz | grep -q '^.SH NAME'",
		"grep -q __start_fas /usr/share/bash-completion/completions/fas",
		"test -s /usr/share/zsh/vendor-completions/_fas -a -s /usr/share/fish/vendor_completions.d/fas.fish -a -s /usr/share/doc/faaspot/copyright",
		"test \"$(stat -c %U:%G /usr/bin/fas /etc/faaspot/faasd.toml | uniq)\" = root:root",
		"test \"$(systemctl is-enabled faaspot.socket)\" = disabled",
		"zcat /usr/share/doc/faaspot/changelog.gz | grep -qx 'faaspot (1.0.0~rc1) unstable; urgency=medium'",
		"zcat /usr/share/doc/faaspot/CHANGELOG.md.gz | grep -qx '# Changelog'",
	} {
		m.must(t, "sh", "-ec", command)
	}
	if err := os.WriteFile(m.path("/src/greet.py"), []byte("def main(args, context):\n    return 'hello ' + args['name']\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	fas("deploy", "/src/greet.py")
	greets := func() {
		t.Helper()
		if got := fas("functions", "run", "greet", "--wait", "--args", `{"name": "dpkg"}`); !strings.Contains(got, "hello dpkg") {
			t.Errorf("the run prints %q", got)
		}
	}

	// An upgrade keeps the settings of the operator.
	m.must(t, "sh", "-ec", "echo 'access_log = true' >/tmp/line; sed -i '/^access_log/d' /etc/faaspot/faasd.toml; cat /tmp/line >>/etc/faaspot/faasd.toml")
	documented := documentedCommands(t, "## From a Debian package")
	if len(documented) != 3 {
		t.Fatalf("the page for operators has %q, want the installation, the upgrade and the return", documented)
	}
	before := m.property(t, "InvocationID")
	m.must(t, "sh", "-ec", "cd /src\n"+documented[1])
	serves()
	greets()
	if m.property(t, "InvocationID") == before {
		t.Error("the upgrade has not restarted the server")
	}
	m.must(t, "grep", "-q", "^access_log = true", "/etc/faaspot/faasd.toml")
	if got := m.must(t, "dpkg-query", "--show", "--showformat=${Version} ${Status}", "faaspot"); got != "1.0.0 install ok installed" {
		t.Errorf("the package is %q", got)
	}

	// The return to the release before. What was deployed in between is lost then.
	fas("deploy", "/src/greet.py", "--name", "later")
	const start = "systemctl enable --now faaspot"
	restore, found := strings.CutSuffix(documented[2], start)
	if !found {
		t.Fatalf("the return to an earlier release is %q", documented[2])
	}
	m.must(t, "sh", "-ec", "cd /src\n"+restore)
	if got := m.must(t, "dpkg-query", "--show", "--showformat=${Version} ${Status}", "faaspot"); got != "1.0.0~rc1 install ok installed" {
		t.Errorf("the package is %q", got)
	}
	// As after a first start, which compiles the interpreter.
	m.must(t, "cp", "-a", "/var/lib/faaspot.later/cache", "/var/lib/faaspot")
	m.must(t, "sh", "-ec", start)
	serves()
	greets()
	if got := fas("functions", "list", "-q"); got != "greet\n" {
		t.Errorf("the functions are %q", got)
	}
	m.must(t, "rm", "-r", "/var/lib/faaspot.later")

	// What an administrator has stopped and disabled stays so.
	m.must(t, "dpkg", "--install", "/src/new.deb")
	m.must(t, "systemctl", "disable", "--now", "faaspot")
	m.must(t, "dpkg", "--install", "/src/new.deb")
	if got := m.property(t, "ActiveState") + " " + m.property(t, "UnitFileState"); got != "inactive disabled" {
		t.Errorf("after an upgrade of a service that is disabled, it is %s", got)
	}
	m.must(t, "systemctl", "enable", "--now", "faaspot")
	serves()

	m.must(t, "dpkg", "--remove", "faaspot")
	if out, err := m.command("systemctl", "is-active", "faaspot").Output(); err == nil {
		t.Errorf("after the removal the service is %s", out)
	}
	m.must(t, "test", "!", "-e", "/usr/bin/fas", "-a", "-d", "/var/lib/faaspot/store", "-a", "-e", "/etc/faaspot/faasd.toml")
	m.must(t, "dpkg", "--install", "/src/new.deb")
	serves()
	greets()

	// The socket of systemd is used again after a removal. The data are a file system of their own, which is emptied.
	m.must(t, "sh", "-ec", "systemctl stop faaspot && systemctl enable --now faaspot.socket && systemctl start faaspot")
	serves()
	m.must(t, "sh", "-ec", "dpkg --remove faaspot && mount -t tmpfs -o mode=700 tmpfs /var/lib/faaspot && dpkg --install /src/new.deb")
	if state := m.must(t, "systemctl", "is-active", "faaspot.socket"); state != "active\n" {
		t.Errorf("after the installation the socket is %s", state)
	}
	m.must(t, "dpkg", "--purge", "faaspot")
	if left := m.must(t, "find", "/var/lib/faaspot", "-mindepth", "1"); left != "" {
		t.Errorf("these are left:\n%s", left)
	}
	m.must(t, "sh", "-ec", "umount /var/lib/faaspot && rm -rf /var/lib/faaspot && test -z \"$(dpkg-query --list faaspot | grep '^i')\"")
	m.must(t, "rm", "-rf", "/src")
	left := m.must(t, "sh", "-c", "find /etc /usr/bin /usr/lib/systemd /usr/share /var/lib /var/cache -xdev \\( -name '*faaspot*' -o -name fas -o -name 'fas-*' -o -name 'fas.*' \\)")
	if left != "" {
		t.Errorf("these are left:\n%s", left)
	}
	m.must(t, "getent", "passwd", "faaspot")
}

// A commit without a tag is before all releases, and the commits are in the order of their times.
func TestVersionsOfTheDebianPackage(t *testing.T) {
	if _, err := os.Stat("/usr/bin/dpkg"); err != nil && os.Getenv("CI") == "" {
		t.Skipf("needs dpkg: %v", err)
	}
	t.Parallel()
	before := "0"
	for _, version := range []struct{ name, seconds, want string }{
		{"f66da6d", "1700000000", "0~1700000000.f66da6d"},
		{"6f66da6d", "1700000001", "0~1700000001.6f66da6d"},
		{"1fa21722-dirty", "1700000002", "0~1700000002.1fa21722-dirty"},
		{"0", "1", "0"},
		{"v1.0.0-rc1", "1", "1.0.0~rc1"},
		{"1.0.0-rc1-4-g1fa21722", "1", "1.0.0~rc1-4-g1fa21722"},
		{"v1.0.0", "1", "1.0.0"},
		{"v1.0.0-4-g1fa21722_x", "1", "1.0.0-4-g1fa21722.x"},
		{"1.10", "1", "1.10"},
	} {
		out, err := exec.Command(filepath.Join(source, "cmd/fas/deb/version"), version.name, version.seconds).Output()
		got := strings.TrimSpace(string(out))
		if err != nil || got != version.want {
			t.Errorf("the version of %s is %q, %v, want %s", version.name, got, err, version.want)
		}
		if before != "0" {
			if out, err := exec.Command("dpkg", "--compare-versions", before, "lt", got).CombinedOutput(); err != nil {
				t.Errorf("%s is not before %s: %s", before, got, out)
			}
		}
		before = got
	}
	if err := exec.Command("dpkg", "--compare-versions", "0~1700000002.1fa21722", "lt", "0.0.1").Run(); err != nil {
		t.Error("a commit is not before release 0.0.1")
	}
}
