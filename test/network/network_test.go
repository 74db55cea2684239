//go:build linux

package network

import (
	"flag"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/faaspot/faaspot/test/process"
)

var native = flag.String("native", "", "path of a native Python 3.13: run the programs by it and rewrite the expected values")

const (
	lockFile    = "packages.txt"
	cache       = "../../.cache/network"
	programsDir = "programs"
	expectedDir = "expected"

	// runs is the number of runs of a program. After three, the server makes a new image of the function,
	// with the modules that those have imported.
	runs          = 4
	nativeTimeout = 2 * time.Minute
)

// services are the kinds of servers, with the programs that use them.
var services = []struct {
	name     string
	start    func(t *testing.T, c certificates) map[string]int // returns the ports by their names in the module servers
	programs []string
}{
	{"web", startWeb, []string{"urllib_client", "requests_client", "requests_kept", "httpx_client", "aiohttp_client"}},
	{"redis", startRedis, []string{"redis_client", "redis_kept", "redis_asyncio"}},
	{"postgres", startPostgres, []string{"pg8000_client", "sqlalchemy_client", "sqlalchemy_kept"}},
	{"mariadb", startMariaDB, []string{"pymysql_client"}},
	{"smtp", startSMTP, []string{"smtplib_client"}},
	{"s3", startS3, []string{"boto3_client", "boto3_kept"}},
	{"websocket", startWebSocket, []string{"websockets_client"}},
	{"nats", startNATS, []string{"nats_client"}},
	{"mqtt", startMQTT, []string{"paho_client"}},
	{"apis", startAPIs, []string{"stripe_client", "twilio_client"}},
}

func TestMain(m *testing.M) { process.Main(m) }

// TestClientsOfPyPI runs each program several times, with and without TLS, and compares what it returns
// with what it returns in native CPython. What a run has connected is gone in the next.
func TestClientsOfPyPI(t *testing.T) {
	if testing.Short() {
		t.Skip("starts database servers")
	}
	install(t)
	packages := wheels(t)
	c := newCertificates(t)
	server := process.NewSite(t, "--memory-budget", "2000MB", "--egress-allow", "127.0.0.1").Serve(t)
	for _, s := range services {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			ports := s.start(t, c)
			for _, name := range s.programs {
				t.Run(name, func(t *testing.T) {
					f := newFunction(t, name, c, ports, packages)
					if *native != "" {
						f.writeExpected(t)
					}
					f.deploy(t, server)
					t.Run("plain", func(t *testing.T) { f.check(t, server, false) })
					if !f.tls {
						return
					}
					t.Run("tls", func(t *testing.T) { f.check(t, server, true) })
				})
			}
		})
	}
}

// TestProgramsRun verifies that each program is run.
func TestProgramsRun(t *testing.T) {
	var named []string
	for _, s := range services {
		named = append(named, s.programs...)
	}
	slices.Sort(named)
	files, err := filepath.Glob(filepath.Join(programsDir, "*.py"))
	if err != nil {
		t.Fatal(err)
	}
	for i, file := range files {
		files[i] = strings.TrimSuffix(filepath.Base(file), ".py")
	}
	if diff := cmp.Diff(files, named); diff != "" {
		t.Errorf("the files (-) and the programs of the services (+) differ:\n%s", diff)
	}
}
