package ui

import (
	"fmt"
	"sync"
	"time"

	"github.com/faaspot/faaspot/cmd/fas/internal/client"
	"github.com/faaspot/faaspot/cmd/fas/internal/clierror"
)

// BulkProgress follows many runs to their ends, for a status line.
type BulkProgress struct {
	began time.Time

	mu      sync.Mutex
	tally   Tally
	failed  []client.Execution // the first MaxShownFailures that did not succeed, without outputs
	lastErr error              // of the last attempt to reach the server; nil if it was reached
}

// NewBulkProgress returns the progress of a number of runs, none of which is done.
func NewBulkProgress(total int) *BulkProgress {
	return &BulkProgress{began: time.Now(), tally: Tally{Total: total}}
}

// Done counts a run that is done.
func (p *BulkProgress) Done(x client.Execution) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lastErr = nil
	p.tally.count(x)
	if x.Status != client.StatusSuccess && len(p.failed) < MaxShownFailures {
		x.Output = nil
		p.failed = append(p.failed, x)
	}
}

// Retrying notes that the server cannot be reached and is tried again.
func (p *BulkProgress) Retrying(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lastErr = err
}

// Result returns the counts, and the first MaxShownFailures executions that did not succeed, in the
// order in which they ended.
func (p *BulkProgress) Result() (Tally, []client.Execution) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.tally, p.failed
}

// Text renders the progress for a status line.
func (p *BulkProgress) Text() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	elapsed := time.Since(p.began)
	if p.lastErr != nil {
		return retryingText(clierror.Message(p.lastErr), elapsed)
	}
	done := p.tally.Done()
	text := bar(done, p.tally.Total)
	if bad := done - p.tally.Succeeded; bad > 0 {
		text += fmt.Sprintf(", %d did not succeed", bad)
	}
	if done > 0 {
		perSecond := float64(done) / elapsed.Seconds()
		text += fmt.Sprintf(", %.0f/s, %s", perSecond, remaining(p.tally.Total-done, perSecond))
	}
	return text
}
