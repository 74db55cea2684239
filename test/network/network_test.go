//go:build linux

package network

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/memory"
	"github.com/faaspot/faaspot/runtime/sandbox"
)

const (
	lockFile     = "packages.txt"
	cache        = "../../.cache/network"
	fetchTimeout = 5 * time.Minute
	startTimeout = time.Minute
)

// unavailable skips the test, or fails it in CI.
func unavailable(t *testing.T, format string, args ...any) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatalf(format, args...)
	}
	t.Skipf(format, args...)
}

// wheels returns the paths of the wheels of the lock file.
func wheels(t *testing.T) []string {
	t.Helper()
	lock, err := os.ReadFile(lockFile)
	if err != nil {
		t.Fatal(err)
	}
	wanted := strings.Count(string(lock), "--hash=sha256:")
	matching := func() (list []string) {
		files, _ := filepath.Glob(filepath.Join(cache, "*.whl"))
		for _, file := range files {
			content, err := os.ReadFile(file)
			if err == nil && bytes.Contains(lock, fmt.Appendf(nil, "%x", sha256.Sum256(content))) {
				list = append(list, file)
			}
		}
		return list
	}
	if len(matching()) != wanted {
		ctx, cancel := context.WithTimeout(t.Context(), fetchTimeout)
		defer cancel()
		if out, err := exec.CommandContext(ctx, "../packages/fetch.sh", lockFile, cache).CombinedOutput(); err != nil {
			unavailable(t, "cannot download the packages: %v\n%s", err, out)
		}
	}
	list := matching()
	if len(list) != wanted {
		t.Fatalf("%s has %d wheels of %s, which has %d", cache, len(list), lockFile, wanted)
	}
	return list
}

// store is a source of one bundle.
type store []byte

func (s store) ReadBundle(_ context.Context, _ runtime.Tenant, _ runtime.BundleID, w io.Writer) error {
	_, err := w.Write(s)
	return err
}

// bundle returns a zip of a main.py and the Python files of wheels.
func bundle(t *testing.T, main string, wheels []string) store {
	t.Helper()
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	add := func(name string, content io.Reader) {
		f, err := w.Create(name)
		if err == nil {
			_, err = io.Copy(f, content)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	add(runtime.BundleMain, strings.NewReader(main))
	for _, wheel := range wheels {
		r, err := zip.OpenReader(wheel)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range r.File {
			if strings.HasSuffix(f.Name, ".so") || strings.HasSuffix(f.Name, "/") || strings.HasPrefix(filepath.Base(wheel), "tzdata-") {
				continue
			}
			content, err := f.Open()
			if err != nil {
				t.Fatal(err)
			}
			add(f.Name, content)
			content.Close()
		}
		r.Close()
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// loopback reaches the loopback interface.
type loopback struct{}

var errDenied = runtime.Errorf(runtime.CodePermissionDenied, "the function may not reach this address")

func (loopback) Resolve(_ context.Context, _, host string) ([]netip.Addr, error) {
	if host == "localhost" {
		return []netip.Addr{netip.MustParseAddr("127.0.0.1")}, nil
	}
	return nil, errDenied
}

func (loopback) Check(_ string, to netip.AddrPort) error {
	if !to.Addr().IsLoopback() {
		return errDenied
	}
	return nil
}

func (l loopback) Dial(ctx context.Context, network string, to netip.AddrPort) (runtime.Connection, error) {
	if err := l.Check(network, to); err != nil {
		return nil, err
	}
	c, err := (&net.Dialer{}).DialContext(ctx, network, to.String())
	if err != nil {
		return nil, &runtime.Error{Code: runtime.CodeUnavailable, Message: "the connection failed", Err: err}
	}
	return connection{c}, nil
}

func (loopback) Close() []runtime.Egress { return nil }

type connection struct{ net.Conn }

func (c connection) SyscallConn() (syscall.RawConn, error) {
	return c.Conn.(syscall.Conn).SyscallConn()
}
func (connection) Count(int, int) error         { return nil }
func (connection) CheckServerName(string) error { return nil }
func (loopback) CheckServerName(string) error   { return nil }

// freePort returns a port of the loopback interface that is free.
func freePort(t *testing.T) int {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// start starts a server and waits until it accepts connections.
func start(t *testing.T, port int, cmd *exec.Cmd) {
	t.Helper()
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Start(); err != nil {
		unavailable(t, "cannot start %s: %v", cmd.Path, err)
	}
	exited := make(chan struct{})
	go func() {
		defer close(exited)
		_ = cmd.Wait()
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGINT) // a fast end of both servers
		select {
		case <-exited:
		case <-time.After(20 * time.Second):
			_ = cmd.Process.Kill()
			<-exited
		}
	})
	for end := time.Now().Add(startTimeout); ; time.Sleep(20 * time.Millisecond) {
		if c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
			c.Close()
			return
		}
		select {
		case <-exited:
			t.Fatalf("%s has ended: %s", cmd.Path, output.String())
		default:
		}
		if time.Now().After(end) {
			t.Fatalf("%s accepts no connection: %s", cmd.Path, output.String())
		}
	}
}

// install installs a Debian package if it is missing and this is CI.
func install(t *testing.T, name string) {
	t.Helper()
	if os.Getenv("CI") == "" {
		return
	}
	ctx, cancel := context.WithTimeout(t.Context(), fetchTimeout)
	defer cancel()
	if out, err := exec.CommandContext(ctx, "../packages.sh", name).CombinedOutput(); err != nil {
		t.Fatalf("cannot install %s: %v\n%s", name, err, out)
	}
}

func startRedis(t *testing.T) int {
	install(t, "redis-server")
	path, err := exec.LookPath("redis-server")
	if err != nil {
		unavailable(t, "Redis is missing: test/packages.sh redis-server")
	}
	port := freePort(t)
	start(t, port, exec.Command(path, "--port", strconv.Itoa(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", t.TempDir()))
	return port
}

func startPostgres(t *testing.T) int {
	install(t, "postgresql-15")
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/postgres")
	if len(found) == 0 {
		unavailable(t, "PostgreSQL is missing: test/packages.sh postgresql-15")
	}
	bin := filepath.Dir(found[len(found)-1])
	dir, err := os.MkdirTemp("", "faaspot-postgres-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	command := func(name string, args ...string) *exec.Cmd { return exec.Command(filepath.Join(bin, name), args...) }
	if os.Getuid() == 0 { // as which it refuses to run
		u, err := user.Lookup("postgres")
		if err != nil {
			unavailable(t, "%v", err)
		}
		uid, _ := strconv.Atoi(u.Uid)
		gid, _ := strconv.Atoi(u.Gid)
		if err := os.Chown(dir, uid, gid); err != nil {
			t.Fatal(err)
		}
		as := &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
		plain := command
		command = func(name string, args ...string) *exec.Cmd {
			cmd := plain(name, args...)
			cmd.SysProcAttr, cmd.Dir = as, dir
			return cmd
		}
	}
	secret := filepath.Join(dir, "password")
	if err := os.WriteFile(secret, []byte("secret"), 0o644); err != nil {
		t.Fatal(err)
	}
	data := filepath.Join(dir, "data")
	if out, err := command("initdb", "-D", data, "-U", "user", "--auth", "scram-sha-256", "--pwfile", secret, "--no-sync").CombinedOutput(); err != nil {
		t.Fatalf("initdb: %v\n%s", err, out)
	}
	port := freePort(t)
	start(t, port, command("postgres", "-D", data, "-h", "127.0.0.1", "-p", strconv.Itoa(port), "-k", dir, "-F"))
	return port
}

// clients is main.py: one function for each client, called by its name. Clients at module level connect
// in each run.
const clients = `
import asyncio, functools
import pg8000.dbapi, pg8000.native
import redis, redis.asyncio
import requests

session = requests.Session()
pools = {}

def pool(port):
    return redis.Redis(connection_pool=pools.setdefault(port, redis.ConnectionPool(host="localhost", port=port)), decode_responses=True)

def with_requests(args):
    base = "http://localhost:%d" % args["web"]
    uploaded = session.post(base + "/echo", data=iter([b"one", b"two"]))
    streamed = session.get(base + "/large", stream=True)
    return [
        session.get(base + "/hello", params={"name": "you"}).text, session.get(base + "/moved").text, uploaded.text,
        sum(len(c) for c in streamed.iter_content(65536)), session.get(base + "/none").status_code,
        session.post(base + "/echo", files={"f": ("name", b"content")}).text.count("content"), session.get(base + "/json").json(),
    ]

def with_redis(args):
    with redis.Redis(host="localhost", port=args["redis"], decode_responses=True) as r:
        r.flushall()
        r.set("key", "value")
        with r.pipeline() as p:
            for n in range(1000): p.rpush("list", n)
            p.llen("list")
            length = p.execute()[-1]
        blocked = r.blpop(["none"], timeout=0.05)
        subscriber = r.pubsub()
        subscriber.subscribe("news")
        subscriber.get_message(timeout=5)
        r.publish("news", "hello")
        message = subscriber.get_message(timeout=5)["data"]
        big = "x" * 3_000_000
        r.set("big", big)
        return [r.get("key"), length, blocked, message, r.get("big") == big, pool(args["redis"]).incr("n"), pool(args["redis"]).incr("n")]

def with_async_redis(args):
    async def work():
        async with redis.asyncio.Redis(host="localhost", port=args["redis"], decode_responses=True) as r:
            await asyncio.gather(*(r.set("k%d" % n, n) for n in range(50)))
            values = await asyncio.gather(*(r.get("k%d" % n) for n in range(50)))
            async with r.pubsub() as subscriber:
                await subscriber.subscribe("news")
                await subscriber.get_message(timeout=5)
                await r.publish("news", "hello")
                message = await subscriber.get_message(timeout=5)
            return [sum(map(int, values)), message["data"]]
    return asyncio.run(work())

def with_pg8000(args):
    with pg8000.native.Connection("user", host="localhost", port=args["postgres"], password="secret", database="postgres") as c:
        c.run("CREATE TEMPORARY TABLE t (id serial, name text, at timestamptz, raw bytea)")
        for n in range(50): c.run("INSERT INTO t (name, raw) VALUES (:name, :raw)", name="row %d" % n, raw=bytes([n]) * 5000)
        rows = c.run("SELECT count(*), max(name), sum(length(raw)) FROM t")
        slept = c.run("SELECT 1 FROM pg_sleep(0.05)")
        try: c.run("SELECT nothing")
        except pg8000.native.DatabaseError as e: code = e.args[0]["C"]
        return [rows[0], len(slept), code, len(c.run("SELECT repeat('x', 1000000)")[0][0])]

def with_transactions(args):
    c = pg8000.dbapi.connect(user="user", host="localhost", port=args["postgres"], password="secret", database="postgres")
    cursor = c.cursor()
    cursor.execute("DROP TABLE IF EXISTS kept")
    cursor.execute("CREATE TABLE kept (n int)")
    c.commit()
    cursor.executemany("INSERT INTO kept VALUES (%s)", [(1,), (2,)])
    c.commit()
    cursor.execute("INSERT INTO kept VALUES (3)")
    c.rollback()
    cursor.execute("SELECT sum(n) FROM kept")
    total = cursor.fetchone()[0]
    c.close()
    return total

def main(args, context):
    return globals()[args["client"]](args)
`

// TestClientsOfPyPI runs clients against their servers, three times each: connections that a run has
// made are gone in the next.
func TestClientsOfPyPI(t *testing.T) {
	if testing.Short() {
		t.Skip("starts database servers")
	}
	content := bundle(t, clients, wheels(t))
	mux := http.NewServeMux()
	mux.HandleFunc("/hello", func(w http.ResponseWriter, r *http.Request) { fmt.Fprintf(w, "hello %s", r.URL.Query().Get("name")) })
	mux.HandleFunc("/moved", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/hello?name=moved", http.StatusFound)
	})
	mux.HandleFunc("/echo", func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) })
	mux.HandleFunc("/large", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(bytes.Repeat([]byte("x"), 5_000_000)) })
	mux.HandleFunc("/json", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"n": 1}`) })
	web := httptest.NewServer(mux)
	t.Cleanup(web.Close)
	args := map[string]any{"web": web.Listener.Addr().(*net.TCPAddr).Port, "redis": startRedis(t), "postgres": startPostgres(t)}

	box, err := sandbox.Open(t.Context(), sandbox.Options{Bundles: content, BundleDir: t.TempDir(), Memory: memory.New(2*runtime.GiB, nil)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := box.Close(); err != nil {
			t.Error(err)
		}
	})
	p := runtime.Program{
		Tenant: "t", FunctionID: "f", Version: 1, Name: runtime.BundleMain, Source: []byte(clients),
		Bundle: runtime.Bundle{ID: sha256.Sum256(content), Bytes: int64(len(content))},
		Limits: runtime.Limits{Memory: 512 * runtime.MiB, Timeout: time.Minute},
	}
	if outcome, err := box.Deploy(t.Context(), p); err != nil || outcome.Failure != nil {
		t.Fatalf("deploying: %v %+v\n%s", err, outcome.Failure, outcome.Logs.Data)
	}
	for _, c := range []struct{ client, want string }{
		{"with_requests", `["hello you","hello moved","onetwo",5000000,404,1,{"n":1}]`},
		{"with_redis", `["value",1000,null,"hello",true,1,2]`},
		{"with_async_redis", `[1225,"hello"]`},
		{"with_pg8000", `[[50,"row 9",250000],1,"42703",1000000]`},
		{"with_transactions", `3`},
	} {
		t.Run(c.client, func(t *testing.T) {
			args["client"] = c.client
			text, err := json.Marshal(args)
			if err != nil {
				t.Fatal(err)
			}
			for range 3 {
				outcome, err := box.Run(t.Context(), runtime.RunCall{Program: p, Args: text, Context: runtime.EmptyObject, Network: loopback{}})
				if err != nil || outcome.Failure != nil {
					t.Fatalf("%v %+v\n%s", err, outcome.Failure, outcome.Logs.Data)
				}
				if got := string(outcome.Result); got != c.want {
					t.Errorf("got %s, want %s", got, c.want)
				}
			}
		})
	}
}
