package sandbox

import (
	goruntime "runtime"
	"testing"

	"github.com/faaspot/faaspot/runtime"
)

// BenchmarkSleepers makes 100 runs at once that each sleep for 20 ms, and reports the processor time of
// each.
func BenchmarkSleepers(b *testing.B) {
	box := boxes["mapped"]
	for _, kind := range []struct{ name, source string }{
		{"async", "import asyncio\nasync def main(args, context):\n    await asyncio.sleep(0.02)\n"},
		{"sync", "import time\ndef main(args, context):\n    time.sleep(0.02)\n"},
		{"at once", "import asyncio\nasync def main(args, context):\n    await asyncio.sleep(0)\n"},
	} {
		b.Run(kind.name, func(b *testing.B) {
			p := deployed(b, box, kind.source, runtime.Limits{})
			before := cpuTime(b)
			b.ResetTimer()
			b.SetParallelism(100 / goruntime.GOMAXPROCS(0))
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					outcome, err := box.Run(b.Context(), runtime.RunCall{Program: p, Args: runtime.EmptyObject, Context: runtime.EmptyObject})
					if err != nil || outcome.Failure != nil {
						b.Error(outcome, err)
					}
				}
			})
			b.ReportMetric(float64(cpuTime(b)-before)/float64(b.N), "cpu-ns/op")
		})
	}
}
