package sandbox

import (
	"context"
	"flag"
	goruntime "runtime"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"
	"golang.org/x/sys/unix"

	"github.com/faaspot/faaspot/runtime"
)

var (
	hogTime = flag.Duration("hogtime", time.Second, "how long BenchmarkHogs lets each program run")
	hogOnly = flag.String("hogs", "", "comma-separated names of the programs that BenchmarkHogs runs; empty: all")
)

// hogMemory is the memory limit of each program in bytes: enough that most of them work on data
// that no cache holds.
const hogMemory = 512 * runtime.MiB

// BenchmarkHogs runs each program of testdata/hogs.txtar until its deadline, and reports the
// longest stretch between two of its yields: in processor time of its thread (gap-cpu-ms), which
// the instrumenter is responsible for, and in wall time (gap-ms), which includes other work of the
// machine.
//
//	go test -run '^$' -bench Hogs -benchtime 1x
func BenchmarkHogs(b *testing.B) {
	defer debug.SetGCPercent(debug.SetGCPercent(GCPercent)) // as in a server
	// Open a box of its own, because the benchmark replaces the clock of its processors.
	box, err := Open(context.Background(), Options{Processors: 1})
	if err != nil {
		b.Fatal(err)
	}
	defer box.Close()
	var gaps gapMeter
	box.processors.now = gaps.now

	archive, err := txtar.ParseFile("testdata/hogs.txtar")
	if err != nil {
		b.Fatal(err)
	}
	module := string(archive.Files[0].Data)
	for _, file := range archive.Files[1:] {
		if *hogOnly != "" && !strings.Contains(","+*hogOnly+",", ","+file.Name+",") {
			continue
		}
		source := module + "def main(args, context):\n" + indent(string(file.Data))
		b.Run(strings.ReplaceAll(file.Name, "/", "_"), func(b *testing.B) { gaps.bench(b, box, source) })
	}
}

func indent(text string) string {
	return "    " + strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n    ") + "\n"
}

// bench runs a program once per iteration.
func (m *gapMeter) bench(b *testing.B, box *Sandbox, source string) {
	// The kernel counts processor time per thread.
	goruntime.LockOSThread()
	defer goruntime.UnlockOSThread()
	p := deployed(b, box, source, runtime.Limits{Memory: hogMemory})
	defer box.Forget(p.FunctionID, p.Version)
	var wall, cpu time.Duration
	yields := 0
	for b.Loop() {
		s, r, done := preparedSlot(b, box, p)
		r.inputs = [3][]byte{noContext, noContext}
		r.deadline = time.Now().Add(*hogTime)
		m.begin()
		s.invoke(context.Background(), &r)
		m.end()
		done()
		wall, cpu, yields = max(wall, m.wall), max(cpu, m.cpu), yields+m.marks
	}
	b.ReportMetric(cpu.Seconds()*1e3, "gap-cpu-ms")
	b.ReportMetric(wall.Seconds()*1e3, "gap-ms")
	b.ReportMetric(float64(yields)/float64(b.N), "yields")
}

// gapMeter is a clock that measures the time between its readings; each checkpoint reads it once.
type gapMeter struct {
	on        bool
	marks     int
	wall, cpu time.Duration // the longest gaps
	lastWall  time.Time
	lastCPU   time.Duration
}

func (m *gapMeter) begin() {
	*m = gapMeter{on: true, lastWall: time.Now(), lastCPU: threadTime()}
}

func (m *gapMeter) end() {
	m.now()
	m.on = false
}

func (m *gapMeter) now() time.Time {
	now := time.Now()
	if m.on {
		cpu := threadTime()
		m.wall, m.cpu = max(m.wall, now.Sub(m.lastWall)), max(m.cpu, cpu-m.lastCPU)
		m.lastWall, m.lastCPU = now, cpu
		m.marks++
	}
	return now
}

// threadTime returns the processor time that the calling thread has used.
func threadTime() time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t); err != nil {
		panic(err)
	}
	return time.Duration(t.Nano())
}
