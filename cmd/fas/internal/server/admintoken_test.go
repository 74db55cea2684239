package server

import (
	"encoding/hex"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/faaspot/faaspot/cmd/fas/internal/config"
	"github.com/faaspot/faaspot/httpapi"
	"github.com/faaspot/faaspot/runtime"
)

// memorySettings are settings in memory.
type memorySettings struct {
	values map[string][]byte
	broken error // result of every write
}

func (m *memorySettings) Setting(name string) ([]byte, error) {
	if v, ok := m.values[name]; ok {
		return v, nil
	}
	return nil, runtime.Errorf(runtime.CodeNotFound, "none")
}

func (m *memorySettings) PutSetting(name string, value []byte) error {
	if m.broken != nil {
		return m.broken
	}
	m.values[name] = value
	return nil
}

// newKeeper returns a keeper with its own profile file and log.
func newKeeper(t *testing.T) (adminKeeper, *memorySettings, *strings.Builder) {
	t.Helper()
	s := &memorySettings{values: make(map[string][]byte)}
	var log strings.Builder
	return adminKeeper{
		settings: s,
		config:   filepath.Join(t.TempDir(), "fasconf.yaml"),
		data:     "/data",
		at:       place{host: "127.0.0.1", port: 8080},
		log:      slog.New(slog.NewTextHandler(&log, nil)),
	}, s, &log
}

func mustOpen(t *testing.T, k adminKeeper, reset bool) admin {
	t.Helper()
	a, err := k.open(reset)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func loadProfile(t *testing.T, k adminKeeper, name string) config.Profile {
	t.Helper()
	f, err := config.Load(k.config)
	if err != nil {
		t.Fatal(err)
	}
	p, ok, err := f.Profile(name)
	if err != nil || !ok {
		t.Fatalf("profile %s: %v, %v", name, ok, err)
	}
	return p
}

func TestFirstStartGeneratesToken(t *testing.T) {
	k, s, log := newKeeper(t)
	a := mustOpen(t, k, false)
	if a.profile != "local" || !a.active || a.given {
		t.Errorf("got %+v", a)
	}
	p := loadProfile(t, k, "local")
	want := config.Profile{Host: "127.0.0.1", Port: 8080, Protocol: "http", Token: a.token, ServerData: "/data"}
	if p != want {
		t.Errorf("profile %+v, want %+v", p, want)
	}
	if httpapi.HashToken(a.token) != a.hash || hex.EncodeToString(a.hash[:]) != string(s.values[settingAdminToken]) {
		t.Error("the stored hash is not that of the token")
	}
	if strings.Contains(log.String(), a.token) {
		t.Error("the token is in the log")
	}
	other, _, _ := newKeeper(t)
	if b := mustOpen(t, other, false); b.token == a.token {
		t.Error("two servers generated the same token")
	}
}

func TestLaterStartKeepsTokenAndUpdatesAddress(t *testing.T) {
	k, _, _ := newKeeper(t)
	first := mustOpen(t, k, false)
	k.at = place{host: "::1", port: 9090}
	second := mustOpen(t, k, false)
	if second.hash != first.hash || second.token != first.token || second.profile != "local" || !second.active {
		t.Errorf("got %+v, want the token of %+v", second, first)
	}
	if p := loadProfile(t, k, "local"); p.Host != "::1" || p.Port != 9090 || p.Token != first.token {
		t.Errorf("profile %+v", p)
	}
}

func TestServerDoesNotChangeProfileOfUser(t *testing.T) {
	k, _, log := newKeeper(t)
	first := mustOpen(t, k, false)
	mine := config.Profile{Host: "faas.example.com", Port: 443, Protocol: "https", Token: first.token}
	if err := config.Update(k.config, func(f *config.File) error { return f.SetProfile("local", mine) }); err != nil {
		t.Fatal(err)
	}
	a := mustOpen(t, k, false)
	if a.hash != first.hash || a.profile != "local" || a.token != first.token {
		t.Errorf("got %+v", a)
	}
	if p := loadProfile(t, k, "local"); p != mine {
		t.Errorf("the profile became %+v", p)
	}
	if strings.Contains(log.String(), "--reset-admin-token") {
		t.Error("the log says that no profile has the token")
	}
}

// A server whose data folder was moved or restored finds its profile by the token, and brings it up to
// date.
func TestMovedDataFolder(t *testing.T) {
	k, _, log := newKeeper(t)
	first := mustOpen(t, k, false)
	before := loadProfile(t, k, "local")
	k.data = t.TempDir()
	k.at.port++
	a := mustOpen(t, k, false)
	if a.token != first.token || a.profile != "local" {
		t.Errorf("got %+v", a)
	}
	after := before
	after.ServerData, after.Port = k.data, k.at.port
	if p := loadProfile(t, k, "local"); p != after {
		t.Errorf("the profile became %+v, want %+v", p, after)
	}
	if text := log.String(); strings.Contains(text, "WARN") || !strings.Contains(text, "the data folder has moved") {
		t.Errorf("the log is %s", text)
	}

	// The profile that names the folder is preferred to others with the token.
	err := config.Update(k.config, func(f *config.File) error {
		return f.SetProfile("copy", config.Profile{Host: "other", Token: first.token, ServerData: "/gone"})
	})
	if err != nil {
		t.Fatal(err)
	}
	if a := mustOpen(t, k, false); a.profile != "local" {
		t.Errorf("got %+v", a)
	}

	// A profile that has another token is not the one.
	if err := config.Update(k.config, func(f *config.File) error {
		_, err := f.RemoveProfile("copy")
		after.Token = "other"
		return errors.Join(err, f.SetProfile("local", after))
	}); err != nil {
		t.Fatal(err)
	}
	if a := mustOpen(t, k, false); a.profile != "" || !strings.Contains(log.String(), "--reset-admin-token") {
		t.Errorf("got %+v", a)
	}
}

func TestResetGeneratesNewToken(t *testing.T) {
	k, _, _ := newKeeper(t)
	first := mustOpen(t, k, false)
	second := mustOpen(t, k, true)
	if second.hash == first.hash || second.profile != "local" {
		t.Errorf("got %+v after %+v", second, first)
	}
	if p := loadProfile(t, k, "local"); p.Token != second.token {
		t.Error("the profile does not have the new token")
	}
	if third := mustOpen(t, k, false); third.hash != second.hash {
		t.Error("the new token was not stored")
	}
}

// If the first start is cut short before the hash is stored, the next one makes profile and hash
// agree.
func TestStartAfterOneCutShort(t *testing.T) {
	k, s, _ := newKeeper(t)
	s.broken = errors.New("disk on fire")
	if _, err := k.open(false); !errors.Is(err, s.broken) {
		t.Fatalf("got %v", err)
	}
	s.broken = nil
	a := mustOpen(t, k, false)
	if a.profile != "local" {
		t.Errorf("profile %q", a.profile)
	}
	if p := loadProfile(t, k, "local"); p.Token != a.token {
		t.Error("profile and hash do not agree")
	}
}

func TestGivenTokenIsNotStored(t *testing.T) {
	k, s, _ := newKeeper(t)
	k.given = "chosen"
	a := mustOpen(t, k, false)
	if a.hash != httpapi.HashToken("chosen") || !a.given {
		t.Errorf("got %+v", a)
	}
	if len(s.values) != 0 {
		t.Error("something was stored")
	}
	if _, err := os.Stat(k.config); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the profile file: %v", err)
	}
	if _, err := k.open(true); runtime.CodeOf(err) != runtime.CodeInvalidArgument {
		t.Errorf("reset: %v", err)
	}
}

func TestDamagedHashIsReported(t *testing.T) {
	for _, damaged := range []string{"", "abcd", strings.Repeat("x", 64), strings.Repeat("ab", 40)} {
		k, s, _ := newKeeper(t)
		s.values[settingAdminToken] = []byte(damaged)
		if _, err := k.open(false); err == nil || !strings.Contains(err.Error(), "damaged") {
			t.Errorf("%q: %v", damaged, err)
		}
	}
}

func TestUnwritableProfileFile(t *testing.T) {
	k, s, _ := newKeeper(t)
	blocked := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(blocked, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	k.config = filepath.Join(blocked, "fasconf.yaml")
	_, err := k.open(false)
	coded, ok := errors.AsType[*runtime.Error](err)
	if !ok || !strings.Contains(coded.Hint, "FAASPOT_ADMIN_TOKEN") {
		t.Errorf("got %v", err)
	}
	if len(s.values) != 0 {
		t.Error("a hash was stored for a token that no profile has")
	}
}

// A node that owns the data again reads its token, and leaves the profile as it is, which it may not write any more.
func TestProfileThatMayNotBeWritten(t *testing.T) {
	k, _, log := newKeeper(t)
	first := mustOpen(t, k, false)
	k.fixed, k.at = true, place{host: "::1", port: 9090}
	if again := mustOpen(t, k, false); again.hash != first.hash {
		t.Error("the token is another one")
	}
	if p := loadProfile(t, k, "local"); p.Host != "127.0.0.1" || strings.Contains(log.String(), "cannot") {
		t.Errorf("the profile is %+v\n%s", p, log.String())
	}
}
