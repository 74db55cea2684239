//go:build linux

package cpython

import (
	"context"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/faaspot/faaspot/test/process"
)

var (
	only    = flag.String("modules", "", "run the modules whose names are listed, separated by commas")
	all     = flag.Bool("all", false, "run all modules")
	native  = flag.String("native", "", "path of a native Python of the same source: run there")
	resume  = flag.Bool("resume", false, "take the outcomes of an earlier run of a module where they are stored")
	libFlag = flag.String("lib", "", "Lib/test")
)

const cache = "../../.cache/cpython"

func TestMain(m *testing.M) { process.Main(m) }

func TestCPython(t *testing.T) {
	selections, err := ReadModules("modules.txt")
	if err != nil {
		t.Fatal(err)
	}
	var chosen []Selection
	names := map[string]bool{}
	for _, n := range strings.Split(*only, ",") {
		names[n] = true
	}
	for _, s := range selections {
		if s.Omitted == "" && (*all || s.Always || names[s.Name]) {
			chosen = append(chosen, s)
		}
	}
	var run runner
	kind := "guest"
	if *native != "" {
		kind = "native"
		run = inNative(*native, t.TempDir())
	} else {
		server := process.NewSite(t, "--memory-budget", "2600MB").Serve(t)
		server.Deploy(t, functionName, driver, "memory", runMemory, "timeout", runTimeout)
		run = inGuest(server.Client)
	}
	work := make(chan Selection)
	var workers sync.WaitGroup
	for range parallelRuns {
		workers.Go(func() {
			for s := range work {
				path := filepath.Join(cache, kind, s.Name+".json")
				if *resume {
					if _, err := os.Stat(path); err == nil {
						continue
					}
				}
				m, err := runModule(context.Background(), run, *libFlag, s)
				if err != nil {
					t.Error(err)
					continue
				}
				text, _ := json.MarshalIndent(m, "", " ")
				_ = os.MkdirAll(filepath.Dir(path), 0o755)
				if err := os.WriteFile(path, text, 0o644); err != nil {
					t.Error(err)
				}
				c := m.Count()
				t.Logf("%s: %d passed, %d failed, %d skipped", s.Name, c.Passed, c.Failed, c.Skipped)
			}
		})
	}
	for _, s := range chosen {
		work <- s
	}
	close(work)
	workers.Wait()
}
