package web

import (
	"context"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/faaspot/faaspot/runtime/memory"
)

const (
	// FreeBytes is [memory.FreeBytes].
	FreeBytes = memory.FreeBytes
	// MemoryPatience bounds how long a request waits for memory.
	MemoryPatience = 250 * time.Millisecond
)

// Memory is what the present request of a connection, and its answer, hold of the memory budget.
// Only the goroutine that serves the connection uses it. All methods accept nil: then nothing is
// counted.
type Memory struct {
	*Accounts
	bodies       *memory.Account // of the body: Bodies or Queued
	body, answer int64           // bytes held
	reads        bool            // the request only reads, so its answer may be refused
	refused      int64           // bytes of the answer that was refused
}

// Accounts are what the connections of a server take from.
type Accounts struct {
	Bodies *memory.Account // of requests whose end does not depend on a run
	Queued *memory.Account // of requests that hold their body until their run has ended
	// Answers is for answers, from their rendering until the client has read them.
	Answers *memory.Account
	// Short closes connections whose clients do not read answers. It is called when there is no
	// memory for a request.
	Short func()
}

const (
	// bodiesShare, queuedShare and answersShare are the parts of the memory budget, in eighths, that
	// the accounts may hold. What waits for runs must leave room for them: bodies of queued runs would
	// otherwise hold the memory without which none of the runs can start.
	bodiesShare  = 5
	queuedShare  = 1
	answersShare = 2
)

// OpenAccounts opens the accounts of a server.
func OpenAccounts(b *memory.Budget) *Accounts {
	a := &Accounts{Short: func() {}}
	open := func(name string, eighths int64, shortage func()) *memory.Account {
		return b.Open(memory.Options{Name: name, Heap: true, Requests: true, Yields: true, Max: b.Total() / 8 * eighths, Shortage: shortage})
	}
	a.Bodies = open("request bodies", bodiesShare, nil)
	a.Queued = open("args of waiting requests", queuedShare, nil)
	a.Answers = open("answers", answersShare, func() { a.Short() })
	return a
}

// NewMemory returns the Memory of a connection.
func NewMemory(a *Accounts) Memory { return Memory{Accounts: a, bodies: a.Bodies} }

// Reads makes the answer one that is refused if there is no memory for it, although it exists: the
// request has changed nothing.
func (m *Memory) Reads() {
	if m != nil {
		m.reads = true
	}
}

// Refused returns the error of an answer that was refused, and makes the next one, which reports it,
// one that is not. The error is CodeTooBusy.
func (m *Memory) Refused() error {
	if m == nil || m.refused == 0 {
		return nil
	}
	err := m.Answers.Refuse(m.refused)
	m.reads, m.refused = false, 0
	return err
}

// Queues makes the next body belong to a request that holds it until its run has ended.
func (m *Memory) Queues() {
	if m != nil && m.body == 0 {
		m.bodies = m.Queued
	}
}

// MemoryOf returns the Memory of a request's connection.
func MemoryOf(ctx *fasthttp.RequestCtx) *Memory {
	if c, ok := ctx.Conn().(interface{ Memory() *Memory }); ok {
		return c.Memory()
	}
	return nil
}

// LargestBody returns the size of the largest body that can ever be read and stored, at most limit.
func (m *Memory) LargestBody(limit int) int {
	if m == nil || limit <= FreeBytes {
		return limit
	}
	return int(min(int64(limit), max(m.bodies.Largest()/2, FreeBytes)))
}

// TakeBody takes n more bytes for the body. It waits for them at most [MemoryPatience]. The error
// is CodeTooBusy.
func (m *Memory) TakeBody(ctx context.Context, n int64) error {
	if m == nil {
		return nil
	}
	if err := m.take(ctx, m.bodies, n); err != nil {
		return err
	}
	m.body += n
	return nil
}

// GiveBody gives back n bytes of the body.
func (m *Memory) GiveBody(n int64) {
	if m != nil {
		m.bodies.Give(n)
		m.body -= n
	}
}

// Reserve takes the bytes for an answer of n bytes, before they are read from the store. It waits
// for them at most [MemoryPatience]. The error is CodeTooBusy, so nothing may have been done yet.
func (m *Memory) Reserve(ctx context.Context, n int64) error {
	if m == nil || n <= max(m.answer, FreeBytes) {
		return nil
	}
	n -= m.answer
	if err := m.take(ctx, m.Answers, n); err != nil {
		return err
	}
	m.answer += n
	return nil
}

// tryReserve is like Reserve, but does not wait.
func (m *Memory) tryReserve(n int64) bool {
	if m == nil || n <= max(m.answer, FreeBytes) {
		return true
	}
	if !m.Answers.TryTake(n - m.answer) {
		return false
	}
	m.answer = n
	return true
}

// Reserve takes the bytes for an answer of n bytes, or for the largest that there can be, before they
// are read from the store; see [Memory.Reserve].
func (h *Host) Reserve(ctx *fasthttp.RequestCtx, n int) error {
	m := MemoryOf(ctx)
	return m.Reserve(h.Context(), int64(m.LargestAnswer(n)))
}

// take takes n bytes of an account, and waits for them at most MemoryPatience.
func (m *Memory) take(ctx context.Context, a *memory.Account, n int64) error {
	if a.TryTake(n) {
		return nil
	}
	m.Short()
	ctx, cancel := context.WithTimeout(ctx, MemoryPatience)
	defer cancel()
	return a.Take(ctx, n)
}

// settle counts an answer of n bytes, which exists, in place of what was reserved for it.
func (m *Memory) settle(n int64) {
	if m == nil {
		return
	}
	if n <= FreeBytes {
		n = 0
	}
	if n > m.answer {
		if m.reads && !m.Answers.TryTake(n-m.answer) {
			m.refused = n
			return
		}
		if !m.reads {
			m.Answers.Add(n - m.answer)
		}
	} else if n < m.answer {
		m.Answers.Give(m.answer - n)
	}
	m.answer = n
}

// LargestAnswer returns the size of the largest answer that can ever be reserved, at most limit.
func (m *Memory) LargestAnswer(limit int) int {
	if m == nil {
		return limit
	}
	return int(min(int64(limit), m.Answers.Largest()))
}

// TakeStored takes the bytes of a request's body once more, for the copy that the store has in memory
// until it is on disk.
func (h *Host) TakeStored(ctx *fasthttp.RequestCtx) error { return h.TakeCopies(ctx, 1) }

// TakeCopies takes the bytes of a request's body again, for each copy of the body or of most of it.
func (h *Host) TakeCopies(ctx *fasthttp.RequestCtx, copies int) error {
	if n := len(ctx.Request.Body()); n > FreeBytes {
		return MemoryOf(ctx).TakeBody(h.Context(), int64(copies)*int64(n))
	}
	return nil
}

// DropBody gives up the body of a request that still waits, but does not need it any more.
func DropBody(ctx *fasthttp.RequestCtx) {
	ctx.Request.SetBodyRaw(nil)
	if m := MemoryOf(ctx); m != nil && m.body != 0 {
		m.GiveBody(m.body)
	}
}

// Release gives back everything, once the answer was sent or the connection is closed.
func (m *Memory) Release() {
	if m.body != 0 {
		m.GiveBody(m.body)
	}
	m.bodies, m.reads, m.refused = m.Bodies, false, 0
	m.settle(0)
}
