package mem_test

import (
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/faaspot/faaspot/storage/replog"
	"github.com/faaspot/faaspot/storage/replog/mem"
	"github.com/faaspot/faaspot/storage/replog/replogtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestLog(t *testing.T) {
	replogtest.Run(t, replogtest.Driver{New: func(*testing.T) func() replog.Log { return mem.New().Client }, Operations: 10_000})
}

// With faults of all kinds, a log is still one, and writers that look before they repeat lose nothing and
// write nothing twice.
func TestFaults(t *testing.T) {
	for seed := range uint64(8) {
		replogtest.RunFaulty(t, replogtest.Driver{New: func(*testing.T) func() replog.Log {
			l := mem.New()
			return func() replog.Log { return mem.WithFaults(l.Client(), mem.RandomFaults(seed, 20, 200*time.Microsecond)) }
		}})
	}
}
