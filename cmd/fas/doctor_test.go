package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/faaspot/faaspot/cmd/fas/internal/server"
)

// doctored is a server that answers as one with something for the doctor to find.
type doctored struct {
	date     func() string // in its answers, at the time of each; nil: none
	version  string
	notReady bool
	disk     string // answer about its disk; empty: that the token has not the scope
}

// ServeHTTP implements [http.Handler].
func (d doctored) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header()["Date"] = nil
	if d.date != nil {
		w.Header().Set("Date", d.date())
	}
	w.Header().Set("Content-Type", "application/json")
	answer := func(status int, text string) {
		w.WriteHeader(status)
		_, _ = fmt.Fprintln(w, text)
	}
	switch {
	case r.URL.Path == "/readyz" && d.notReady:
		answer(http.StatusServiceUnavailable, `{"message":"the disk is nearly full","error_code":"unavailable","hint":"free some room"}`)
	case r.URL.Path == "/readyz":
		answer(http.StatusOK, fmt.Sprintf(`{"status":"ready","version":%q}`, d.version))
	case r.URL.Path == "/v1/server/disk" && d.disk == "":
		answer(http.StatusForbidden, `{"message":"the token lacks the scope operator","error_code":"permission_denied"}`)
	case r.URL.Path == "/v1/server/disk":
		answer(http.StatusOK, d.disk)
	default:
		answer(http.StatusOK, `[]`)
	}
}

// findingsOf runs the doctor on a server.
func findingsOf(t *testing.T, d doctored) map[string]server.Finding {
	t.Helper()
	s := httptest.NewServer(d)
	defer s.Close()
	_, out, talk := fas(t, []string{"FAASPOT_CONFIG=" + profileFor(t, s.URL), "FAASPOT_DATA=" + t.TempDir()}, "doctor", "--json")
	var list []server.Finding
	if err := json.Unmarshal([]byte(out), &list); err != nil {
		t.Fatalf("%v: %s%s", err, out, talk)
	}
	found := map[string]server.Finding{}
	for _, f := range list {
		found[f.Check] = f
	}
	return found
}

// dateIn returns the date of a clock that is ahead.
func dateIn(d time.Duration) func() string {
	return func() string { return time.Now().Add(d).UTC().Format(http.TimeFormat) }
}

// The doctor finds clocks that differ by more than some seconds, in both directions, and other releases, and says
// what it could not check.
func TestDoctorComparesClocks(t *testing.T) {
	for name, test := range map[string]struct {
		server       doctored
		check, state string
		detail, fix  string
	}{
		"ahead":         {doctored{date: dateIn(time.Hour + 20*time.Second)}, "clock", server.FindingWarning, "differs by 1h0m", "synchronize both clocks"},
		"behind":        {doctored{date: dateIn(-25*time.Hour - 20*time.Second)}, "clock", server.FindingWarning, "differs by -25h0m", "synchronize both clocks"},
		"equal":         {doctored{date: dateIn(0)}, "clock", server.FindingOK, "agree", ""},
		"unknown":       {doctored{}, "clock", server.FindingSkipped, "does not report its time", ""},
		"no date":       {doctored{date: func() string { return "yesterday" }}, "clock", server.FindingSkipped, "does not report its time", ""},
		"other release": {doctored{version: "v0.0.1"}, "server", server.FindingWarning, `has version "v0.0.1"`, "use the same release"},
		"same release":  {doctored{version: version()}, "server", server.FindingOK, "is ready", ""},
		"no scope":      {doctored{}, "disk of the server", server.FindingSkipped, "scope operator", ""},
		"room":          {doctored{disk: `{"free":1000000000,"total":2000000000,"floor":1000}`}, "disk of the server", server.FindingOK, "953.7 MB of 1.9 GB free", ""},
		"not ready":     {doctored{notReady: true, disk: `{"free":1,"total":2,"floor":3,"problem":"it is nearly full"}`}, "server", server.FindingProblem, "the disk is nearly full", "free some room"},
		"full disk":     {doctored{notReady: true, disk: `{"free":1,"total":2,"floor":3,"problem":"it is nearly full"}`}, "disk of the server", server.FindingProblem, "it is nearly full", "fas admin df"},
	} {
		f, found := findingsOf(t, test.server)[test.check]
		if !found || f.State != test.state || !strings.Contains(f.Detail, test.detail) || !strings.Contains(f.Fix, test.fix) || test.fix == "" && f.Fix != "" {
			t.Errorf("%s: %t, %+v", name, found, f)
		}
	}
}

// With the settings of a server, the doctor looks at the folders that these name, unless a flag or variable names others.
func TestDoctorUsesTheFoldersOfTheSettings(t *testing.T) {
	dir := t.TempDir()
	cache, other, data, settings := filepath.Join(dir, "cache"), filepath.Join(dir, "other"), filepath.Join(dir, "data"), filepath.Join(dir, "faasd.toml")
	for _, folder := range []string{filepath.Join(cache, "faaspot-interpreter", "wazero"), filepath.Join(other, "faaspot-interpreter", "wazero")} {
		if err := os.MkdirAll(folder, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(settings, fmt.Appendf(nil, "cache = %q\ndata = %q\n", cache, data), 0o600); err != nil {
		t.Fatal(err)
	}
	details := func(env []string, args ...string) map[string]string {
		_, out, talk := fas(t, append(env, "FAASPOT_CONFIG="+filepath.Join(dir, "profiles")), append([]string{"doctor", "--json", "--url", "http://127.0.0.1:1"}, args...)...)
		var list []server.Finding
		if err := json.Unmarshal([]byte(out), &list); err != nil {
			t.Fatalf("%v: %s%s", err, out, talk)
		}
		found := map[string]string{}
		for _, f := range list {
			found[f.Check] = f.Detail
		}
		return found
	}
	for name, test := range map[string]struct {
		env, args   []string
		cache, data string // in the findings
	}{
		"settings": {nil, []string{"--config", settings}, cache, data},
		"variable": {[]string{"FAASPOT_CACHE=" + other, "FAASPOT_DATA=" + other}, []string{"--config", settings}, other, other},
		"flag":     {nil, []string{"--config", settings, "--data", other}, cache, other},
		"none":     {[]string{"FAASPOT_DATA=" + data}, nil, "none yet", data},
	} {
		found := details(test.env, test.args...)
		if !strings.Contains(found["compiled interpreter"], test.cache) || !strings.Contains(found["data folder"], test.data) {
			t.Errorf("%s: the doctor found %q in %q", name, found["compiled interpreter"], found["data folder"])
		}
	}
}
