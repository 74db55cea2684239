//go:build linux

package network

import (
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
)

func startMariaDB(t *testing.T, c certificates) map[string]int {
	server := program(t, "/usr/sbin/mariadbd")
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	self, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	common := []string{"--no-defaults", "--datadir=" + path("data"), "--user=" + self.Username}
	run(t, exec.Command("mariadb-install-db", append(common, "--skip-test-db", "--auth-root-authentication-method=normal")...))
	write(t, path("init.sql"), `CREATE DATABASE test;
CREATE USER 'user'@'127.0.0.1' IDENTIFIED BY 'secret';
GRANT ALL ON test.* TO 'user'@'127.0.0.1';
CREATE USER 'encrypted'@'127.0.0.1' IDENTIFIED BY 'secret' REQUIRE SSL;
GRANT ALL ON test.* TO 'encrypted'@'127.0.0.1';
`)
	port := freePort(t)
	start(t, syscall.SIGTERM, exec.Command(server, append(common,
		"--bind-address=127.0.0.1", "--port="+strconv.Itoa(port), "--socket="+path("socket"), "--pid-file="+path("pid"), "--skip-name-resolve",
		"--init-file="+path("init.sql"), "--character-set-server=utf8mb4", "--innodb-flush-log-at-trx-commit=0", "--ssl-cert="+c.server, "--ssl-key="+c.serverKey, "--ssl-ca="+c.ca)...), port)
	return map[string]int{"mariadb": port}
}
