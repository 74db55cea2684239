package replogtest

import (
	"errors"
	"fmt"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/faaspot/faaspot/storage/replog"
)

// call is an operation of a history: an append behind a sequence, or a look at one.
type call struct {
	get bool
	seq uint64 // of the record
	id  string // that is appended
}

type answer struct {
	unknown bool   // until the log is read in the end
	failed  bool   // a conflict, or absent
	id      string // that was found
}

// contents is the state of a log. It is never changed.
type contents struct {
	ids []string
	sum uint64 // a hash of all ids
}

func (c contents) with(id string) contents {
	h := fnv.New64a()
	fmt.Fprintf(h, "%d %s", c.sum, id)
	return contents{append(slices.Clip(c.ids), id), h.Sum64()}
}

// register is the model of a log: records are put behind its end, and found at their places.
var register = porcupine.NondeterministicModel{
	Init: func() []any { return []any{contents{}} },
	Step: func(state, input, output any) (next []any) {
		s, in, out := state.(contents), input.(call), output.(answer)
		end := uint64(len(s.ids))
		switch {
		case in.get && out.failed && in.seq > end, in.get && !out.failed && in.seq <= end && s.ids[in.seq-1] == out.id:
			return []any{s}
		case in.get:
			return nil
		}
		if out.failed {
			next = append(next, s)
		}
		if !out.failed && in.seq == end+1 {
			next = append(next, s.with(in.id))
		}
		return next
	},
	Equal: func(a, b any) bool {
		return len(a.(contents).ids) == len(b.(contents).ids) && a.(contents).sum == b.(contents).sum
	},
	DescribeOperation: func(input, output any) string { return fmt.Sprintf("%+v -> %+v", input, output) },
}

// isLinearizable checks that random appends and looks of several clients have the results that they would
// have one after the other. An append whose outcome is not known may take effect at any later time.
func isLinearizable(t *testing.T, client func() replog.Log, operations int) {
	if operations == 0 {
		operations = 2000
	}
	const clients = 4
	var mu sync.Mutex
	var history []porcupine.Operation
	begin := time.Now()
	var wg sync.WaitGroup
	for n := range clients {
		l := client()
		rng := rand.New(rand.NewPCG(uint64(n), 6))
		wg.Go(func() {
			end := uint64(0) // that this client knows of
			add := func(in call, began int64, out answer) {
				until := time.Since(begin).Nanoseconds()
				if out.unknown {
					until = math.MaxInt64
				}
				mu.Lock()
				defer mu.Unlock()
				history = append(history, porcupine.Operation{ClientId: len(history), Input: in, Call: began, Output: out, Return: until})
			}
			for i := 0; i < operations/clients; i++ {
				began := time.Since(begin).Nanoseconds()
				if rng.IntN(3) == 0 {
					in := call{get: true, seq: 1 + rng.Uint64N(end+2)}
					record, err := l.Get(t.Context(), in.seq)
					if err == nil {
						end = max(end, in.seq)
					}
					add(in, began, answer{id: string(record), failed: errors.Is(err, replog.ErrAbsent), unknown: err != nil && !errors.Is(err, replog.ErrAbsent)})
					continue
				}
				if rng.IntN(4) == 0 {
					if known, err := l.End(t.Context()); err == nil {
						end = max(end, known)
					}
					began = time.Since(begin).Nanoseconds()
				}
				// A few at once, as a writer sends them.
				var ins []call
				var waits []func() error
				for j := range 1 + rng.Uint64N(4) {
					in := call{seq: end + 1 + j, id: strconv.Itoa(n) + "-" + strconv.Itoa(i)}
					ins = append(ins, in)
					waits = append(waits, l.Append(t.Context(), in.seq-1, []byte(in.id)))
					i++
				}
				for j, wait := range waits {
					err := wait()
					if err == nil {
						end = max(end, ins[j].seq)
					}
					add(ins[j], began, answer{failed: errors.Is(err, replog.ErrConflict), unknown: err != nil && !errors.Is(err, replog.ErrConflict)})
				}
			}
		})
	}
	wg.Wait()
	check(t, settle(t, client(), history, func() int64 { return time.Since(begin).Nanoseconds() }))
}

// settle reads the whole log in the end, and returns the history with these reads and without unknown
// outcomes: an append whose record is there has stored it, and one whose record is not there has done
// nothing before. A search that had to try both for each would take exponential time.
func settle(t *testing.T, l replog.Log, history []porcupine.Operation, now func() int64) []porcupine.Operation {
	t.Helper()
	end, err := l.End(t.Context())
	for tries := 0; err != nil && tries < 100; tries++ { // a faulty log may not answer
		end, err = l.End(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	ids, enough := make(map[string]uint64), errors.New("enough")
	if end > 0 {
		began := now()
		err := l.Read(t.Context(), 0, func(seq uint64, record []byte) error {
			id := string(record)
			ids[id] = seq
			history = append(history, porcupine.Operation{ClientId: len(history), Input: call{get: true, seq: seq}, Call: began, Output: answer{id: id}, Return: now()})
			if seq == end {
				return enough
			}
			return nil
		})
		if !errors.Is(err, enough) {
			t.Fatal(err)
		}
	}
	known := history[:0]
	unknown := 0
	for _, o := range history {
		in := o.Input.(call)
		if o.Output.(answer).unknown {
			unknown++
			if in.get || ids[in.id] != in.seq {
				continue
			}
			o.Output, o.Return = answer{}, now()
		}
		known = append(known, o)
	}
	t.Logf("%d of %d outcomes were unknown", unknown, len(history))
	return known
}

// check checks a history of appends and looks.
func check(t *testing.T, history []porcupine.Operation) {
	t.Helper()
	stored := 0
	for _, o := range history {
		if !o.Input.(call).get && !o.Output.(answer).failed {
			stored++
		}
	}
	t.Logf("%d operations, %d records stored", len(history), stored)
	if stored < len(history)/20 {
		t.Errorf("only %d of %d operations have stored a record: they show nothing", stored, len(history))
	}
	switch porcupine.CheckOperationsTimeout(register.ToModel(), history, 2*time.Minute) {
	case porcupine.Illegal:
		t.Error("the history is not that of a log")
	case porcupine.Unknown:
		t.Error("the check has taken too long")
	}
}
