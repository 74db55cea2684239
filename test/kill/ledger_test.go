//go:build linux

package kill

import (
	"encoding/json"
	"fmt"
	"hash/maphash"
	"sync"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/test/process"
)

// ledger is what customers were told by servers that are killed again and again.
// Whatever later servers tell must agree with it.
type ledger struct {
	seed maphash.Seed

	mu       sync.Mutex
	life     int                 // number of the server that runs or starts, from 1
	tick     int                 // counts what is told
	promises map[string]*promise // by id
	ids      []string            // of promises, in the order in which they were given
	open     map[string]bool     // ids of what was not told to be done
	asked    map[subject]int     // executions that may have been accepted, as their answer was lost
	count    map[string]int      // of things that happened, for the report
	broken   []string
	accepted chan struct{} // has an element if an id was given since it was emptied
}

func newLedger() *ledger {
	return &ledger{
		seed: maphash.MakeSeed(), promises: map[string]*promise{}, open: map[string]bool{}, asked: map[subject]int{}, count: map[string]int{},
		accepted: make(chan struct{}, 1),
	}
}

// subject is what executions are counted by: the runs of a function, or its
// changes.
type subject struct {
	function string
	run      bool
}

// promise is an execution whose id a customer was given.
type promise struct {
	kind     string // run, create, update or delete
	function string
	n        int  // of its args
	raises   bool // the function raises
	deleted  bool // the function may be deleted before it starts
	mark     int  // least mark of the code that may have run, 0 if its function has none
	born     int  // life in which it was asked for
	retries  int
	cancel   bool // somebody may have wanted it cancelled

	end     uint64 // hash of how it was told to have ended, 0 if it was not
	status  string // likewise
	endTick int
}

// breach notes a broken promise. The lock is held.
func (l *ledger) breach(format string, args ...any) {
	l.broken = append(l.broken, fmt.Sprintf("in life %d: ", l.life)+fmt.Sprintf(format, args...))
}

// wrong notes a broken promise.
func (l *ledger) wrong(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.breach(format, args...)
}

// happened counts something for the report.
func (l *ledger) happened(what string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.count[what]++
}

// begin counts a life.
func (l *ledger) begin() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.life++
}

func (l *ledger) current() (life int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.life
}

// now gives the time of the ledger: what was told until then was told before.
func (l *ledger) now() (tick int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tick++
	return l.tick
}

// gave notes that a customer was given ids, which nobody was given before.
func (l *ledger) gave(ids []string, promises []promise) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(ids) != len(promises) {
		l.breach("%d ids were given for %d executions", len(ids), len(promises))
		return
	}
	for i, id := range ids {
		if before := l.promises[id]; before != nil {
			l.breach("%s was given for %+v, and now for %+v", id, *before, promises[i])
			continue
		}
		l.promises[id] = &promises[i]
		l.ids = append(l.ids, id)
		l.open[id] = true
	}
	select {
	case l.accepted <- struct{}{}:
	default:
	}
}

// unanswered notes that n executions like p may have been accepted.
func (l *ledger) unanswered(p promise, n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.asked[subject{p.function, p.kind == "run"}] += n
	l.count["requests without a key whose answer was lost"]++
}

// wanted notes that a cancel may arrive.
func (l *ledger) wanted(id string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.promises[id].cancel = true
}

// saw compares an execution, which was asked for after the given tick, with what
// was told before.
func (l *ledger) saw(x process.Execution, tick int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	p := l.promises[x.ID]
	if p == nil {
		return // the answer with its id was lost
	}
	if x.Status == process.NotFound {
		l.breach("%s is lost: %+v", x.ID, *p)
		return
	}
	if p.end != 0 {
		if p.endTick < tick && maphash.String(l.seed, x.Text) != p.end {
			l.breach("%s was told to be %s before, now it is another: %s", x.ID, p.status, x.Text)
		}
		return
	}
	if x.Kind != p.kind || x.Name != p.function {
		l.breach("%+v is now %s", *p, x.Text)
	}
	if !x.Done() {
		return
	}
	if why := p.check(&x, l.life-p.born); why != "" {
		l.breach("%+v ended, but %s: %s", *p, why, x.Text)
	}
	l.tick++
	p.end, p.status, p.endTick = maphash.String(l.seed, x.Text), x.Status, l.tick
	delete(l.open, x.ID)
	l.count[x.Kind+": "+x.Status]++
	if x.Kind == "run" {
		l.count[fmt.Sprintf("runs with %d attempts and %d retries", x.Attempts, x.Retries)]++
	}
	if x.Error != nil && x.Error.Code == string(runtime.CodeInternal) {
		l.count["runs given up after three lost attempts"]++
	}
}

// check says what is wrong with how an execution ended, since whose request so
// many servers were killed; empty if nothing.
func (p *promise) check(x *process.Execution, kills int) string {
	if p.kind != "run" {
		if x.Status != process.Success || x.Attempts != 1 {
			return "changes of functions are successes at the first attempt"
		}
		return ""
	}
	most := 1 + p.retries + min(kills, process.MaxLostAttempts-1)
	code, message := "", ""
	if x.Error != nil {
		code, message = x.Error.Code, x.Error.Message
	}
	switch {
	case x.Status == process.Success && (p.raises || x.Error != nil):
		return "it has no result to give"
	case x.Status == process.Success && (x.Attempts < 1 || x.Attempts > most):
		return fmt.Sprintf("there may be 1 to %d attempts", most)
	case x.Status == process.Success:
		return p.checkOutput(x.Output)
	case string(x.Output) != "null":
		return "it has an output"
	case x.Status == process.Cancelled && !p.cancel:
		return "nobody wanted it cancelled"
	case x.Status == process.Cancelled && x.Attempts > 1+p.retries+min(kills, process.MaxLostAttempts):
		return fmt.Sprintf("%d kills do not give so many attempts", kills)
	case x.Status == process.Cancelled:
		return ""
	case code == string(runtime.ClassError.Code()) && p.raises:
		if message != fmt.Sprintf("ValueError: %d", p.n) || x.Attempts < 1+p.retries || x.Attempts > most {
			return fmt.Sprintf("the error is to be that of its args, after %d to %d attempts", 1+p.retries, most)
		}
		return ""
	case code == string(runtime.ClassRejected.Code()) && p.deleted:
		return ""
	case code == string(runtime.CodeInternal):
		if kills < process.MaxLostAttempts || x.Attempts < process.MaxLostAttempts || x.Attempts > process.MaxLostAttempts+p.retries {
			return fmt.Sprintf("it was given up after %d kills", kills)
		}
		return ""
	}
	return "nothing allows that"
}

// product is what functions return: the square of n, and the mark of their code
// if they have one.
type product struct{ N, Square, Mark int }

// marksOf is how many marks each generation of a function has, see change.
const marksOf = 1_000

func (p *promise) checkOutput(output []byte) string {
	var o product
	if json.Unmarshal(output, &o) != nil || o.N != p.n || o.Square != p.n*p.n {
		return "the output is not that of its args"
	}
	if o.Mark < p.mark || o.Mark/marksOf != p.mark/marksOf {
		return "the output is that of another version"
	}
	return ""
}

// busy tells whether so much is not done that customers should wait with more.
func (l *ledger) busy() bool {
	const maxOpen = 5_000
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.open) > maxOpen
}

// unsettled are all ids of executions that were not told to be done.
func (l *ledger) unsettled() (ids []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for id := range l.open {
		ids = append(ids, id)
	}
	return ids
}

// example is something that is not done.
func (l *ledger) example() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	for id := range l.open {
		return fmt.Sprintf("%s, %+v", id, *l.promises[id])
	}
	return "nothing"
}

// some gives n of the ids that were given, chosen by pick; an id may come more
// than once.
func (l *ledger) some(n int, pick func(n int) int) (ids []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for range min(n, len(l.ids)) {
		ids = append(ids, l.ids[pick(len(l.ids))])
	}
	return ids
}

// recent gives one of the last ids that were given, empty if there is none.
func (l *ledger) recent(pick func(n int) int) (id string, run bool) {
	const last = 50 // many of those are not done
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.ids) == 0 {
		return "", false
	}
	id = l.ids[len(l.ids)-1-pick(min(last, len(l.ids)))]
	return id, l.promises[id].kind == "run"
}
