package main

import (
	"context"
	"fmt"
	"time"
)

// measureDeploy deploys new functions, one after the other.
func measureDeploy(ctx context.Context, l *lab) ([]measured, error) {
	s, err := l.serve(ctx)
	if err != nil {
		return nil, err
	}
	defer s.stop()
	var times []time.Duration
	for i := range l.rounds(200, 50) {
		if err := s.connect(); err != nil {
			return nil, err
		}
		began := time.Now()
		if err := s.create(function{Name: fmt.Sprintf("small%d", i), Code: helloCode()}); err != nil {
			return nil, err
		}
		times = append(times, time.Since(began))
	}
	return []measured{{
		value: elapsed(median(times)),
		notes: []string{fmt.Sprintf("%d functions; p90 %v, the first %v", len(times), elapsed(percentile(times, 0.9)), elapsed(times[0]))},
	}}, nil
}
