//go:build linux

package customers

import (
	"encoding/json"
	"fmt"
	"hash/maphash"
	"strings"
	"sync"

	"github.com/anishathalye/porcupine"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/test/process"
)

// ledger records all answers of servers that are killed, stopped and cut off. Later answers must agree with it.
type ledger struct {
	seed maphash.Seed

	mu       sync.Mutex
	life     int                 // number of faults so far, and one
	tick     int                 // logical time, counts answers
	promises map[string]*promise // by id
	ids      []string            // of promises, in the order of their answers
	open     map[string]bool     // ids of executions not reported as done
	asked    map[subject]int     // number of executions that may have been accepted, because the answer was lost
	count    map[string]int      // event counts for the report
	broken   []string
	keys     map[string][]porcupine.Operation // requests with a key
	jobs     map[string]*jobPromise           // by id
	jobIDs   []string

	// Refusals is how many attempts of a run nodes may have refused to begin, which is no failure.
	Refusals int
	Accepted chan struct{} // has an element if an id was received since it was emptied
}

func newLedger() *ledger {
	return &ledger{
		seed: maphash.MakeSeed(), promises: map[string]*promise{}, open: map[string]bool{}, asked: map[subject]int{}, count: map[string]int{},
		keys: map[string][]porcupine.Operation{}, jobs: map[string]*jobPromise{}, Accepted: make(chan struct{}, 1),
	}
}

// subject is a class of executions: the runs of a function, or its changes.
type subject struct {
	function string
	run      bool
}

// promise is an execution whose id a customer has received.
type promise struct {
	kind     string // run, create, update or delete
	function string
	n        int  // of its args
	raises   bool // the function raises
	deleted  bool // the function may be deleted before it starts
	mark     int  // least mark of the code that may have run, 0 if its function has none
	born     int  // life in which it was requested
	retries  int
	cancel   bool // a customer may have cancelled it
	job      bool // it is a task of a job, which may have been cancelled

	args    string // as they were reported first, empty before
	end     uint64 // hash of the reported final state without the args, 0 before
	status  string // final status, empty before
	endTick int
	history []porcupine.Operation // answers that began before the end was known
}

func (p promise) String() string {
	return fmt.Sprintf("a %s of %s with n=%d of life %d", p.kind, p.function, p.n, p.born)
}

// breach records a broken promise. The caller holds the lock.
func (l *ledger) breach(format string, args ...any) {
	l.broken = append(l.broken, fmt.Sprintf("in life %d: ", l.life)+fmt.Sprintf(format, args...))
}

// wrong records a broken promise.
func (l *ledger) wrong(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.breach(format, args...)
}

// Happened counts an event for the report.
func (l *ledger) Happened(what string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.count[what]++
}

// Begin starts the next life. It is called when a fault that may end attempts has begun, so that what is accepted
// afterwards does not suffer from it.
func (l *ledger) Begin() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.life++
}

func (l *ledger) current() (life int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.life
}

// now returns the next logical time. All answers recorded so far are older.
func (l *ledger) now() (tick int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tick++
	return l.tick
}

// gave records ids that a customer has received. They must be new.
func (l *ledger) gave(ids []string, promises []promise) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(ids) != len(promises) {
		l.breach("%d ids for %d executions", len(ids), len(promises))
		return
	}
	for i, id := range ids {
		if before := l.promises[id]; before != nil {
			l.breach("%s was the id of %v, and is now that of %v", id, *before, promises[i])
			continue
		}
		l.promises[id] = &promises[i]
		l.ids = append(l.ids, id)
		l.open[id] = true
	}
	select {
	case l.Accepted <- struct{}{}:
	default:
	}
}

// unanswered records that n executions like p may have been accepted.
func (l *ledger) unanswered(p promise, n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.asked[subject{p.function, p.kind == "run"}] += n
	l.count["requests without a key whose answer was lost"]++
}

// wanted records that a cancel may arrive.
func (l *ledger) wanted(id string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.promises[id].cancel = true
}

// withoutArgs returns the text of an execution without its args, which lists leave out.
func withoutArgs(text string) string {
	before, after, found := strings.Cut(text, `"args":`)
	if !found {
		return text
	}
	return before + after[strings.Index(after, `"args_size":`):]
}

// saw compares an execution, which was requested after the given tick, with earlier answers.
func (l *ledger) saw(x process.Execution, tick int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	p := l.promises[x.ID]
	if p == nil {
		return // the answer with the id was lost
	}
	if x.Status == process.NotFound {
		l.breach("%s is lost: %v", x.ID, *p)
		return
	}
	if args := x.Args; len(args) > 0 {
		if p.args == "" {
			p.args = string(args)
		}
		if p.args != string(args) {
			l.breach("the args of %s were %s, and are %s", x.ID, p.args, args)
		}
	}
	if p.end == 0 || p.endTick >= tick {
		p.history = append(p.history, l.operation(tick, observe(&x, l.seed)))
	}
	if p.end != 0 {
		if p.endTick < tick && maphash.String(l.seed, withoutArgs(x.Text)) != p.end {
			l.breach("%s was reported as %s, and has changed: %s", x.ID, p.status, x.Text)
		}
		return
	}
	if x.Kind != p.kind || x.Name != p.function {
		l.breach("%v is now %s", *p, x.Text)
	}
	if !x.Done() {
		return
	}
	if why := p.check(&x, l.life-p.born, l.Refusals); why != "" {
		l.breach("%v ended, but %s: %s", *p, why, x.Text)
	}
	l.tick++
	p.end, p.status, p.endTick = maphash.String(l.seed, withoutArgs(x.Text)), x.Status, l.tick
	delete(l.open, x.ID)
	l.count[x.Kind+": "+x.Status]++
	if x.Kind == "run" {
		l.count[fmt.Sprintf("runs with %d attempts and %d retries", x.Attempts, x.Retries)]++
	}
}

// check returns what is wrong with the final state of an execution, empty if nothing. kills is the
// number of kills since its request, and refusals how many attempts may have been refused before they began.
func (p *promise) check(x *process.Execution, kills, refusals int) string {
	if p.kind != "run" {
		if x.Status != process.Success || x.Attempts != 1 {
			return "changes of functions succeed at the first attempt"
		}
		return ""
	}
	most := 1 + p.retries + kills + refusals
	code, message := "", ""
	if x.Error != nil {
		code, message = x.Error.Code, x.Error.Message
	}
	switch {
	case x.Status == process.Success && (p.raises || x.Error != nil):
		return "it cannot have a result"
	case x.Status == process.Success && (x.Attempts < 1 || x.Attempts > most):
		return fmt.Sprintf("there may be 1 to %d attempts", most)
	case x.Status == process.Success:
		return p.checkOutput(x.Output)
	case string(x.Output) != "null":
		return "it has an output"
	case x.Status == process.Cancelled && !p.cancel && !p.job:
		return "no customer cancelled it"
	case x.Status == process.Cancelled && x.Attempts > most:
		return fmt.Sprintf("%d kills do not explain that many attempts", kills)
	case x.Status == process.Cancelled:
		return ""
	case code == string(runtime.ClassError.Code()) && p.raises:
		if message != fmt.Sprintf("ValueError: %d", p.n) || x.Attempts < 1+p.retries || x.Attempts > most {
			return fmt.Sprintf("want the error of its args, after %d to %d attempts", 1+p.retries, most)
		}
		return ""
	case code == string(runtime.ClassRejected.Code()) && p.deleted:
		return ""
	}
	return "this state is not allowed"
}

// product is the result of the functions: the square of n, and the mark of the code if it has one.
type product struct{ N, Square, Mark int }

// marksOf is the number of marks of each generation of a function, see changeOwn.
const marksOf = 1_000

// CheckOutput returns what is wrong with the output of a run with the argument n, empty if nothing.
func CheckOutput(n int, output []byte) string {
	p := promise{n: n}
	return p.checkOutput(output)
}

func (p *promise) checkOutput(output []byte) string {
	var o product
	if json.Unmarshal(output, &o) != nil || o.N != p.n || o.Square != p.n*p.n {
		return "the output does not belong to its args"
	}
	if o.Mark < p.mark || o.Mark/marksOf != p.mark/marksOf {
		return "the output belongs to another version"
	}
	return ""
}

// busy reports whether customers should wait because many executions are unfinished.
func (l *ledger) busy() bool {
	const maxOpen = 5_000
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.open) > maxOpen
}

// Unsettled returns the ids of all executions that were not reported as done.
func (l *ledger) Unsettled() (ids []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for id := range l.open {
		ids = append(ids, id)
	}
	return ids
}

// example renders an unfinished execution.
func (l *ledger) example() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	for id := range l.open {
		return fmt.Sprintf("%s, %v", id, *l.promises[id])
	}
	return "nothing"
}

// Some returns n ids that customers have received, chosen by pick, possibly with duplicates.
func (l *ledger) Some(n int, pick func(n int) int) (ids []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for range min(n, len(l.ids)) {
		ids = append(ids, l.ids[pick(len(l.ids))])
	}
	return ids
}

// recent returns one of the latest ids, empty if there is none.
func (l *ledger) recent(pick func(n int) int) (id string, run bool) {
	const last = 50 // many of them are unfinished
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.ids) == 0 {
		return "", false
	}
	id = l.ids[len(l.ids)-1-pick(min(last, len(l.ids)))]
	return id, l.promises[id].kind == "run"
}
