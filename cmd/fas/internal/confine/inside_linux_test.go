//go:build amd64 || arm64

package confine

import (
	"encoding/json"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
)

// taskVar names what a process does in place of the tests: a process that confines itself stays so.
const taskVar = "CONFINE_TEST_TASK"

// site has the folders of a test.
type site struct {
	Data, Outside, Create string
}

// tasks are what a process can do in place of the tests.
var tasks = map[string]func(site) map[string]string{
	"calls":          tryCalls,
	"files":          tryFiles,
	"narrow":         tryNarrow,
	"threads":        tryThreads,
	"crash":          crash,
	"limits":         dumpLimits,
	"low limits":     lowDumpLimits,
	"lacks landlock": lacksLandlock,
	"lacks seccomp":  lacksSeccomp,
	"lacks limits":   lacksLimits,
	"worker":         tryWorker,
	"worker lacks":   tryWorkerLacks,
	"capabilities":   tryCapabilities,
	"spawner":        trySpawner,
	"started":        tryStarted,
}

func TestMain(m *testing.M) {
	name, folders, _ := strings.Cut(os.Getenv(taskVar), " in ")
	task := tasks[name]
	if task == nil {
		os.Exit(m.Run())
	}
	var s site
	if err := json.Unmarshal([]byte(folders), &s); err != nil {
		panic(err)
	}
	if err := json.NewEncoder(os.Stdout).Encode(task(s)); err != nil {
		panic(err)
	}
}

// inside runs a task in a process of its own and returns what it reports.
func inside(t *testing.T, name string, s site) map[string]string {
	t.Helper()
	return insideOf(t, os.Args[0], name, s)
}

// insideOf is inside with another file of this program.
func insideOf(t *testing.T, program, name string, s site) map[string]string {
	t.Helper()
	folders, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program)
	cmd.Env = append(os.Environ(), taskVar+"="+name+" in "+string(folders))
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("the process for %q: %v\n%s", name, err, out)
	}
	report := make(map[string]string)
	if err := json.Unmarshal(out, &report); err != nil {
		t.Fatalf("the process for %q printed %q: %v", name, out, err)
	}
	return report
}

func newSite(t *testing.T) site {
	t.Helper()
	return site{Data: t.TempDir(), Outside: t.TempDir(), Create: t.TempDir()}
}

func (s site) options() Options { return Options{Write: []string{s.Data}, Create: []string{s.Create}} }

// outcome returns what a report says about an error.
func outcome(err error) string {
	if err == nil {
		return "done"
	}
	return err.Error()
}

// needWalls skips a test on kernels on which nothing of it could hold.
func needWalls(t *testing.T) {
	t.Helper()
	if r := inside(t, "threads", newSite(t)); r["missing"] != "" {
		t.Skipf("the kernel lacks a wall: %s", r["missing"])
	}
}

// tryThreads reports what threads that were there before the walls can do behind them.
func tryThreads(s site) map[string]string {
	const threads = 8
	start, ready := make(chan struct{}), make(chan struct{})
	type result struct{ open, exec string }
	results := make(chan result)
	for range threads {
		go func() {
			runtime.LockOSThread()
			ready <- struct{}{}
			<-start
			_, err := os.ReadDir(s.Outside)
			results <- result{outcome(err), execErrno()}
		}()
	}
	for range threads {
		<-ready
	}
	r := Process(s.options())
	close(start)
	report := map[string]string{"missing": ""}
	for _, m := range r.Missing {
		report["missing"] += m.What + ": " + m.Reason.Error() + "\n"
	}
	for range threads {
		got := <-results
		report["open "+got.open] = "seen"
		report["exec "+got.exec] = "seen"
	}
	return report
}

func TestWallsHoldForAllThreads(t *testing.T) {
	needWalls(t)
	s := newSite(t)
	got := inside(t, "threads", s)
	want := []string{"open open " + s.Outside + ": permission denied", "exec operation not permitted"}
	for _, w := range want {
		if got[w] == "" {
			t.Errorf("no thread reports %q: %v", w, got)
		}
	}
	if len(got) != len(want)+1 {
		t.Errorf("the threads differ: %v", got)
	}
}
