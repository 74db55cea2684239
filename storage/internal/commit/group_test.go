package commit

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2"
)

// batchOf returns a batch of about size bytes.
func batchOf(t testing.TB, size int) *pebble.Batch {
	t.Helper()
	var b pebble.Batch
	if err := b.Set([]byte("key"), make([]byte, size), nil); err != nil {
		t.Fatal(err)
	}
	return &b
}

// Batches of any sizes are written once, and their callers get the result; no more bytes are
// written as one than allowed, and one round follows the other.
func TestGroup(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	var g group
	var mu sync.Mutex
	written := map[*member]int{}
	rounds, writing := 0, 0
	write := func(members []*member) {
		bytes, large := 0, members[0].batch.Len() > groupSize/4
		mu.Lock()
		for _, m := range members {
			written[m]++
			bytes += m.batch.Len()
		}
		rounds++
		if !large {
			writing++
		}
		if bytes > groupSize && len(members) > 1 || large && len(members) > 1 || writing > 1 {
			t.Errorf("%d of %d bytes are written as one, besides %d", len(members), bytes, writing-1)
		}
		mu.Unlock()
		time.Sleep(100 * time.Microsecond)
		mu.Lock()
		defer mu.Unlock()
		if !large {
			writing--
		}
		for _, m := range members {
			m.err = fmt.Errorf("%p", m)
		}
	}
	const callers, calls = 50, 60
	var wg sync.WaitGroup
	for range callers {
		sizes := make([]int, calls)
		for i := range sizes {
			if sizes[i] = rng.IntN(1000); rng.IntN(10) == 0 {
				sizes[i] = rng.IntN(groupSize / 2)
			}
		}
		wg.Go(func() {
			for _, size := range sizes {
				m := &member{batch: batchOf(t, size)}
				if err := g.write(m, write); err == nil || err.Error() != fmt.Sprintf("%p", m) {
					t.Errorf("%p got %v", m, err)
				}
			}
		})
	}
	wg.Wait()
	for m, n := range written {
		if n != 1 {
			t.Errorf("%p was written %d times", m, n)
		}
	}
	if len(written) != callers*calls || rounds > len(written)/2 {
		t.Errorf("%d were written in %d rounds", len(written), rounds)
	}
	if g.open != nil {
		t.Error("a round is left")
	}
}

// A write that panics leaves no caller waiting, and no caller learns that it was made.
func TestPanicInGroup(t *testing.T) {
	var g group
	g.turn.Lock()
	var panicked, refused atomic.Int32
	var wg sync.WaitGroup
	for i := range 10 {
		wg.Go(func() {
			defer func() {
				if recover() != nil {
					panicked.Add(1)
				}
			}()
			err := g.write(&member{batch: batchOf(t, 1)}, func([]*member) { panic("no") })
			if errors.Is(err, errUnwritten) {
				refused.Add(1)
			}
		})
		for g.waiting() != i+1 {
			time.Sleep(time.Millisecond)
		}
	}
	g.turn.Unlock()
	wg.Wait()
	if panicked.Load() != 1 || refused.Load() != 9 {
		t.Errorf("%d have panicked, %d got an error", panicked.Load(), refused.Load())
	}
	m := &member{batch: batchOf(t, 1)}
	if err := g.write(m, func([]*member) { m.err = nil }); err != nil {
		t.Errorf("a later batch gets %v", err)
	}
}

// passer passes batches through a group, whose results arrive when the test says so.
type passer struct {
	t       *testing.T
	group   group
	rounds  []int         // members of each round that was sent
	results chan struct{} // a result of the first round under way
	all     sync.WaitGroup
}

// pass passes a batch, and waits until it is sent or waits for others.
func (p *passer) pass(size int) { p.passFor(NewWork, size) }

func (p *passer) passFor(need Need, size int) {
	p.all.Go(func() {
		m := &member{batch: batchOf(p.t, size), need: need}
		err := p.group.pass(m, func(members []*member) (wait func()) {
			p.rounds = append(p.rounds, len(members))
			return func() {
				<-p.results
				settle(members, nil)
			}
		})
		if err != nil {
			p.t.Error(err)
		}
	})
	synctest.Wait()
}

// arrive lets the result of one round arrive: the rounds wait for it in the order in which they were sent.
func (p *passer) arrive() {
	p.results <- struct{}{}
	synctest.Wait()
}

func (p *passer) check(when string, waiting int, rounds ...int) {
	p.t.Helper()
	if !slices.Equal(p.rounds, rounds) || p.group.waiting() != waiting {
		p.t.Errorf("%s: rounds of %v were sent, and %d wait; want %v and %d", when, p.rounds, p.group.waiting(), rounds, waiting)
	}
}

// A round of new work is sent when it has as many members as are under way, or takes no more, or little is under way; all other
// rounds are sent at once.
func TestRoundsGather(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &passer{t: t, results: make(chan struct{})}
		for range 4 {
			p.pass(1)
		}
		p.check("four callers", 0, 1, 1, 1, 1)
		for range 3 {
			p.pass(1)
		}
		p.check("seven callers", 3, 1, 1, 1, 1)
		p.pass(1)
		p.check("eight callers", 0, 1, 1, 1, 1, 4)
		for range 3 {
			p.pass(groupSize / 4 * 7 / 8)
		}
		p.check("less than a round takes", 3, 1, 1, 1, 1, 4)
		p.pass(groupSize / 4 * 7 / 8)
		p.check("as much as a round takes", 0, 1, 1, 1, 1, 4, 4)
		p.pass(1)
		p.passFor(Outcome, 1)
		p.check("the end of a run waits for nobody", 0, 1, 1, 1, 1, 4, 4, 2)
		p.pass(1)
		p.pass(groupSize / 2)
		p.check("a large batch waits for nobody", 1, 1, 1, 1, 1, 4, 4, 2, 1)
		for range 6 {
			p.arrive()
		}
		p.check("two are under way, beside the large one", 0, 1, 1, 1, 1, 4, 4, 2, 1, 1)
		for range 3 {
			p.arrive()
		}
		p.all.Wait()
		if p.group.underWay != 0 {
			t.Errorf("%d are left under way", p.group.underWay)
		}
	})
}

// A send that panics leaves nothing under way that others would wait for.
func TestPanicInPass(t *testing.T) {
	var g group
	func() {
		defer func() { _ = recover() }()
		_ = g.pass(&member{batch: batchOf(t, 1)}, func([]*member) func() { panic("no") })
		t.Error("the panic is lost")
	}()
	m := &member{batch: batchOf(t, 1)}
	err := g.pass(m, func(members []*member) func() { return func() { settle(members, nil) } })
	if err != nil || g.underWay != 0 {
		t.Errorf("a later batch gets %v, and %d are under way", err, g.underWay)
	}
}
