//go:build linux

package server

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	goruntime "runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/faaspot/faaspot/test/process"
)

// machine is a running systemd, process 1 of namespaces of its own on a copy of this machine's files.
type machine struct {
	pid int // of systemd, as this process sees it
}

// boot starts systemd with the files of the folder on top of its system.
func boot(t *testing.T, files string) machine {
	t.Helper()
	dir := filepath.Dir(files)
	var log bytes.Buffer
	cmd := exec.Command("unshare", "--mount", "sh", "testdata/boot.sh", dir)
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		close(ended)
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		<-ended
		if t.Failed() {
			t.Logf("booting: %s", log.Bytes())
		}
	})
	var m machine
	process.Until(t, "systemd has started", func() bool {
		select {
		case <-ended:
			t.Fatalf("systemd has not started: %s", log.Bytes())
		default:
		}
		m.pid = systemdBelow(cmd.Process.Pid)
		return m.pid != 0
	})
	process.Until(t, "systemd answers", func() bool {
		out, _ := m.command("systemctl", "is-system-running").Output()
		state := strings.TrimSpace(string(out))
		return state == "running" || state == "degraded" // by a service of this machine that needs hardware
	})
	return m
}

// systemdBelow returns the process among those that a process has started, and those that they have, that is systemd.
func systemdBelow(pid int) int {
	if name, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid)); string(name) == "systemd\n" {
		return pid
	}
	children, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	for child := range strings.FieldsSeq(string(children)) {
		if n, err := strconv.Atoi(child); err == nil {
			if found := systemdBelow(n); found != 0 {
				return found
			}
		}
	}
	return 0
}

// command is a program of the machine.
func (m machine) command(words ...string) *exec.Cmd {
	return exec.Command("nsenter", append([]string{"--target", strconv.Itoa(m.pid), "--all", "--root", "--wd", "--"}, words...)...)
}

// must runs a program of the machine and returns what it prints.
func (m machine) must(t *testing.T, words ...string) string {
	t.Helper()
	out, err := m.command(words...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(words, " "), err, out)
	}
	return string(out)
}

// path is where this process finds a file of the machine.
func (m machine) path(name string) string { return fmt.Sprintf("/proc/%d/root%s", m.pid, name) }

// property returns a property of the service.
func (m machine) property(t *testing.T, name string) string {
	t.Helper()
	return strings.TrimSpace(m.must(t, "systemctl", "show", "--value", "--property", name, "faaspot"))
}

// dial connects to an address of the machine.
func (m machine) dial(_ context.Context, network, address string) (conn net.Conn, err error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		goruntime.LockOSThread() // the thread ends with the goroutine
		var ns *os.File
		if ns, err = os.Open(fmt.Sprintf("/proc/%d/ns/net", m.pid)); err != nil {
			return
		}
		defer ns.Close()
		if err = unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err == nil {
			conn, err = net.Dial(network, address)
		}
	}()
	<-done
	return conn, err
}

// request sends requests to port 8080, each by a connection of its own, until stop is called: each must have the
// answer that the server is ready.
func (m machine) request(t *testing.T) (stop func()) {
	t.Helper()
	client := http.Client{Transport: &http.Transport{DialContext: m.dial, DisableKeepAlives: true}, Timeout: process.Patience}
	end, ended := make(chan struct{}), make(chan int)
	go func() {
		for n := 0; ; n++ {
			select {
			case <-end:
				ended <- n
				return
			default:
			}
			response, err := client.Get("http://127.0.0.1:8080/readyz")
			if err != nil {
				t.Errorf("request %d: %v", n, err)
				continue
			}
			if response.Body.Close(); response.StatusCode != http.StatusOK {
				t.Errorf("request %d: %s", n, response.Status)
			}
		}
	}()
	return func() {
		close(end)
		t.Logf("%d requests were answered", <-ended)
	}
}

// serial returns the serial number of the certificate at port 443.
func (m machine) serial() (string, error) {
	client := http.Client{Transport: &http.Transport{
		DialContext: m.dial, DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
	}}
	response, err := client.Get("https://127.0.0.1:443/readyz")
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return "", errors.New(response.Status)
	}
	return response.TLS.PeerCertificates[0].SerialNumber.String(), nil
}

// complaints returns what the server has logged that an operator should look at, and lines that are not its log's.
func (m machine) complaints(t *testing.T, invocation string) (lines []string) {
	t.Helper()
	log := m.must(t, "journalctl", "--output=cat", "_SYSTEMD_INVOCATION_ID="+invocation)
	if !strings.Contains(log, `"msg":"ready"`) {
		t.Errorf("the journal does not say that the server is ready:\n%s", log)
	}
	for line := range strings.Lines(log) {
		var record struct{ Level string }
		if err := json.Unmarshal([]byte(line), &record); err != nil || record.Level != "INFO" {
			lines = append(lines, line)
		}
	}
	return lines
}

// documentedCommands returns the blocks of commands below a heading of the page for operators.
func documentedCommands(t *testing.T, heading string) (blocks []string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(source, "docs/operating.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "\n"+heading+"\n")
	section, _, _ = strings.Cut(section, "\n## ")
	for {
		_, block, found := strings.Cut(section, "\n```sh\n")
		if !found {
			return blocks
		}
		block, section, _ = strings.Cut(block, "\n```\n")
		blocks = append(blocks, block)
	}
}

// The unit runs the server under systemd, installed as the documentation says: confined, without a complaint, and
// started again when it dies or hangs.
func TestUnitUnderSystemd(t *testing.T) {
	needNamespaces(t)
	if _, err := os.Stat("/lib/systemd/systemd"); err != nil && os.Getenv("CI") == "" {
		t.Skipf("needs systemd: %v", err)
	}
	t.Parallel()
	files := filepath.Join(t.TempDir(), "files")
	for from, to := range map[string]string{
		process.Binary(t): "src/bin/fas",
		filepath.Join(source, "examples/systemd/faasd.toml"):      "src/examples/systemd/faasd.toml",
		filepath.Join(source, "examples/systemd/faaspot.service"): "src/examples/systemd/faaspot.service",
		filepath.Join(source, "examples/systemd/faaspot.socket"):  "src/examples/systemd/faaspot.socket",
	} {
		if err := copyFile(from, filepath.Join(files, to)); err != nil {
			t.Fatal(err)
		}
	}
	// As after a first start, which compiles the interpreter.
	if err := os.CopyFS(filepath.Join(files, "var/lib/private/faaspot/cache"), os.DirFS(process.Guest(t))); err != nil {
		t.Fatal(err)
	}
	documented := documentedCommands(t, "## As a service")
	if len(documented) != 2 {
		t.Fatalf("the page for operators has %q, want the installation, and TLS", documented)
	}
	m := boot(t, files)
	t.Cleanup(func() {
		if t.Failed() {
			out, _ := m.command("journalctl", "--no-pager", "--unit=faaspot").CombinedOutput()
			t.Logf("the journal:\n%s", out)
		}
	})
	m.must(t, "sh", "-ec", "cd /src\n"+documented[0])

	const profile = "FAASPOT_CONFIG=/var/lib/private/faaspot/fasconf.yaml"
	fas := func(words ...string) string {
		t.Helper()
		return m.must(t, append([]string{"env", profile, "fas"}, words...)...)
	}
	// again waits until a new process serves, and checks that it has the function and has nothing to complain about.
	invocation := m.property(t, "InvocationID")
	again := func() {
		t.Helper()
		process.Until(t, "the service is started again", func() bool {
			id := m.property(t, "InvocationID")
			return id != invocation && id != "" && m.property(t, "ActiveState") == "active"
		})
		invocation = m.property(t, "InvocationID")
		if got := fas("functions", "run", "greet", "--wait", "--args", `{"name": "systemd"}`); !strings.Contains(got, "hello systemd") {
			t.Errorf("the run prints %q", got)
		}
		if lines := m.complaints(t, invocation); lines != nil {
			t.Errorf("the server logs\n%s", strings.Join(lines, ""))
		}
	}

	if out := m.must(t, "systemd-analyze", "verify", "--man=no", "faaspot.service"); strings.Contains(out, "faaspot.service") {
		t.Errorf("verify: %s", out)
	}
	// A service without any of the settings has 9.6.
	if out, err := m.command("systemd-analyze", "security", "--no-pager", "--threshold=15", "faaspot.service").CombinedOutput(); err != nil {
		t.Errorf("security: %v\n%s", err, out)
	}
	if status := m.property(t, "StatusText"); !strings.HasPrefix(status, "serving at http://127.0.0.1:8080") {
		t.Errorf("the status is %q", status)
	}
	if lines := m.complaints(t, invocation); lines != nil {
		t.Errorf("the server logs\n%s", strings.Join(lines, ""))
	}
	main, err := os.ReadFile(m.path("/proc/" + m.property(t, "MainPID") + "/status"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`CapBnd:\s0+$`, `CapEff:\s0+$`, `NoNewPrivs:\s1$`, `Seccomp:\s2$`, `Uid:(\s[1-9]\d{4}){4}$`} {
		if !regexp.MustCompile(`(?m)^` + want).Match(main) {
			t.Errorf("no match of %s in\n%s", want, main)
		}
	}
	if out := m.must(t, "stat", "-Lc", "%a %U", "/var/lib/faaspot"); out != "700 faaspot\n" {
		t.Errorf("the data folder is %q", out)
	}
	if err := os.WriteFile(m.path("/src/greet.py"), []byte("def main(args, context):\n    return 'hello ' + args['name']\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	fas("deploy", "/src/greet.py")
	checkWallsAreMissed(t, m)

	// A crash.
	m.must(t, "systemctl", "kill", "--kill-whom=main", "--signal=SIGKILL", "faaspot")
	again()
	// A server that hangs. The unit's time would be long for a test.
	dropIn(t, m, "watchdog", "[Service]\nWatchdogSec=2s\n")
	m.must(t, "systemctl", "restart", "faaspot")
	again()
	m.must(t, "systemctl", "kill", "--kill-whom=main", "--signal=SIGSTOP", "faaspot")
	again()
	if out := m.must(t, "journalctl", "--output=cat", "--unit=faaspot"); !strings.Contains(out, "Watchdog timeout") {
		t.Errorf("the watchdog has not noticed: %s", out)
	}

	// An upgrade, and the return to the binary before. What was deployed in between is lost then.
	upgrade := documentedCommands(t, "## Upgrading")
	if len(upgrade) != 2 {
		t.Fatalf("the page for operators has %q, want the upgrade and the return", upgrade)
	}
	m.must(t, "sh", "-ec", "cd /src\n"+upgrade[0])
	again()
	fas("deploy", "/src/greet.py", "--name", "later")
	const start = "systemctl start faaspot"
	restore, found := strings.CutSuffix(upgrade[1], start)
	if !found {
		t.Fatalf("the return to an earlier release is %q", upgrade[1])
	}
	m.must(t, "sh", "-ec", "cd /src\n"+restore)
	// As after a first start, which compiles the interpreter.
	m.must(t, "cp", "-a", "/var/lib/private/faaspot.later/cache", "/var/lib/private/faaspot")
	m.must(t, "sh", "-ec", start)
	again()
	if got := fas("functions", "list", "-q"); got != "greet\n" {
		t.Errorf("the functions are %q", got)
	}

	// A socket of systemd: connections wait while the server is restarted.
	sockets := documentedCommands(t, "## Restarts without refused connections")
	if len(sockets) != 2 {
		t.Fatalf("the page for operators has %q, want the socket and its removal", sockets)
	}
	m.must(t, "sh", "-ec", "cd /src\n"+sockets[0])
	again()
	stop := m.request(t)
	for range 3 {
		m.must(t, "systemctl", "restart", "faaspot")
		again()
	}
	stop()
	// A mistake in the settings, which ends with a closed port, does not end the use of the socket.
	m.must(t, "sh", "-ec", "cp /etc/faaspot/faasd.toml /tmp/right.toml && echo 'wrong = 1' >>/etc/faaspot/faasd.toml")
	if out, err := m.command("systemctl", "restart", "faaspot").CombinedOutput(); err == nil {
		t.Errorf("the server starts with settings that are wrong: %s", out)
	}
	process.Until(t, "systemd has closed the port", func() bool {
		out, _ := m.command("systemctl", "is-active", "faaspot.socket").Output()
		return string(out) == "failed\n"
	})
	m.must(t, "sh", "-ec", "cp /tmp/right.toml /etc/faaspot/faasd.toml && systemctl reset-failed faaspot && systemctl start faaspot")
	again()
	if state := m.must(t, "systemctl", "is-active", "faaspot.socket"); state != "active\n" {
		t.Errorf("the socket is %s", state)
	}
	m.must(t, "sh", "-ec", "cd /src\n"+sockets[1])
	again()

	// A setting that is read again.
	settingsAgain := documentedCommands(t, "## Settings")
	if len(settingsAgain) != 2 {
		t.Fatalf("the page for operators has %q, want a check of the settings, and a reload", settingsAgain)
	}
	m.must(t, "sh", "-ec", settingsAgain[0]+"\n"+settingsAgain[1])
	process.Until(t, "the server has read its settings", func() bool {
		log := m.must(t, "journalctl", "--output=cat", "_SYSTEMD_INVOCATION_ID="+invocation)
		return strings.Contains(log, `"msg":"read the settings again","file":"/etc/faaspot/faasd.toml","log_level":"debug"`)
	})

	// TLS at port 443, with a key that only its group reads, and workers.
	certify := func(serial int64, group string) {
		t.Helper()
		dir := t.TempDir()
		writeCertificate(t, dir, serial)
		for _, name := range []string{"cert.pem", "key.pem"} {
			if err := copyFile(filepath.Join(dir, name), m.path("/etc/faaspot/"+name+".new")); err != nil {
				t.Fatal(err)
			}
			m.must(t, "sh", "-ec", "cd /etc/faaspot && chgrp "+group+" "+name+".new && chmod 640 "+name+".new && mv "+name+".new "+name)
		}
	}
	certify(11, "root")
	settings := "listen = \"0.0.0.0:443\"\nhealth_listen = \"127.0.0.1:8081\"\ndata = \"/var/lib/faaspot\"\nlog_format = \"json\"\n" +
		"tls_cert = \"/etc/faaspot/cert.pem\"\ntls_key = \"/etc/faaspot/key.pem\"\nworkers = 1\n"
	if err := os.WriteFile(m.path("/etc/faaspot/faasd.toml"), []byte(settings), 0o600); err != nil {
		t.Fatal(err)
	}
	m.must(t, "chmod", "644", "/etc/faaspot/faasd.toml")
	m.must(t, "sh", "-ec", documented[1])
	if got, err := m.serial(); err != nil || got != "11" {
		t.Fatalf("the certificate is %q, %v", got, err)
	}
	certify(12, "certificates")
	m.must(t, "systemctl", "reload", "faaspot")
	process.Until(t, "the new certificate is served", func() bool {
		got, err := m.serial()
		if err != nil {
			t.Fatal(err)
		}
		return got == "12"
	})
	if id := m.property(t, "InvocationID"); m.property(t, "ActiveState") != "active" || id == invocation {
		t.Errorf("after the reload the service is %s, of invocation %s", m.property(t, "ActiveState"), id)
	}
	invocation = m.property(t, "InvocationID")
	if lines := m.complaints(t, invocation); lines != nil {
		t.Errorf("the server logs\n%s", strings.Join(lines, ""))
	}

	m.must(t, "systemctl", "stop", "faaspot")
	if state, result := m.property(t, "ActiveState"), m.property(t, "Result"); state != "inactive" || result != "success" {
		t.Errorf("after the stop the service is %s, its result %s", state, result)
	}
	if lines := m.complaints(t, invocation); lines != nil {
		t.Errorf("the server logs\n%s", strings.Join(lines, ""))
	}

	removal := documentedCommands(t, "## Uninstalling")
	if len(removal) != 1 {
		t.Fatalf("the page for operators has %q, want the removal", removal)
	}
	m.must(t, "sh", "-ec", removal[0])
	m.must(t, "rm", "-rf", "/src", "/var/lib/private/faaspot.later")
	if left := m.must(t, "sh", "-c", "find /etc /usr/local /var/lib /var/cache /run/systemd -xdev \\( -iname '*faaspot*' -o -name fas -o -name faasd.toml \\)"); left != "" {
		t.Errorf("these are left:\n%s", left)
	}
	if state := m.property(t, "LoadState"); state != "not-found" {
		t.Errorf("the unit is %s", state)
	}
}

// dropIn adds settings to the unit.
func dropIn(t *testing.T, m machine, name, text string) {
	t.Helper()
	dir := m.path("/etc/systemd/system/faaspot.service.d")
	if err := errors.Join(os.MkdirAll(dir, 0o755), os.WriteFile(filepath.Join(dir, name+".conf"), []byte(text), 0o644)); err != nil {
		t.Fatal(err)
	}
	m.must(t, "systemctl", "daemon-reload")
}

// needNamespaces skips a test without the right to make namespaces.
func needNamespaces(t *testing.T) {
	t.Helper()
	out, err := exec.Command("unshare", "--mount", "--pid", "--net", "--cgroup", "--fork", "true").CombinedOutput()
	switch {
	case err != nil && os.Getenv("CI") != "":
		t.Fatalf("%v: %s", err, out)
	case err != nil:
		t.Skipf("needs root and namespaces: %v: %s", err, out)
	}
}
