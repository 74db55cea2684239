//go:build linux

package server

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/test/process"
)

// hostileArgs are bodies of runs, and the status and code of the answer.
var hostileArgs = map[string]struct {
	body   string
	status int
	code   string
}{
	"the largest":        {`{"n":"` + strings.Repeat("x", runtime.MaxArgs-8) + `"}`, http.StatusOK, ""},
	"one byte too large": {`{"n":"` + strings.Repeat("x", runtime.MaxArgs-7) + `"}`, http.StatusRequestEntityTooLarge, "too_large"},
	"blanks too large":   {"{" + strings.Repeat(" ", runtime.MaxArgs) + "}", http.StatusRequestEntityTooLarge, "too_large"},
	"nothing":            {"", http.StatusOK, ""},
	"unusual":            {`{"":"\u0000","__class__":[1e300,-0.0,123456789012345678901234567890],"n":"\ud83d\ude00"}`, http.StatusOK, ""},
	"deep":               {`{"n":` + strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000) + "}", http.StatusBadRequest, "invalid_argument"},
	"deep and open":      {`{"n":` + strings.Repeat(`{"n":`, 100_000), http.StatusBadRequest, "invalid_argument"},
	"a name twice":       {`{"n":1,"\u006e":2}`, http.StatusBadRequest, "invalid_argument"},
	"lone surrogate":     {`{"n":"\ud800"}`, http.StatusBadRequest, "invalid_argument"},
	"not UTF-8":          {"{\"n\":\"\xff\"}", http.StatusBadRequest, "invalid_argument"},
	"coded surrogate":    {"{\"n\":\"\xed\xa0\x80\"}", http.StatusBadRequest, "invalid_argument"},
	"byte order mark":    {"\ufeff{}", http.StatusBadRequest, "invalid_argument"},
	"UTF-16":             {"\xff\xfe{\x00}\x00", http.StatusBadRequest, "invalid_argument"},
	"NUL":                {"{}\x00", http.StatusBadRequest, "invalid_argument"},
	"too large a float":  {`{"n":1e400}`, http.StatusBadRequest, "invalid_argument"},
	"NaN":                {`{"n":NaN}`, http.StatusBadRequest, "invalid_argument"},
	"many digits":        {`{"n":` + strings.Repeat("9", 10_000) + `}`, http.StatusBadRequest, "invalid_argument"},
	"null":               {"null", http.StatusBadRequest, "invalid_argument"},
	"number":             {"42", http.StatusBadRequest, "invalid_argument"},
	"array":              {"[{}]", http.StatusBadRequest, "invalid_argument"},
	"half":               {`{"n":`, http.StatusBadRequest, "invalid_argument"},
	"two":                {`{}{}`, http.StatusBadRequest, "invalid_argument"},
}

// Args that are not strict JSON, too deep or too large are refused before anything runs, whether the
// caller waits or not. Meanwhile a neighbour of another tenant gets its results.
func TestHostileArgs(t *testing.T) {
	t.Parallel()
	server := process.NewSite(t).Serve(t)
	server.Deploy(t, "hash", "def main(args, context): return len(repr(args))\n")
	server.Must(t, "POST", "/v1/tenants/", `{"name":"neighbour"}`)
	made := process.Decode[struct{ Token string }](t, server.Must(t, "POST", "/v1/tokens/", `{"name":"t","scope":"admin","tenant":"neighbour"}`))
	neighbour := process.NewClient(server.Base, made.Token)
	defer neighbour.Close()
	neighbour.Deploy(t, "echo", process.EchoCode)
	stop := make(chan struct{})
	var watching sync.WaitGroup
	watching.Go(func() {
		for n := 0; ; n++ {
			select {
			case <-stop:
				return
			case <-time.After(time.Millisecond):
			}
			r, err := neighbour.Do(t.Context(), "POST", "/v1/sync/functions/echo/rpc/", fmt.Sprintf(`{"n":%d}`, n))
			if want := fmt.Sprintf(`{"n":%d,"square":%d}`, n, n*n); err != nil || string(r.Body) != want {
				t.Errorf("the neighbour got %d %s, %v; want %s", r.Status, r.Body, err, want)
				return
			}
		}
	})

	accepted := 0
	for name, c := range hostileArgs {
		for _, path := range []string{"/v1/sync/functions/hash/rpc/", "/v1/functions/hash/rpc/", "/v1/functions/hash/bulk_rpc/"} {
			body, status, code := c.body, c.status, c.code
			if bulk := strings.Contains(path, "bulk"); bulk && body == "" {
				continue // no item of an array is empty
			} else if bulk {
				body = "[{}," + body + "]"
			}
			r, err := server.Do(t.Context(), "POST", path, body)
			if err != nil || r.Status != status || r.Code() != code || len(r.Body) > 2000 {
				t.Errorf("%s: %s: %d %.300s, %v; want %d %s", name, path, r.Status, r.Body, err, status, code)
			}
			switch {
			case status != http.StatusOK:
			case strings.Contains(path, "bulk"):
				accepted += 2
			default:
				accepted++
			}
		}
	}
	for _, path := range []string{"/v1/sync/functions/hash/rpc/", "/v1/functions/hash/rpc/"} {
		endlessArgs(t, server, path)
	}
	close(stop)
	watching.Wait()
	var ids []string
	process.Until(t, "the accepted runs are listed", func() bool {
		ids = ids[:0]
		for _, x := range server.List(t, map[string][]string{"include_completed": {"1"}}) {
			if x.Kind == "run" {
				ids = append(ids, x.ID)
			}
		}
		return len(ids) >= accepted
	})
	if len(ids) != accepted {
		t.Errorf("%d runs are listed, %d were accepted", len(ids), accepted)
	}
	for _, x := range server.WaitAll(t, ids) {
		if x.Status != process.Success {
			t.Errorf("a run ended as %s", x.Text)
		}
	}
}

// endlessArgs sends bodies that announce more than is allowed, or do not end. Each is refused before the
// server has read it.
func endlessArgs(t *testing.T, server *process.Server, path string) {
	t.Helper()
	head := "POST " + path + " HTTP/1.1\r\nHost: faaspot.test\r\nAuthorization: Token " + server.Token + "\r\n"
	chunk := "10000\r\n" + strings.Repeat(" ", 1<<16) + "\r\n"
	for name, c := range map[string]struct{ head, again string }{
		"100 MB announced": {"Content-Length: 100000000\r\n\r\n", ""},
		"endless chunks":   {"Transfer-Encoding: chunked\r\n\r\n", chunk},
		"a large chunk":    {"Transfer-Encoding: chunked\r\n\r\n7fffffff\r\n", strings.Repeat(" ", 1<<16)},
	} {
		conn, err := net.Dial("tcp", strings.TrimPrefix(server.Base, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		if err := conn.SetDeadline(time.Now().Add(process.Patience)); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(conn, head+c.head); err != nil {
			t.Fatal(err)
		}
		done := make(chan int)
		go func() {
			sent := 0
			for err := error(nil); err == nil && c.again != "" && sent < 100_000_000; sent += len(c.again) {
				_, err = io.WriteString(conn, c.again)
			}
			done <- sent
		}()
		response, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil || response.StatusCode != http.StatusRequestEntityTooLarge {
			t.Errorf("%s: %s: %v, %v", path, name, response, err)
		} else if _, err := io.Copy(io.Discard, response.Body); err != nil && !errors.Is(err, io.EOF) {
			t.Errorf("%s: %s: %v", path, name, err)
		}
		_ = conn.Close()
		if sent := <-done; sent > 4*runtime.MaxArgs {
			t.Errorf("%s: %s: the server has read %d bytes", path, name, sent)
		}
	}
}
