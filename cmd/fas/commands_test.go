package main

import (
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/faaspot/faaspot/cmd/fas/internal/config"
)

// profileFor writes a profile file for a server and returns its path.
func profileFor(t *testing.T, address string) string {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	port, err := strconv.Atoi(u.Port())
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "fasconf.yaml")
	err = config.Update(path, func(f *config.File) error {
		if err := f.SetProfile("test", config.Profile{Host: u.Hostname(), Port: port, Protocol: u.Scheme, Token: "secret"}); err != nil {
			return err
		}
		return f.SetActive("test")
	})
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// fas runs a command in this process.
func fas(t *testing.T, env []string, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	var out, talk strings.Builder
	status = run(args, strings.NewReader(""), &out, &talk, env)
	return status, out.String(), talk.String()
}
