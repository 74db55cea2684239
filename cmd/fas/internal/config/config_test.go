package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const handWritten = `# my servers
other_tool: {keep: me}
faaspot:
  profile: prod # the one for work
  color: blue
  profiles:
    # behind the VPN
    prod:
      host: faas.example.com
      protocol: https
      port: "8443" # quoted by another program
      token: abc # rotate in May
      ssl_certificate: ca.pem
      ssl_trust_all: 'False'
      ssl_enabled: True
      note: unknown to us
    empty:
`

func write(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "fasconf.yaml")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestProfileOfHandWrittenFile(t *testing.T) {
	f, err := Load(write(t, handWritten))
	if err != nil {
		t.Fatal(err)
	}
	if got := f.Active(); got != "prod" {
		t.Errorf("Active() = %q", got)
	}
	if diff := cmp.Diff([]string{"prod", "empty"}, f.Names()); diff != "" {
		t.Error(diff)
	}
	p, ok, err := f.Profile("prod")
	if err != nil || !ok {
		t.Fatalf("Profile(prod): %v, %v", ok, err)
	}
	want := Profile{
		Host: "faas.example.com", Protocol: "https", Port: 8443, Token: "abc",
		SSLCertificate: "ca.pem", SSLEnabled: true,
	}
	if diff := cmp.Diff(want, p); diff != "" {
		t.Error(diff)
	}
	if p, ok, err = f.Profile("empty"); p != (Profile{}) || !ok || err != nil {
		t.Errorf("Profile(empty) = %+v, %v, %v", p, ok, err)
	}
	if _, ok, err = f.Profile("absent"); ok || err != nil {
		t.Errorf("Profile(absent) = %v, %v", ok, err)
	}
}

func TestUpdatePreservesUnknownContent(t *testing.T) {
	path := write(t, handWritten)
	err := Update(path, func(f *File) error {
		p, _, err := f.Profile("prod")
		if err != nil {
			return err
		}
		p.Port = 9443
		p.Token = "12345" // must stay text
		if err := f.SetProfile("prod", p); err != nil {
			return err
		}
		return f.SetProfile("empty", Profile{Host: "::1", Port: 1, ServerData: "/d"})
	})
	if err != nil {
		t.Fatal(err)
	}
	want := strings.NewReplacer(
		`port: "8443"`, `port: 9443`,
		`token: abc`, `token: "12345"`,
		"    empty:\n", "    empty:\n      host: ::1\n      protocol: \"\"\n      port: 1\n      token: \"\"\n      server_data: /d\n",
	).Replace(handWritten)
	if diff := cmp.Diff(want, read(t, path)); diff != "" {
		t.Error(diff)
	}
}

func TestUpdateCreatesFolderAndFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a", "b", "fasconf.yaml")
	err := Update(path, func(f *File) error {
		if err := f.SetProfile("local", Profile{Host: "127.0.0.1", Protocol: "http", Port: 8080, Token: "t"}); err != nil {
			return err
		}
		return f.SetActive("local")
	})
	if err != nil {
		t.Fatal(err)
	}
	want := `faaspot:
  profiles:
    local:
      host: 127.0.0.1
      protocol: http
      port: 8080
      token: t
  profile: local
`
	if diff := cmp.Diff(want, read(t, path)); diff != "" {
		t.Error(diff)
	}
	for name, mode := range map[string]os.FileMode{path: 0o600, filepath.Dir(path): 0o700} {
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != mode {
			t.Errorf("mode of %s is %v, want %v", filepath.Base(name), info.Mode().Perm(), mode)
		}
	}
}

func TestUpdateTightensMode(t *testing.T) {
	path := write(t, handWritten)
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := Update(path, func(f *File) error { return f.SetActive("empty") }); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v after a change, want 0600", info.Mode().Perm())
	}
}

func TestUpdateDoesNotRewriteUnchangedFile(t *testing.T) {
	odd := strings.ReplaceAll(handWritten, "color: blue", "color:   blue") // an encoder would write one space
	path := write(t, odd)
	stop := errors.New("stop")
	err := Update(path, func(f *File) error {
		if err := f.SetActive("empty"); err != nil {
			return err
		}
		return stop
	})
	if !errors.Is(err, stop) {
		t.Fatalf("got %v", err)
	}
	if err := Update(path, func(f *File) error { return f.SetActive("prod") }); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(odd, read(t, path)); diff != "" {
		t.Error(diff)
	}
}

func TestUpdateFollowsLink(t *testing.T) {
	path := write(t, handWritten)
	link := filepath.Join(t.TempDir(), "link.yaml")
	if err := os.Symlink(path, link); err != nil {
		t.Skip(err)
	}
	if err := Update(link, func(f *File) error { return f.SetActive("empty") }); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(read(t, path), "profile: empty") {
		t.Error("the file behind the link did not change")
	}
	if info, err := os.Lstat(link); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Error("the link was replaced")
	}
}

// Writers that read, change and replace without a lock lose each other's
// profiles; readers that see a half-written file fail to parse it.
func TestUpdateConcurrently(t *testing.T) {
	path := filepath.Join(t.TempDir(), "fasconf.yaml")
	const writers = 24
	var wg sync.WaitGroup
	for i := range writers {
		wg.Go(func() {
			name := fmt.Sprintf("p%02d", i)
			err := Update(path, func(f *File) error { return f.SetProfile(name, Profile{Token: name}) })
			if err != nil {
				t.Error(err)
			}
			if _, err := Load(path); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	f, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(f.Names()); n != writers {
		t.Errorf("%d profiles of %d survived", n, writers)
	}
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.Name() != "fasconf.yaml" && e.Name() != "fasconf.yaml.lock" {
			t.Errorf("left behind: %s", e.Name())
		}
	}
}

func TestErrorsHaveLineNumbers(t *testing.T) {
	for name, tc := range map[string]struct{ content, want string }{
		"not yaml":    {"faaspot: {", "is not valid YAML: "},
		"list":        {"- a\n", ":1: the file: want a mapping"},
		"root":        {"faaspot: 3\n", ":1: faaspot: want a mapping"},
		"profiles":    {"faaspot:\n  profiles: [a]\n", ":2: profiles: want a mapping of names to profiles"},
		"two":         {"a: 1\n---\nb: 2\n", "more than one document"},
		"profile":     {"faaspot:\n  profiles:\n    p: 3\n", ":3: p: want a mapping"},
		"port word":   {"faaspot:\n  profiles:\n    p:\n      port: x\n", ":4: port: want a number from 1 to 65535"},
		"port high":   {"faaspot:\n  profiles:\n    p:\n      port: 65536\n", ":4: port: want a number from 1 to 65535"},
		"bool":        {"faaspot:\n  profiles:\n    p:\n      ssl_enabled: maybe\n", ":4: ssl_enabled: want true or false"},
		"host a list": {"faaspot:\n  profiles:\n    p:\n      host: [a]\n", ":4: host: want a single value"},
	} {
		t.Run(name, func(t *testing.T) {
			f, err := Load(write(t, tc.content))
			if err == nil {
				_, _, err = f.Profile("p")
			}
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want it to contain %q", err, tc.want)
			}
		})
	}
}

func TestEmptyFilesHaveNoProfiles(t *testing.T) {
	for _, content := range []string{"", "# nothing yet\n", "faaspot:\n", "faaspot:\n  profiles:\n", "faaspot: {profile: null, profiles: {}}\n", "~\n"} {
		path := write(t, content)
		f, err := Load(path)
		if err != nil {
			t.Errorf("%q: %v", content, err)
			continue
		}
		if f.Active() != "" || len(f.Names()) != 0 {
			t.Errorf("%q: active %q, profiles %v", content, f.Active(), f.Names())
		}
		if err := Update(path, func(f *File) error { return f.SetProfile("p", Profile{Port: 1}) }); err != nil {
			t.Errorf("%q: %v", content, err)
			continue
		}
		if f, err = Load(path); err != nil || len(f.Names()) != 1 {
			t.Errorf("%q: after a change: %v, %s", content, err, read(t, path))
		}
	}
}

func TestAliasIsReadButNotWritten(t *testing.T) {
	path := write(t, "faaspot:\n  profiles:\n    a: &x\n      port: 81\n    b: *x\n")
	f, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	if p, _, err := f.Profile("b"); err != nil || p.Port != 81 {
		t.Errorf("Profile(b) = %+v, %v", p, err)
	}
	if err := f.SetProfile("b", Profile{Port: 82}); err == nil || !strings.Contains(err.Error(), "alias") {
		t.Errorf("SetProfile through an alias: %v", err)
	}
}

func TestURL(t *testing.T) {
	for want, p := range map[string]Profile{
		"http://127.0.0.1:8080":  {},
		"http://[::1]:9":         {Host: "::1", Port: 9},
		"http://[::1]:8":         {Host: "[::1]", Port: 8},
		"https://h:443":          {Host: "h", Protocol: "HTTPS"},
		"https://h:8443":         {Host: "h", Protocol: "http", Port: 8443, SSLEnabled: true},
		"http://example.com:80":  {Host: "example.com", Protocol: "http", Port: 80},
		"https://example.com:81": {Host: "example.com", Protocol: "https", Port: 81},
	} {
		if got := p.URL(); got != want {
			t.Errorf("URL of %+v = %s, want %s", p, got, want)
		}
	}
}
