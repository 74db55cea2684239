//go:build linux

package customers

import (
	"hash/maphash"
	"math"
	"net/http"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/faaspot/faaspot/test/process"
)

// observation is what an answer says of an execution, or of an execution of a job. Executions go on, and never back.
type observation struct {
	rank   int    // how far it has come
	end    uint64 // hash of the final state, 0 before
	cancel bool   // it was cancelled, or this answer belongs to the cancel that has done so
}

// observe returns what is seen of an execution: each attempt is one step further, and so is its loss.
func observe(x *process.Execution, seed maphash.Seed) observation {
	o := observation{rank: 2 * x.Attempts, cancel: x.CancelRequested || x.Changed != nil && *x.Changed}
	switch {
	case x.Done():
		o.rank, o.end = math.MaxInt, maphash.String(seed, withoutArgs(x.Text))
	case x.Status == process.Started:
		o.rank--
	}
	return o
}

// progress is the model of an execution: what was seen must be seen by all that ask later.
var progress = porcupine.Model{
	Init: func() any { return observation{} },
	Step: func(state, _, output any) (bool, any) {
		before, o := state.(observation), output.(observation)
		lostCancel := before.cancel && !o.cancel && o.end == 0
		changed := before.end != 0 && o.end != before.end
		return o.rank >= before.rank && !changed && !lostCancel, o
	},
}

// keyAnswer is an answer to a request with an idempotency key.
type keyAnswer struct {
	kind keyKind
	id   string // of what the answer was first given for
}

type keyKind int

const (
	keyUnknown  keyKind = iota // the answer was lost
	keyFirst                   // the request was accepted
	keyReplayed                // an earlier one was
	keyConflict                // an earlier one, which was another one, was
	keyRefused                 // nothing was accepted
)

// acceptance is the model of a key: what was accepted first is what all get that ask later.
var acceptance = porcupine.Model{
	Init: func() any { return "" },
	Step: func(state, _, output any) (bool, any) {
		id, a := state.(string), output.(keyAnswer)
		switch a.kind {
		case keyFirst:
			return id == "", a.id
		case keyReplayed:
			return id == a.id, id
		case keyConflict:
			return id != "", id
		}
		return true, id
	},
}

// operation returns an answer to a request of the given tick, for a history. Ticks order what one customer has
// received before another has asked. The caller holds the lock.
func (l *ledger) operation(tick int, output any) porcupine.Operation {
	return porcupine.Operation{Call: int64(tick), Output: output, Return: int64(l.tick)}
}

// usedKey records the answer to a request with a key, of the given tick.
func (l *ledger) usedKey(key string, tick int, r process.Reply, ok bool) {
	a := keyAnswer{id: r.Header.Get("X-Execution-Id")}
	if a.id == "" {
		a.id = string(r.Body)
	}
	switch {
	case !ok:
	case r.Replayed():
		a.kind = keyReplayed
	case r.Status == http.StatusConflict:
		a.kind = keyConflict
	case r.Status == http.StatusOK || r.Header.Get("X-Execution-Id") != "":
		a.kind = keyFirst
	default:
		a.kind = keyRefused
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.keys[key] = append(l.keys[key], l.operation(tick, a))
}

// settle returns the history of a key without lost answers. If all answers that came are repetitions, the request that was
// accepted is one without an answer, or one that Go's client has sent again by itself; as far as others can see, it is the
// one that began first. All others have done nothing. A search that had to try all would take exponential time.
func settle(history []porcupine.Operation) (known []porcupine.Operation) {
	first, id, begin := false, "", int64(math.MaxInt64)
	for _, o := range history {
		begin = min(begin, o.Call)
		switch a := o.Output.(keyAnswer); a.kind {
		case keyUnknown:
			continue
		case keyFirst:
			first = true
		case keyReplayed:
			id = a.id
		}
		known = append(known, o)
	}
	if !first && id != "" {
		known = append(known, porcupine.Operation{Call: begin, Output: keyAnswer{keyFirst, id}, Return: math.MaxInt64})
	}
	return known
}

// checkHistories checks the history of each execution, of each key and of each execution of a job.
func (l *ledger) checkHistories() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for id, p := range l.promises {
		l.checkHistory("execution "+id, progress, p.history)
	}
	for id, j := range l.jobs {
		l.checkHistory("execution "+id+" of a job", progress, j.history)
	}
	for key, history := range l.keys {
		l.checkHistory(key, acceptance, settle(history))
	}
}

func (l *ledger) checkHistory(of string, model porcupine.Model, history []porcupine.Operation) {
	const longest = time.Minute
	switch porcupine.CheckOperationsTimeout(model, history, longest) {
	case porcupine.Illegal:
		l.breach("the answers for the %s have no order: %+v", of, history)
	case porcupine.Unknown:
		l.breach("the check of the %d answers for the %s has taken too long", len(history), of)
	}
	if len(history) > 1 {
		l.count["histories with several answers"]++
	}
}
