package httpapi_test

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/faaspot/faaspot/httpapi"
	"github.com/faaspot/faaspot/httpapi/internal/apitest"
	"github.com/faaspot/faaspot/httpapi/internal/web"
	"github.com/faaspot/faaspot/runtime"
)

const bundlePath = "/v1/functions/hello/bundle"

// zipBytes returns bytes that begin as a zip does.
func zipBytes(n int) []byte {
	content := make([]byte, n)
	rng := rand.New(rand.NewPCG(uint64(n), 1))
	for i := range content {
		content[i] = byte(rng.Uint32())
	}
	copy(content, "PK")
	return content
}

// beginning is as much of a body as the library reads before it calls the server.
var beginning = string(zipBytes(9000))

// put uploads a bundle, chunked if it is only an io.Reader.
func put(t *testing.T, ts *apitest.Served, body io.Reader, h apitest.Header) apitest.Answer {
	t.Helper()
	req, err := http.NewRequest("PUT", "http://api.test"+bundlePath, body)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Token "+apitest.Token)
	req.Header.Set("Content-Type", "application/zip")
	for name, value := range h {
		req.Header.Set(name, value)
	}
	resp, err := ts.Client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return apitest.Answer{Status: resp.StatusCode, Header: resp.Header, Body: string(text)}
}

// wantNothingSpooled expects that no upload is on disk, nor any file of one.
func wantNothingSpooled(t *testing.T, ts *apitest.Served, dir string) {
	t.Helper()
	apitest.Eventually(t, func() bool { _, n := ts.Spooled(); return n == 0 })
	if n, _ := ts.Spooled(); n != 0 {
		t.Errorf("%d bytes are spooled", n)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(files) > 0 {
		t.Errorf("%v is left, %v", files, err)
	}
}

// An uploaded bundle reaches the engine byte for byte, whatever its size and however it is sent.
func TestBundlesAreUploaded(t *testing.T) {
	t.Parallel()
	fake, dir := apitest.FullFake(), t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "upload-of-a-killed-process"), []byte("PK"), 0o600); err != nil {
		t.Fatal(err)
	}
	ts := apitest.Start(t, fake, func(o *httpapi.Options) { o.SpoolDir = dir })
	for _, size := range []int{2, 8191, 8192, 8193, 70_000, 1<<20 + 1} {
		for _, chunked := range []bool{false, true} {
			content := zipBytes(size)
			var body io.Reader = bytes.NewReader(content)
			if chunked {
				body = io.MultiReader(body)
			}
			fake.Renew(nil)
			a := put(t, ts, body, apitest.Header{"Idempotency-Key": "k"})
			if a.Status != 200 || a.Body != strconv.Quote(apitest.ID) {
				t.Fatalf("%d bytes, chunked %t: %d %s", size, chunked, a.Status, a.Body)
			}
			u, got := fake.Updated[0], fake.Uploads[0]
			if !bytes.Equal(got, content) || u.Bundle.ID != sha256.Sum256(content) || u.Bundle.Bytes != int64(size) {
				t.Errorf("%d bytes, chunked %t: came as %d, %v", size, chunked, len(got), u.Bundle.Bundle)
			}
			if u.Tenant != runtime.DefaultTenant || u.Name != "hello" || !u.Create || u.IdempotencyKey != "k" || u.UserID == "" || u.Source != nil || u.Context != nil {
				t.Errorf("%+v", u)
			}
		}
	}
	wantNothingSpooled(t, ts, dir)
	// Proxies and clients call the type by other names, or by none.
	for kind, status := range map[string]int{
		"application/zip; x=y": 200, "Application/ZIP": 200, "application/x-zip-compressed": 200,
		"application/json": 415, "text/plain": 415, "multipart/form-data; boundary=x": 415, "application/octet-stream": 415, "application/x-www-form-urlencoded": 415,
	} {
		if a := put(t, ts, bytes.NewReader(zipBytes(100)), apitest.Header{"Content-Type": kind}); a.Status != status {
			t.Errorf("%s: %d %s", kind, a.Status, a.Body)
		}
	}
	if a := ts.Do(t, "PUT", bundlePath, "PK", apitest.Header{"Content-Type": ""}); a.Status != 200 {
		t.Errorf("without a type: %d %s", a.Status, a.Body)
	}
	apitest.WantError(t, put(t, ts, bytes.NewReader(zipBytes(100)), apitest.Header{"Content-Encoding": "gzip"}), 415, "unsupported_media_type")
	apitest.WantError(t, ts.Do(t, "PUT", "/v1/functions/.x/bundle", "PK", nil), 400, "invalid_argument")
	wantNothingSpooled(t, ts, dir)
}

// The query of a bundle sets what belongs to it, without the context, and nothing that it does not know.
func TestBundlesHaveSettings(t *testing.T) {
	t.Parallel()
	fake, dir := apitest.FullFake(), t.TempDir()
	ts := apitest.Start(t, fake, func(o *httpapi.Options) { o.SpoolDir = dir })
	zip := apitest.Header{"Content-Type": "application/zip"}
	a := ts.Do(t, "PUT", bundlePath+"/?timeout=2.5&memory=256&retries=0", "PK", zip)
	if a.Status != 200 {
		t.Fatalf("%d %s", a.Status, a.Body)
	}
	u := fake.Updated[0]
	if u.Timeout == nil || *u.Timeout != 2500*time.Millisecond || u.Memory == nil || *u.Memory != 256*runtime.MiB || u.Retries == nil || *u.Retries != 0 || u.Context != nil {
		t.Errorf("%+v", u)
	}
	for query, want := range map[string][]string{
		"allow=": {}, "allow": {}, "allow=a.example:443": {"a.example:443"},
		"allow=%2A.example.com%3A443&memory=256&allow=udp:10.0.0.0/8:53": {"*.example.com:443", "udp:10.0.0.0/8:53"},
	} {
		fake.Renew(nil)
		if a := ts.Do(t, "PUT", bundlePath+"?"+query, "PK", zip); a.Status != 200 {
			t.Errorf("%s: %d %s", query, a.Status, a.Body)
		} else if u := fake.Updated[0]; u.Allow == nil || !slices.Equal(u.Allow, want) || (u.Memory != nil) != strings.Contains(query, "memory") {
			t.Errorf("%s: %+v", query, u)
		}
	}
	for _, query := range []string{"", "?", "?&&"} {
		fake.Renew(nil)
		if a := ts.Do(t, "PUT", bundlePath+query, "PK", zip); a.Status != 200 {
			t.Errorf("%s: %d %s", query, a.Status, a.Body)
		} else if u := fake.Updated[0]; u.Timeout != nil || u.Memory != nil || u.Retries != nil || u.Allow != nil {
			t.Errorf("%s: %+v", query, u)
		}
	}
	fake.Renew(nil)
	for _, query := range []string{
		"timeout=", "timeout", "timeout=NaN", "timeout=Inf", "timeout=0x1p3", "timeout=1_0", "timeout=1e999", "timeout=-1", "timeout=0", "timeout=null",
		"timeout=true", "timeout=[5]", "timeout=+5", "timeout=5&timeout=5", "timeout=86401", "timeout=5s", `timeout="5"`, "timeout=%22%5c", "timeout=%ff",
		"memory=63", "memory=1e30", "memory=", "retries=11", "retries=-1", "retries=1.5", "retries=1e30",
		"name=other", "code=x", "Timeout=5", "create=1", "context=", "context=key%3Dhidden", "context={\"key\":\"hidden\"}", "x=hidden",
		"allow=a.example", "allow=a.example:443&allow=", "allow=&allow=", "allow=%ff", "allow=[]", "Allow=a.example:443", strings.Repeat("allow=a.example:443&", 101),
		strings.Repeat("a=1&", 400), "timeout=" + strings.Repeat("9", 3000), strings.Repeat("[", 3000),
	} {
		a := ts.Do(t, "PUT", bundlePath+"?"+strings.ReplaceAll(query, `"`, "%22"), "PK", zip)
		if apitest.WantError(t, a, 400, "invalid_argument"); strings.Contains(a.Body, "hidden") || len(a.Body) > 4000 {
			t.Errorf("%s: %s", query, a.Body)
		}
	}
	if len(fake.Updated) != 0 {
		t.Errorf("%d were deployed", len(fake.Updated))
	}
	wantNothingSpooled(t, ts, dir)
}

// A bundle that says that it is too large is refused before it is sent, with the hint for bundles.
func TestLargeBundlesAreNotSent(t *testing.T) {
	t.Parallel()
	ts := apitest.StartTCP(t, apitest.FullFake(), nil)
	for _, expect := range []string{"", "Expect: 100-continue\r\n"} {
		conn := apitest.DialRaw(t, ts.Addr)
		conn.Send(t, apitest.BundleLine+expect+fmt.Sprintf("Content-Length: %d\r\n\r\n", runtime.MaxBundle+1))
		got, _ := conn.Answers(t, -1)
		if len(got) != 1 {
			t.Fatalf("got %+v", got)
		}
		if hint, _ := apitest.WantError(t, got[0], 413, "too_large")["hint"].(string); !strings.Contains(hint, "leave out") {
			t.Errorf("the hint for a bundle is %q", hint)
		}
	}
}

// A bundle that is too large, and that does not say so before, is refused, and leaves nothing.
func TestLargeBundlesAreRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ts := apitest.StartTCP(t, apitest.FullFake(), func(o *httpapi.Options) { o.SpoolDir = dir })
	conn := apitest.DialRaw(t, ts.Addr)
	conn.Send(t, apitest.BundleLine+"Transfer-Encoding: chunked\r\n\r\n"+strconv.FormatInt(runtime.MaxBundle+1, 16)+"\r\n")
	piece := string(zipBytes(1 << 20))
	for range runtime.MaxBundle / len(piece) {
		conn.Send(t, piece)
	}
	conn.Send(t, "x\r\n0\r\n\r\n")
	got, closed := conn.Answers(t, -1)
	if len(got) != 1 || !closed {
		t.Fatalf("got %+v, closed %v", got, closed)
	}
	if hint, _ := apitest.WantError(t, got[0], 413, "too_large")["hint"].(string); !strings.Contains(hint, "leave out") {
		t.Errorf("the hint for a bundle is %q", hint)
	}
	wantNothingSpooled(t, ts, dir)
}

// An upload that ends early is refused, and leaves nothing.
func TestUploadsThatEndEarly(t *testing.T) {
	t.Parallel()
	dir, fake := t.TempDir(), apitest.FullFake()
	ts := apitest.StartTCP(t, fake, func(o *httpapi.Options) { o.SpoolDir = dir })
	for _, begin := range []string{"Content-Length: 900000\r\n\r\n" + beginning, "Transfer-Encoding: chunked\r\n\r\n2328\r\n" + beginning} {
		conn := apitest.DialRaw(t, ts.Addr)
		conn.Send(t, apitest.BundleLine+begin)
		apitest.Eventually(t, func() bool { _, n := ts.Spooled(); return n == 1 })
		if err := conn.Close(); err != nil {
			t.Fatal(err)
		}
		wantNothingSpooled(t, ts, dir)
	}
	if len(fake.Updated) != 0 {
		t.Errorf("%d were deployed", len(fake.Updated))
	}
}

// tokenTenants takes each token for the name of a tenant.
type tokenTenants struct{}

func (tokenTenants) Authenticate(token []byte) (*runtime.Identity, error) {
	return &runtime.Identity{Tenant: runtime.Tenant(token), UserID: "ada", Scope: runtime.ScopeAdmin}, nil
}

func (tokenTenants) AuthenticateHash([sha256.Size]byte) (*runtime.Identity, error) {
	return nil, runtime.InvalidTokenError()
}

// Uploads in progress are bounded, whatever tenants do: those that upload as much as they can leave room
// for others. Their places are free again when they end.
func TestUploadsAreBounded(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ts := apitest.StartTCP(t, apitest.FullFake(), func(o *httpapi.Options) { o.SpoolDir, o.Auth = dir, tokenTenants{} })
	upload := func(token string, size int) *apitest.RawConn {
		t.Helper()
		conn := apitest.DialRaw(t, ts.Addr)
		line := strings.Replace(apitest.BundleLine, apitest.AuthLine, "Authorization: Token "+token+"\r\n", 1)
		conn.Send(t, line+fmt.Sprintf("Content-Length: %d\r\n\r\n%s", size, beginning))
		return conn
	}
	refused := func(token string, size int) {
		t.Helper()
		got, _ := upload(token, size).Answers(t, 1)
		if len(got) != 1 {
			t.Fatal("no answer")
		}
		if apitest.WantError(t, got[0], 429, "too_busy"); got[0].Header.Get("Retry-After") == "" {
			t.Error("no Retry-After")
		}
	}
	for _, step := range []struct {
		size int   // bytes of each upload
		most []int // of the first tenant, of the second one, ...
		rest int   // bytes of an upload of one more tenant
	}{
		{runtime.MaxBundle, []int{5, 2, 1, 1}, 30 * runtime.MiB},
		{70_000, []int{32, 16, 8, 4, 2, 1}, 1}, // the 64th place is for none
	} {
		var all []*apitest.RawConn
		held := 0
		for i, most := range step.most {
			tenant := fmt.Sprint("tenant", i)
			for range most {
				all = append(all, upload(tenant, step.size))
				held += step.size
			}
			apitest.Eventually(t, func() bool { _, n := ts.Spooled(); return n == len(all) })
			refused(tenant, step.size)
		}
		if step.rest > 1 {
			all = append(all, upload("another", step.rest))
			held += step.rest
			apitest.Eventually(t, func() bool { _, n := ts.Spooled(); return n == len(all) })
		}
		if n, _ := ts.Spooled(); n != int64(held) || n > web.MaxSpooled {
			t.Errorf("%d bytes may be spooled", n)
		}
		for _, conn := range all {
			if err := conn.Close(); err != nil {
				t.Fatal(err)
			}
		}
		wantNothingSpooled(t, ts, dir)
	}
}

// While the disk is nearly full no upload is written to it, also if it fills up in the middle of one.
func TestUploadsOnAFullDisk(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var checks, full atomic.Int64 // the disk is full after so many checks
	ts := apitest.StartTCP(t, apitest.FullFake(), func(o *httpapi.Options) {
		o.SpoolDir = dir
		o.Ready = func() error {
			if checks.Add(1) > full.Load() {
				return runtime.Errorf(runtime.CodeUnavailable, "the disk is nearly full")
			}
			return nil
		}
	})
	content := zipBytes(2 << 20)
	for n := range int64(5) {
		full.Store(n)
		checks.Store(0)
		apitest.WantError(t, put(t, ts, bytes.NewReader(content), nil), 503, "unavailable")
		wantNothingSpooled(t, ts, dir)
	}
	full.Store(1000)
	if a := put(t, ts, bytes.NewReader(content), nil); a.Status != 200 {
		t.Errorf("%d %s", a.Status, a.Body)
	}
}

// A folder that cannot be written is reported without its path.
func TestUploadsWithoutAFolder(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "file", "spool")
	if err := os.WriteFile(filepath.Dir(dir), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	ts := apitest.Start(t, apitest.FullFake(), func(o *httpapi.Options) { o.SpoolDir = dir })
	a := put(t, ts, bytes.NewReader(zipBytes(100)), nil)
	if apitest.WantError(t, a, 500, "internal"); strings.Contains(a.Body, dir) {
		t.Errorf("%s", a.Body)
	}
	if _, n := ts.Spooled(); n != 0 {
		t.Errorf("%d uploads are held", n)
	}
}

// A bundle comes back as it was deployed, and only the connection breaks if it cannot be read to its
// end.
func TestBundlesAreDownloaded(t *testing.T) {
	t.Parallel()
	fake := apitest.FullFake()
	ts := apitest.StartTCP(t, fake, nil)
	for _, size := range []int{2, 4096, 4097, 3<<20 + 5} {
		fake.Renew(func(f *apitest.Fake) { f.Zip = zipBytes(size) })
		a := ts.Do(t, "GET", bundlePath, "", nil)
		if a.Status != 200 || a.Body != string(zipBytes(size)) || a.Header.Get("Content-Type") != "application/zip" {
			t.Errorf("%d bytes: %d, %d bytes of %s", size, a.Status, len(a.Body), a.Header.Get("Content-Type"))
		}
		if tag := fmt.Sprintf("%q", runtime.BundleID(sha256.Sum256(zipBytes(size))).String()); a.Header.Get("Etag") != tag {
			t.Errorf("ETag %s, want %s", a.Header.Get("Etag"), tag)
		}
		tag := a.Header.Get("Etag")
		for match, status := range map[string]int{
			tag: 304, "W/" + tag: 304, `"x", ` + tag: 304, "*": 304, `"x"`: 200, strings.Trim(tag, `"`): 200, "": 200, tag + "x": 200,
		} {
			for _, method := range []string{"GET", "HEAD"} {
				b := ts.Do(t, method, bundlePath, "", apitest.Header{"If-None-Match": match})
				if b.Status != status || status == 304 && (b.Body != "" || b.Header.Get("Etag") != tag) {
					t.Errorf("%s, If-None-Match %s: %d, %d bytes", method, match, b.Status, len(b.Body))
				}
			}
		}
		head := ts.Do(t, "HEAD", bundlePath, "", nil)
		if head.Status != 200 || head.Body != "" || head.Header.Get("Content-Length") != strconv.Itoa(size) || head.Header.Get("Etag") != a.Header.Get("Etag") {
			t.Errorf("HEAD of %d bytes: %+v", size, head)
		}
	}
	// A client that leaves ends the reading: the end of the tests checks that no goroutine is left.
	conn := apitest.DialRaw(t, ts.Addr)
	conn.Send(t, "GET "+bundlePath+" HTTP/1.1\r\nHost: a\r\n"+apitest.AuthLine+"\r\n")
	if _, err := conn.Read(make([]byte, 10)); err != nil {
		t.Fatal(err)
	}
	if err := conn.Close(); err != nil {
		t.Fatal(err)
	}
	fake.Renew(func(f *apitest.Fake) { f.Zip = nil })
	a := ts.Do(t, "GET", bundlePath, "", nil)
	if apitest.WantError(t, a, 404, "not_found"); a.Object(t)["hint"] == nil {
		t.Error("no hint")
	}
}
