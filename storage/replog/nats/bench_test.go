package nats_test

import (
	"crypto/rand"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/faaspot/faaspot/runtime/cluster/key"
)

// tick is the length of a tick of the processor times in /proc, in milliseconds.
const tick = 10

// used returns the processor time of servers, in milliseconds; zero on systems without /proc.
func used(servers []*process) (ms float64) {
	for _, s := range servers {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", s.cmd.Process.Pid))
		if err != nil {
			return 0
		}
		fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
		for _, field := range fields[11:13] {
			n, err := strconv.ParseFloat(field, 64)
			if err != nil {
				return 0
			}
			ms += n * tick
		}
	}
	return ms
}

// BenchmarkAppend measures appends to three servers in processes of their own, with some in flight.
func BenchmarkAppend(b *testing.B) {
	var servers []*process
	var addresses []string
	for _, o := range configurations(b, 3, key.Key{}) {
		servers = append(servers, startProcess(b, o))
		addresses = append(addresses, o.Listen)
	}
	for _, c := range []struct{ kib, inFlight int }{{16, 1}, {64, 1}, {256, 4}} {
		b.Run(fmt.Sprintf("%dKiB-x%d", c.kib, c.inFlight), func(b *testing.B) {
			l := open(b, options(addresses))
			defer l.Close()
			record := make([]byte, c.kib<<10)
			if _, err := rand.Read(record); err != nil {
				b.Fatal(err)
			}
			b.SetBytes(int64(len(record)))
			at, trimmed := uint64(0), uint64(0)
			before := used(servers)
			var waits []func() error
			settle := func(rest int) {
				for len(waits) > rest {
					if err := waits[0](); err != nil {
						b.Fatal(err)
					}
					waits = waits[1:]
				}
			}
			for b.Loop() {
				waits = append(waits, l.Append(b.Context(), at, record))
				at++
				settle(c.inFlight - 1)
				if keep := uint64(64<<20) / uint64(len(record)); at > trimmed+2*keep {
					trimmed = at - keep
					if err := l.Trim(b.Context(), trimmed); err != nil {
						b.Fatal(err)
					}
				}
			}
			settle(0)
			b.ReportMetric((used(servers)-before)/float64(at), "engine-ms/op")
		})
	}
}
