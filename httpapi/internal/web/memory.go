package web

import (
	"context"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/memory"
)

const (
	// FreeBytes is the size of a body or an answer, in bytes, up to which the memory of its
	// connection includes it.
	FreeBytes = 8 * runtime.KiB
	// MemoryPatience bounds how long a request waits for memory.
	MemoryPatience = 250 * time.Millisecond
)

// Memory is what the present request of a connection, and its answer, hold of the memory budget.
// Only the goroutine that serves the connection uses it. All methods accept nil: then nothing is
// counted.
type Memory struct {
	bodies, answers *memory.Account
	body, answer    int64 // bytes held
}

// NewMemory returns the Memory of a connection that takes from two accounts.
func NewMemory(bodies, answers *memory.Account) Memory {
	return Memory{bodies: bodies, answers: answers}
}

// MemoryOf returns the Memory of a request's connection.
func MemoryOf(ctx *fasthttp.RequestCtx) *Memory {
	if c, ok := ctx.Conn().(interface{ Memory() *Memory }); ok {
		return c.Memory()
	}
	return nil
}

// LargestBody returns the size of the largest body that can ever be read, at most limit.
func (m *Memory) LargestBody(limit int) int {
	if m == nil || limit <= FreeBytes {
		return limit
	}
	return int(min(int64(limit), max(m.bodies.Largest(), FreeBytes)))
}

// TakeBody takes n more bytes for the body. It waits for them at most [MemoryPatience]. The error
// is CodeTooBusy.
func (m *Memory) TakeBody(ctx context.Context, n int64) error {
	if m == nil {
		return nil
	}
	if err := take(ctx, m.bodies, n); err != nil {
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
	if err := take(ctx, m.answers, n); err != nil {
		return err
	}
	m.answer += n
	return nil
}

// take takes n bytes of an account, and waits for them at most MemoryPatience.
func take(ctx context.Context, a *memory.Account, n int64) error {
	if a.TryTake(n) {
		return nil
	}
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
		m.answers.Add(n - m.answer)
	} else if n < m.answer {
		m.answers.Give(m.answer - n)
	}
	m.answer = n
}

// Release gives back everything, once the answer was sent or the connection is closed.
func (m *Memory) Release() {
	if m.body != 0 {
		m.bodies.Give(m.body)
		m.body = 0
	}
	m.settle(0)
}
