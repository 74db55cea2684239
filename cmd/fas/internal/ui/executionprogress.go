package ui

import (
	"fmt"
	"sync"
	"time"

	"github.com/faaspot/faaspot/cmd/fas/internal/client"
	"github.com/faaspot/faaspot/cmd/fas/internal/clierror"
)

// ExecutionProgress follows one execution to its end, for a status line.
type ExecutionProgress struct {
	Function string
	Began    time.Time // when the wait began

	mu      sync.Mutex
	last    client.Execution
	lastErr error // of the last attempt to reach the server; nil if it was reached
}

// Update notes the present state of the execution.
func (p *ExecutionProgress) Update(x client.Execution) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.last, p.lastErr = x, nil
}

// Retrying notes that the server cannot be reached and is tried again.
func (p *ExecutionProgress) Retrying(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lastErr = err
}

// Text renders the progress for a status line.
func (p *ExecutionProgress) Text() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	elapsed := time.Since(p.Began)
	since := SecondsText(elapsed)
	switch x := p.last; {
	case p.lastErr != nil:
		return retryingText(clierror.Message(p.lastErr), elapsed)
	case x.CancelRequested:
		return p.Function + " is being stopped, " + since
	case x.Status == client.StatusStarted && x.Attempts > 1:
		return fmt.Sprintf("%s runs, attempt %d, %s", p.Function, x.Attempts, since)
	case x.Status == client.StatusStarted:
		return p.Function + " runs, " + since
	case x.Attempts > 0:
		return fmt.Sprintf("%s waits for attempt %d, %s", p.Function, x.Attempts+1, since)
	}
	return p.Function + " waits for its turn, " + since
}
