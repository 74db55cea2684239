package replogtest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/faaspot/faaspot/storage/replog"
)

// claim reads a log up to its end, and begins an epoch there. It tries again while others are faster.
func claim(ctx context.Context, l replog.Log, owner string) (*replog.Writer, error) {
	chain := replog.NewChain(0, replog.Position{Generation: 1})
	for {
		end, err := l.End(ctx)
		if err == nil && end > chain.At().Seq {
			reached := errors.New("the end is reached")
			err = l.Read(ctx, chain.At().Seq, func(seq uint64, record []byte) error {
				if _, err := chain.Next(seq, record); err != nil {
					return err
				}
				if seq >= end {
					return reached
				}
				return nil
			})
			if errors.Is(err, reached) {
				err = nil
			}
		}
		switch {
		case errors.Is(err, replog.ErrBroken) || ctx.Err() != nil:
			return nil, err
		case err != nil: // it does not answer
			continue
		}
		w := replog.NewWriter(l, chain, 4)
		if _, err := w.Claim(ctx, owner); !errors.Is(err, replog.ErrFenced) {
			return w, err
		}
	}
}

// writersTakeTheLog has writers that take the log from each other, and send batches as long as they own
// it. Each batch that was settled is there, in order and once; each that was fenced is not.
func writersTakeTheLog(t *testing.T, client func() replog.Log) {
	const writers, epochs, sends = 3, 6, 15
	var mu sync.Mutex
	settled, fenced := map[string]bool{}, map[string]bool{}
	var wg sync.WaitGroup
	for n := range writers {
		l := client()
		wg.Go(func() {
			for epoch := range epochs {
				w, err := claim(t.Context(), l, fmt.Sprint("writer ", n))
				if err != nil {
					t.Error(err)
					return
				}
				writeEpoch(t, w, fmt.Sprintf("%d %d", n, epoch), sends, func(batch string, err error) bool {
					mu.Lock()
					defer mu.Unlock()
					switch {
					case err == nil:
						settled[batch] = true
					case errors.Is(err, replog.ErrFenced):
						fenced[batch] = true
					default:
						t.Error(err)
					}
					return err == nil
				})
			}
		})
	}
	wg.Wait()
	got := readAll(t, client())
	for batch := range settled {
		if got[batch] != 1 {
			t.Errorf("batch %s was settled, and is there %d times", batch, got[batch])
		}
	}
	for batch := range fenced {
		if got[batch] != 0 {
			t.Errorf("batch %s was fenced, and is there %d times", batch, got[batch])
		}
	}
	t.Logf("%d batches settled, %d fenced, %d read", len(settled), len(fenced), len(got))
	if len(settled) < writers*epochs {
		t.Errorf("only %d batches were settled", len(settled))
	}
}

// writeEpoch sends batches, and calls result with each in order until that returns false.
func writeEpoch(t *testing.T, w *replog.Writer, prefix string, sends int, result func(batch string, err error) bool) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	type sent struct {
		batch string
		replog.Append
	}
	queue := make(chan sent, sends)
	var wg sync.WaitGroup
	wg.Go(func() {
		for s := range queue {
			if !result(s.batch, w.Settle(t.Context(), s.Append)) {
				cancel() // nothing is sent any more
				return
			}
		}
	})
	for i := range sends {
		batch := fmt.Sprint(prefix, " ", i)
		if w.SendBatch(ctx, []byte(batch), func(a replog.Append) { queue <- sent{batch, a} }) != nil {
			break
		}
		if i%5 == 0 {
			time.Sleep(time.Millisecond) // so that others get a chance
		}
	}
	close(queue)
	wg.Wait()
}

// readAll returns how often each batch is in a log, whose chain it checks.
func readAll(t *testing.T, l replog.Log) map[string]int {
	t.Helper()
	got := map[string]int{}
	chain := replog.NewChain(0, replog.Position{Generation: 1})
	last := map[string]string{} // batch by the first two words of it
	end, err := l.End(t.Context())
	for err != nil {
		end, err = l.End(t.Context())
	}
	reached := errors.New("the end is reached")
	want(t, l.Read(t.Context(), 0, func(seq uint64, record []byte) error {
		r, err := chain.Next(seq, record)
		if err != nil {
			return err
		}
		if r.Kind == replog.KindBatch {
			batch := string(r.Batch)
			got[batch]++
			epoch, n := batch[:strings.LastIndexByte(batch, ' ')], batch[strings.LastIndexByte(batch, ' ')+1:]
			if before, there := last[epoch]; there && len(before) >= len(n) && before >= n {
				return fmt.Errorf("batch %s follows %s", batch, before)
			}
			last[epoch] = n
		}
		if seq == end {
			return reached
		}
		return nil
	}), reached)
	return got
}
