package ui

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/faaspot/faaspot/cmd/fas/internal/client"
	"github.com/faaspot/faaspot/cmd/fas/internal/clierror"
)

// barWidth is how many columns the bar itself has: with what stands beside it,
// it fits into 80.
const barWidth = 16

// progressBar follows many runs to their ends, for a status line.
type ProgressBar struct {
	began time.Time

	mu      sync.Mutex
	Tally   Tally
	Failed  []client.Execution // the first of those that did not succeed
	lastErr error
}

func NewProgressBar(total int) *ProgressBar {
	return &ProgressBar{began: time.Now(), Tally: Tally{Total: total}}
}

func (p *ProgressBar) Done(x client.Execution) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lastErr = nil
	p.Tally.count(x)
	if x.Status != client.StatusSuccess && len(p.Failed) < MaxShownFailures {
		x.Output = nil
		p.Failed = append(p.Failed, x)
	}
}

func (p *ProgressBar) Retrying(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lastErr = err
}

// text is what a status line says of it.
func (p *ProgressBar) Text() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	elapsed := time.Since(p.began)
	if p.lastErr != nil {
		return clierror.Message(p.lastErr) + "; trying again, " + secondsText(elapsed)
	}
	done, total := p.Tally.Done(), max(p.Tally.Total, 1)
	full := barWidth * done / total
	bar := strings.Repeat("=", full) + strings.Repeat(" ", barWidth-full)
	text := fmt.Sprintf("[%s] %3d%%  %d of %d", bar, 100*done/total, done, p.Tally.Total)
	if bad := done - p.Tally.Succeeded; bad > 0 {
		text += fmt.Sprintf(", %d did not succeed", bad)
	}
	if done > 0 {
		perSecond := float64(done) / elapsed.Seconds()
		left := time.Duration(float64(total-done) / perSecond * float64(time.Second))
		text += fmt.Sprintf(", %.0f/s, %s left", perSecond, secondsText(left))
	}
	return text
}
