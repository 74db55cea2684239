package main

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

const anyID = "019aa8f0-93c1-7d1e-a1f7-6d1b7f3c52b4"

// bundleServer is a server of functions that are folders. It does not run them.
type bundleServer struct {
	refuse string // the answer to a bundle, with status 400; empty: it is deployed
	broken string // the answer to a PATCH, with status 400; empty: it succeeds

	appears int // the number of reads after which another client creates what was read; 0: none does

	mu       sync.Mutex
	bundles  map[string][]byte // by function
	settings map[string]string // of functions, as JSON
	calls    []string
}

func (s *bundleServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls = append(s.calls, r.Method+" "+r.URL.RequestURI())
	body, _ := io.ReadAll(r.Body)
	name, isBundle := strings.CutSuffix(strings.TrimPrefix(r.URL.Path, "/v1/functions/"), "/bundle")
	data, exists := s.bundles[name]
	fail := func(status int, code, message string) {
		w.WriteHeader(status)
		fmt.Fprintf(w, `{"message": %q, "error_code": %q, "hint": "a hint"}`, message, code)
	}
	if r.Method == http.MethodGet && !isBundle {
		if s.appears--; s.appears == 0 {
			s.bundles[name] = []byte("of another client")
		}
	}
	switch {
	case isBundle && r.Method == http.MethodPut && (r.Header.Get("If-None-Match") == "*" && exists || r.Header.Get("If-Match") == "*" && !exists):
		fail(http.StatusPreconditionFailed, "precondition_failed", "it is not as you say")
		return
	case isBundle && r.Method == http.MethodPut:
		if r.Header.Get("Content-Type") != "application/zip" || r.ContentLength != int64(len(body)) {
			fail(http.StatusUnsupportedMediaType, "invalid_argument", "the body is not a zip")
			return
		}
		if s.refuse != "" {
			fail(http.StatusBadRequest, "deploy_failed", s.refuse)
			return
		}
		s.bundles[name] = body
	case isBundle && !exists, r.Method == http.MethodGet && !exists:
		fail(http.StatusNotFound, "not_found", "there is no such function")
		return
	case isBundle:
		w.Header().Set("Content-Type", "application/zip")
		_, _ = w.Write(data)
		return
	case r.Method == http.MethodGet:
		fmt.Fprintf(w, `{"name": %q, "encoding": "plain", "code": "main", "bundle": {"sha256": "%x", "bytes": %d}, "imports_during_runs": ["a", "b", "c.d", "e", "f", "g", "h", "i", "j", "k"]}`,
			name, sha256.Sum256(data), len(data))
		return
	case r.Method == http.MethodPatch && s.broken != "":
		fail(http.StatusBadRequest, "invalid_argument", s.broken)
		return
	case r.Method == http.MethodPatch:
		s.settings[name] = string(body)
	case r.Method == http.MethodDelete:
		delete(s.bundles, name)
	}
	fmt.Fprintf(w, "%q", anyID)
}

func newBundleServer(t *testing.T) (*bundleServer, []string) {
	t.Helper()
	s := &bundleServer{bundles: make(map[string][]byte), settings: make(map[string]string)}
	web := httptest.NewServer(s)
	t.Cleanup(web.Close)
	return s, []string{"FAASPOT_CONFIG=" + profileFor(t, web.URL)}
}

// taken returns the calls since the last time.
func (s *bundleServer) taken() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	calls := strings.NewReplacer("/v1/functions/", "", "?encoding=plain", "").Replace(strings.Join(s.calls, ", "))
	s.calls = nil
	return calls
}

// newFolder writes the folder of a function.
func newFolder(t *testing.T, name string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), name)
	for path, text := range map[string]string{
		"main.py": "from lib import x\n\ndef main(args, context):\n    return x\n", "lib/__init__.py": "x = 1\n", ".env": "A=1\n",
	} {
		path = filepath.Join(dir, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// TestFoldersAreDeployed deploys a folder with each command that can, and gets it back.
func TestFoldersAreDeployed(t *testing.T) {
	s, env := newBundleServer(t)
	dir := newFolder(t, "my shop")
	ready := filepath.Join(t.TempDir(), "ready.zip")
	secret := filepath.Join(t.TempDir(), "context.toml")
	if err := os.WriteFile(secret, []byte(`key = "secret"`), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TMPDIR", t.TempDir())
	for _, step := range []struct {
		args   []string
		status int
		calls  string
		says   string
	}{
		{[]string{"deploy", dir}, 0, "GET my-shop, GET my-shop, PUT my-shop/bundle", "created my-shop"},
		{[]string{"deploy", dir, "--name", "shop"}, 0, "GET shop, GET shop, PUT shop/bundle", "created shop"},
		{[]string{"deploy", dir, "--name", "shop"}, 0, "GET shop, GET shop, PUT shop/bundle", "updated shop"},
		{[]string{"functions", "update", "shop", "--dir", dir}, 0, "GET shop, GET shop, PUT shop/bundle", "updated shop"},
		{[]string{"functions", "apply", "shop", "-d", dir, "--memory", "256"}, 0, "GET shop, GET shop, PUT shop/bundle?memory=256", "updated shop"},
		{[]string{"functions", "create", "new", "--dir", dir, "--timeout", "2.5", "--retries", "0"}, 0, "GET new, GET new, PUT new/bundle?retries=0&timeout=2.5", "created new"},
		{[]string{"deploy", dir, "--name", "other", "-c", secret, "--memory", "64"}, 0, "GET other, GET other, PUT other/bundle?memory=64, PATCH other", "created other"},
		{[]string{"deploy", dir, "--name", "other", "-c", secret}, 0, "GET other, GET other, PATCH other, PUT other/bundle", "updated other"},
		{
			[]string{"deploy", dir, "--name", "shop", "--allow", "a.example:443", "--allow", "*.b.example:5432", "--memory", "64"},
			0,
			"GET shop, GET shop, PUT shop/bundle?allow=a.example%3A443&allow=%2A.b.example%3A5432&memory=64", "updated shop",
		},
		{[]string{"functions", "create", "closed", "--dir", dir, "--allow", "none"}, 0, "GET closed, GET closed, PUT closed/bundle?allow=", "created closed"},
		{[]string{"functions", "get", "shop", "--bundle", ready}, 0, "GET shop/bundle", ""},
		{[]string{"deploy", ready}, 0, "GET ready, GET ready, PUT ready/bundle", "created ready"},
		{[]string{"functions", "create", "zipped", "--dir", ready, "--memory", "64"}, 0, "GET zipped, GET zipped, PUT zipped/bundle?memory=64", "created zipped"},
		{[]string{"deploy", secret}, 2, "GET context.toml", "neither a folder nor a zip"},
		{[]string{"deploy", filepath.Join(dir, "absent.zip")}, 2, "GET absent", "cannot open the folder"},
		{[]string{"functions", "create", "shop", "--dir", dir}, 1, "GET shop", "fas functions apply shop --dir"},
		{[]string{"functions", "update", "absent", "--dir", dir}, 4, "GET absent", "no such function"},
		{[]string{"functions", "create", "x", "--dir", dir, "--file", "x.py"}, 2, "", "exclude each other"},
		{[]string{"functions", "update", "shop", "--dir", dir, "--new-name", "y"}, 2, "", "exclude each other"},
		{[]string{"functions", "create", "x", "--file", "x.py", "--no-install"}, 2, "", "--no-install has no effect"},
		{[]string{"functions", "create", "x"}, 2, "", "--dir"},
		{[]string{"deploy", filepath.Join(dir, "lib")}, 2, "GET lib", "no file main.py"},
		{[]string{"deploy", "/"}, 2, "", "--name"},
		{[]string{"deploy"}, 2, "", "DIR is missing"},
	} {
		status, stdout, stderr := fas(t, env, step.args...)
		if calls := s.taken(); status != step.status || calls != step.calls || !strings.Contains(stderr, step.says) {
			t.Errorf("fas %q: status %d, calls %q, says %s", step.args, status, calls, stderr)
		}
		ofZip := slices.Contains(step.args, ready)
		if status == 0 && stdout != anyID+"\n" && step.says != "" {
			t.Errorf("fas %q prints %q", step.args, stdout)
		}
		if step.calls != "" && status == 0 && !ofZip && !strings.Contains(stderr, "note: .env is left out") {
			t.Errorf("fas %q does not say that .env is left out", step.args)
		}
	}
	if !bytes.Equal(s.bundles["shop"], s.bundles["new"]) || !bytes.Equal(s.bundles["shop"], s.bundles["zipped"]) {
		t.Error("the same folder gives two bundles")
	}
	if _, err := os.Stat(ready); err != nil {
		t.Errorf("the user's zip: %v", err)
	}
	if !strings.Contains(s.settings["other"], "secret") {
		t.Errorf("the settings are %q", s.settings)
	}
	r, err := zip.NewReader(bytes.NewReader(s.bundles["shop"]), int64(len(s.bundles["shop"])))
	if err != nil || len(r.File) != 2 || r.File[0].Name != "lib/__init__.py" || r.File[1].Name != "main.py" {
		t.Errorf("the bundle is %+v, %v", r, err)
	}
	left, err := filepath.Glob(filepath.Join(os.TempDir(), "fas-bundle-*"))
	if err != nil || len(left) > 0 {
		t.Errorf("temporary files are left: %v, %v", left, err)
	}
}

// TestAnotherClientDeploysMeanwhile lets another client create the function after the command has seen that
// there is none.
func TestAnotherClientDeploysMeanwhile(t *testing.T) {
	s, env := newBundleServer(t)
	dir := newFolder(t, "shop")
	s.appears = 2
	status, _, stderr := fas(t, env, "functions", "create", "shop", "--dir", dir)
	if calls := s.taken(); status != 1 || calls != "GET shop, GET shop, PUT shop/bundle, GET shop" || !strings.Contains(stderr, "fas functions apply shop --dir") {
		t.Errorf("create: status %d, calls %q, says %s", status, calls, stderr)
	}
	if got := string(s.bundles["shop"]); got != "of another client" {
		t.Errorf("the function of another client is %q", got)
	}
	s.appears = 2
	status, _, stderr = fas(t, env, "deploy", dir, "--name", "other")
	if calls := s.taken(); status != 0 || calls != "GET other, GET other, PUT other/bundle, GET other, PUT other/bundle" || !strings.Contains(stderr, "updated other") {
		t.Errorf("deploy: status %d, calls %q, says %s", status, calls, stderr)
	}
}

// TestBundleThatIsRefused checks what is left of a deployment that fails.
func TestBundleThatIsRefused(t *testing.T) {
	s, env := newBundleServer(t)
	dir := newFolder(t, "shop")
	s.refuse = "No module named 'lib'"
	status, _, stderr := fas(t, env, "deploy", dir)
	if status != 1 || s.taken() != "GET shop, GET shop, PUT shop/bundle" || !strings.Contains(stderr, s.refuse) {
		t.Errorf("status %d, %s", status, stderr)
	}
	secret := filepath.Join(t.TempDir(), "context.toml")
	if err := os.WriteFile(secret, []byte(`key = "secret"`), 0o600); err != nil {
		t.Fatal(err)
	}
	// Nothing is created, whatever is set besides.
	if status, _, _ := fas(t, env, "deploy", dir, "--memory", "256", "-c", secret); status != 1 || s.taken() != "GET shop, GET shop, PUT shop/bundle?memory=256" {
		t.Errorf("status %d", status)
	}
	// A function that does not get its context stays, and the command says so.
	s.refuse, s.broken = "", "the context is not valid"
	status, _, stderr = fas(t, env, "functions", "create", "shop", "--dir", dir, "-c", secret)
	if status != 2 || s.taken() != "GET shop, GET shop, PUT shop/bundle, PATCH shop" || !strings.Contains(stderr, s.broken) || !strings.Contains(stderr, "without its context") {
		t.Errorf("status %d, %s", status, stderr)
	}
	if _, exists := s.bundles["shop"]; !exists {
		t.Error("a function is deleted, which somebody else may have changed meanwhile")
	}
	// Of a function that exists, a context that is refused leaves the code as it is.
	s.bundles["shop"] = []byte("before")
	if status, _, _ := fas(t, env, "deploy", dir, "-c", secret); status != 2 || s.taken() != "GET shop, GET shop, PATCH shop" {
		t.Errorf("status %d", status)
	}
	s.refuse, s.broken = "No module named 'lib'", ""
	status, _, stderr = fas(t, env, "deploy", dir, "--memory", "256", "-c", secret)
	if status != 1 || s.taken() != "GET shop, GET shop, PATCH shop, PUT shop/bundle?memory=256" || !strings.Contains(stderr, "the code has not") {
		t.Errorf("status %d, %s", status, stderr)
	}
}

// TestBundlesAreGivenBack checks `fas functions get --bundle`.
func TestBundlesAreGivenBack(t *testing.T) {
	s, env := newBundleServer(t)
	s.bundles["shop"] = bytes.Repeat([]byte("the zip\x00"), 100_000)
	want := string(s.bundles["shop"])
	t.Chdir(t.TempDir())
	get := func(args ...string) (int, string, string) {
		return fas(t, env, append([]string{"functions", "get", "shop"}, args...)...)
	}
	content := func() string {
		data, _ := os.ReadFile("shop.zip")
		return string(data)
	}
	if status, stdout, stderr := get("--bundle", "shop.zip"); status != 0 || stdout != "" || content() != want {
		t.Errorf("status %d, %d bytes: %s", status, len(content()), stderr)
	}
	if status, stdout, _ := get("--bundle", "-"); status != 0 || stdout != want {
		t.Errorf("status %d, %d bytes", status, len(stdout))
	}
	if err := os.WriteFile("shop.zip", []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	if status, _, stderr := get("--bundle", "shop.zip"); status != 1 || content() != "mine" || !strings.Contains(stderr, "--force") {
		t.Errorf("status %d: %s", status, stderr)
	}
	if status, _, stderr := get("--bundle", "shop.zip", "--force"); status != 0 || content() != want {
		t.Errorf("status %d: %s", status, stderr)
	}
	if status, _, stderr := fas(t, env, "functions", "get", "absent", "--bundle", "shop.zip", "--force"); status != 4 || content() != want {
		t.Errorf("status %d: %s", status, stderr)
	}
	for _, args := range [][]string{{"--force"}, {"--bundle", ""}, {"--bundle", "x", "--json"}, {"--bundle", "none/x"}} {
		if status, _, stderr := get(args...); status != 2 {
			t.Errorf("%q: status %d: %s", args, status, stderr)
		}
	}
	if files, err := os.ReadDir("."); err != nil || len(files) != 1 {
		t.Errorf("files are left: %v, %v", files, err)
	}
	sum := fmt.Sprintf("%x", sha256.Sum256([]byte(want)))
	if _, stdout, _ := get(); !strings.Contains(stdout, "bundle:") || !strings.Contains(stdout, sum) ||
		!strings.Contains(stdout, "every run imports a, b, c.d, e, f, g, h, i and 2 more") {
		t.Error(stdout)
	}
	if _, stdout, _ := get("--json"); !strings.Contains(stdout, `"sha256": "`+sum) || !strings.Contains(stdout, `"k"`) {
		t.Error(stdout)
	}
}
