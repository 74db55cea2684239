package main

import (
	"context"
	"fmt"
	"time"
)

const (
	// backlogRuns is how many runs are queued when a server starts again.
	backlogRuns = 100_000
	// backlogTime is how much longer the start may take then.
	backlogTime = 3 * time.Second
)

// measureBacklog kills a server with many runs queued, and one without any, and
// starts it again.
func measureBacklog(ctx context.Context, l *lab) ([]measured, error) {
	var with, without []time.Duration
	for _, of := range []struct {
		bulks int
		times *[]time.Duration
	}{{backlogRuns / bulkRuns, &with}, {0, &without}} {
		data, err := l.compiledData(ctx)
		if err != nil {
			return nil, err
		}
		s, err := l.serveIn(ctx, data)
		if err != nil {
			return nil, err
		}
		err = s.create(heldFunction())
		for range of.bulks {
			if err == nil {
				_, err = s.succeed(s.bulkRequest("held", "{}", bulkRuns))
			}
		}
		s.kill()
		for range l.rounds(5, 3) {
			if err != nil {
				return nil, err
			}
			began := time.Now()
			if s, err = l.serveIn(ctx, data); err == nil {
				*of.times = append(*of.times, time.Since(began))
				s.kill()
			}
		}
		if err != nil {
			return nil, err
		}
	}
	return []measured{{
		value: elapsed(median(with)), peer: elapsed(median(without)),
		notes: []string{fmt.Sprintf("%v longer", elapsed(median(with)-median(without)))},
	}}, nil
}
