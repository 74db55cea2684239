//go:build linux

package network

import (
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
)

// startPostgres starts PostgreSQL, which refuses to run as root, as the user of its package.
func startPostgres(t *testing.T, c certificates) map[string]int {
	bin := filepath.Dir(program(t, "/usr/lib/postgresql/*/bin/postgres"))
	dir, err := os.MkdirTemp("", "faaspot-postgres-") // which the user can reach
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	command := func(name string, args ...string) *exec.Cmd { return exec.Command(filepath.Join(bin, name), args...) }
	own := func(string) {}
	if os.Getuid() == 0 {
		u, err := user.Lookup("postgres")
		if err != nil {
			t.Fatal(err)
		}
		uid, _ := strconv.Atoi(u.Uid)
		gid, _ := strconv.Atoi(u.Gid)
		own = func(path string) {
			if err := os.Chown(path, uid, gid); err != nil {
				t.Fatal(err)
			}
		}
		as, plain := &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}, command
		command = func(name string, args ...string) *exec.Cmd {
			cmd := plain(name, args...)
			cmd.SysProcAttr, cmd.Dir = as, dir
			return cmd
		}
	}
	own(dir)
	path := func(name string) string { return filepath.Join(dir, name) }
	write(t, path("password"), "secret")
	for from, to := range map[string]string{c.server: path("server.pem"), c.serverKey: path("server.key")} {
		content, err := os.ReadFile(from)
		if err == nil {
			err = os.WriteFile(to, content, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
		own(to)
	}
	run(t, command("initdb", "-D", path("data"), "-U", "user", "--auth", "scram-sha-256", "--pwfile", path("password"), "--no-sync"))
	port := freePort(t)
	start(t, syscall.SIGINT, command("postgres", "-D", path("data"), "-h", "127.0.0.1", "-p", strconv.Itoa(port), "-k", dir, "-F",
		"-c", "ssl=on", "-c", "ssl_cert_file="+path("server.pem"), "-c", "ssl_key_file="+path("server.key")), port)
	return map[string]int{"postgres": port}
}
