package main

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/faaspot/faaspot/cmd/fas/internal/client"
)

// barWidth is how many columns the bar itself has: with what stands beside it,
// it fits into 80.
const barWidth = 16

// progressBar follows many runs to their ends, for a status line.
type progressBar struct {
	began time.Time

	mu      sync.Mutex
	tally   tally
	failed  []client.Execution // the first of those that did not succeed
	trouble error
}

func newProgressBar(total int) *progressBar {
	return &progressBar{began: time.Now(), tally: tally{Total: total}}
}

func (p *progressBar) done(x client.Execution) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.trouble = nil
	p.tally.count(x)
	if x.Status != client.StatusSuccess && len(p.failed) < toldFailures {
		x.Output = nil
		p.failed = append(p.failed, x)
	}
}

func (p *progressBar) troubled(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.trouble = err
}

// text is what a status line says of it.
func (p *progressBar) text() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	elapsed := time.Since(p.began)
	if p.trouble != nil {
		return problem(p.trouble) + "; trying again, " + secondsText(elapsed)
	}
	done, total := p.tally.done(), max(p.tally.Total, 1)
	full := barWidth * done / total
	bar := strings.Repeat("=", full) + strings.Repeat(" ", barWidth-full)
	text := fmt.Sprintf("[%s] %3d%%  %d of %d", bar, 100*done/total, done, p.tally.Total)
	if bad := done - p.tally.Succeeded; bad > 0 {
		text += fmt.Sprintf(", %d did not succeed", bad)
	}
	if done > 0 {
		perSecond := float64(done) / elapsed.Seconds()
		left := time.Duration(float64(total-done) / perSecond * float64(time.Second))
		text += fmt.Sprintf(", %.0f/s, %s left", perSecond, secondsText(left))
	}
	return text
}
