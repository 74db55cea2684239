package mem_test

import (
	"math/rand/v2"
	"sync"
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

// chaos returns faults of all kinds for one call in twenty.
func chaos(seed uint64) func(mem.Op) mem.Fault {
	var mu sync.Mutex
	rng := rand.New(rand.NewPCG(seed, 1))
	return func(mem.Op) mem.Fault {
		mu.Lock()
		defer mu.Unlock()
		if rng.IntN(20) > 0 {
			return mem.Fault{}
		}
		return mem.Fault{Kind: mem.FaultKind(rng.IntN(5)), Delay: time.Duration(rng.IntN(200)) * time.Microsecond}
	}
}

// With faults of all kinds, a log is still one, and writers that look before they repeat lose nothing and
// write nothing twice.
func TestFaults(t *testing.T) {
	for seed := range uint64(8) {
		replogtest.RunFaulty(t, replogtest.Driver{New: func(*testing.T) func() replog.Log {
			l := mem.New()
			return func() replog.Log { return mem.WithFaults(l.Client(), chaos(seed)) }
		}})
	}
}
