package sandbox

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/memory"
)

// ballast is the module body of a function whose image takes about n MB.
func ballast(n int) string {
	return fmt.Sprintf("rows = [{'id': i, 'name': 'row %%d' %% i} for i in range(%d)]\n", n*4000) + hello
}

// BenchmarkImages calls a number of functions at random, several at once, on as many slots as a
// server with two processors keeps: the cost of a run whose slot mostly has another image loaded.
func BenchmarkImages(b *testing.B) {
	for _, c := range []struct {
		name      string
		functions int
		source    string
	}{
		{"1 trivial", 1, hello},
		{"1000 trivial", 1000, hello},
		{"1 of 22 MB", 1, ballast(22)},
		{"10 of 6 MB", 10, ballast(6)},
		{"200 of 6 MB", 200, ballast(6)},
		{"50 of 40 MB", 50, ballast(40)},
	} {
		b.Run(c.name, func(b *testing.B) {
			box := openBox(b, Options{IdleSlots: 16, Memory: memory.New(8<<30, nil)})
			var programs []runtime.Program
			for range c.functions {
				programs = append(programs, deployed(b, box, c.source, runtime.Limits{}))
			}
			before := cpuTime(b)
			b.ResetTimer()
			b.SetParallelism(4)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					p := programs[rand.IntN(len(programs))]
					outcome, err := box.Run(context.Background(), runtime.RunCall{Program: p, Args: helloArgs, Context: noContext})
					if err != nil || outcome.Failure != nil {
						b.Error(outcome, err)
						return
					}
				}
			})
			b.ReportMetric(float64(cpuTime(b)-before)/float64(b.N), "cpu-ns/op")
		})
	}
}

// cpuTime returns the processor time that the process has used, in nanoseconds. It is steadier than
// the time of the clock on a busy machine.
func cpuTime(b *testing.B) int64 {
	var usage unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return usage.Utime.Nano() + usage.Stime.Nano()
}
