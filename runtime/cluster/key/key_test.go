package key_test

import (
	"crypto/tls"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/faaspot/faaspot/runtime/cluster/key"
)

// config returns the configuration of a process with a secret.
func config(t *testing.T, secret string) *tls.Config {
	t.Helper()
	k, err := key.New([]byte(secret))
	if err != nil {
		t.Fatal(err)
	}
	c, err := k.TLS()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// shake connects two sides, and returns the error of each.
func shake(t *testing.T, client, server *tls.Config) (ofClient, ofServer error) {
	t.Helper()
	ln, err := tls.Listen("tcp", "127.0.0.1:0", server)
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	done := make(chan error, 1)
	go func() {
		conn, err := ln.Accept()
		if err == nil {
			_, err = conn.Write([]byte("x")) // after the handshake
			conn.Close()
		}
		done <- err
	}()
	conn, ofClient := tls.Dial("tcp", ln.Addr().String(), client)
	if ofClient == nil { // the server verifies the client after the client's side is done
		_, ofClient = conn.Read(make([]byte, 1))
		conn.Close()
	}
	return ofClient, <-done
}

func TestOnlyProcessesWithTheKeyConnect(t *testing.T) {
	first, second := strings.Repeat("a", 64), strings.Repeat("b", 64)
	if c, s := shake(t, config(t, first), config(t, " "+first+"\n")); c != nil || s != nil {
		t.Errorf("with the same key: %v, %v", c, s)
	}
	if _, s := shake(t, config(t, second), config(t, first)); s == nil {
		t.Error("the server accepted a client with another key")
	}
	if c, _ := shake(t, config(t, first), config(t, second)); c == nil {
		t.Error("the client accepted a server with another key")
	}
	none := config(t, first)
	none.Certificates = nil
	if _, s := shake(t, none, config(t, first)); s == nil {
		t.Error("the server accepted a client without a certificate")
	}
	// A certificate of another authority with the same names.
	foreign := config(t, first)
	foreign.Certificates = config(t, second).Certificates
	if _, s := shake(t, foreign, config(t, first)); s == nil {
		t.Error("the server accepted a client with a foreign certificate")
	}
}

// While a key is replaced, processes with neighbouring states of the file connect in both directions, and others do not:
// what has not got the new key yet, or has no former one any more.
func TestKeysThatAreReplaced(t *testing.T) {
	first, second, third := strings.Repeat("a", 64), strings.Repeat("b", 64), strings.Repeat("c", 64)
	states := []string{first, first + "\n\n" + second + "\n", second + "\r\n \r\n\r\n" + first, second}
	for i, one := range states {
		for j, other := range states {
			c, s := shake(t, config(t, one), config(t, other))
			if connects := c == nil && s == nil; connects != (i-j >= -1 && i-j <= 1) {
				t.Errorf("state %d with %d: %v, %v", i, j, c, s)
			}
		}
		if c, s := shake(t, config(t, third), config(t, one)); c == nil && s == nil {
			t.Errorf("state %d accepts a foreign key", i)
		}
	}
}

func TestKeysThatAreRefused(t *testing.T) {
	long := strings.Repeat("x", 64)
	for _, text := range []string{
		long + "\n\nshort", "short\n\n" + long, long + "\n\n " + long + "\n", long + "\n\n" + long + "\n\n" + long, long + "\n\n" + strings.Repeat("x", 4097),
		"", "short", strings.Repeat(" ", 64), strings.Repeat("x", 31), strings.Repeat("x", 4097),
	} {
		path := filepath.Join(t.TempDir(), "key")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if k, err := key.Read(path); err == nil || !k.IsZero() {
			t.Errorf("accepted a key of %d bytes", len(text))
		}
	}
	for mode, want := range map[os.FileMode]bool{0o600: true, 0o400: true, 0o640: false, 0o604: false, 0o620: false, 0o644: false} {
		path := filepath.Join(t.TempDir(), "key")
		if err := errors.Join(os.WriteFile(path, []byte(strings.Repeat("x", 64)), 0o600), os.Chmod(path, mode)); err != nil {
			t.Fatal(err)
		}
		if _, err := key.Read(path); (err == nil) != want {
			t.Errorf("mode %04o: %v", mode, err)
		}
	}
	if _, err := key.Read("/dev/zero"); err == nil { // it has no end
		t.Error("accepted a key of zeros")
	}
	if _, err := key.Read(filepath.Join(t.TempDir(), "none")); err == nil || !strings.Contains(err.Error(), "openssl rand -hex 32") && !strings.Contains(err.Error(), "cannot read") {
		t.Errorf("got %v", err)
	}
}
