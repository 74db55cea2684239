package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

const (
	// acceptClients is how many callers have runs accepted at once.
	acceptClients = 64
	// heldCode is a function that keeps its runs from coming to an end: as many
	// begin as there is memory for, and all others stay queued.
	heldCode    = "import time\n\n\ndef main(args, context):\n    time.sleep(900)\n"
	heldTimeout = 900 // seconds
	// syncSize is what is written at once before each sync of the raw disk, and
	// syncBlocks how many of those the file that is written over has.
	syncSize, syncBlocks = 4096, 256
)

func heldFunction() function { return function{Name: "held", Code: heldCode, Timeout: heldTimeout} }

// measureAccept lets wrk have runs accepted that stay queued, and by turns
// writes to the same file system and syncs. Runs that are worked off meanwhile
// are measured beside that.
func measureAccept(ctx context.Context, l *lab) ([]measured, error) {
	if err := need("wrk"); err != nil {
		return nil, err
	}
	held, err := l.serve(ctx, heldFunction())
	if err != nil {
		return nil, err
	}
	defer held.stop()
	worked, err := l.serve(ctx, function{Name: "hello", Code: helloCode()})
	if err != nil {
		return nil, err
	}
	defer worked.stop()
	length := time.Duration(l.rounds(3, 1)) * time.Second
	var kept, done, growing, over []float64
	for range l.rounds(5, 3) {
		for _, turn := range []struct {
			rates   *[]float64
			measure func() (float64, error)
		}{
			{&growing, func() (float64, error) { return l.syncRate(ctx, length/2, false) }},
			{&kept, func() (float64, error) {
				return l.wrk(ctx, acceptClients, "http://"+held.address+"/v1/functions/held/rpc/", held.token, length)
			}},
			{&over, func() (float64, error) { return l.syncRate(ctx, length/2, true) }},
			{&done, func() (float64, error) {
				return l.wrk(ctx, acceptClients, "http://"+worked.address+"/v1/functions/hello/rpc/", worked.token, length)
			}},
		} {
			rate, err := turn.measure()
			if err != nil {
				return nil, err
			}
			*turn.rates = append(*turn.rates, rate)
		}
		if err := worked.workedOff(); err != nil {
			return nil, err
		}
	}
	return []measured{{
		value: quantity{median(kept), perSecond}, peer: quantity{median(growing), perSecond},
		notes: []string{
			fmt.Sprintf("of runs that are worked off meanwhile: %.0f/s accepted", median(done)),
			fmt.Sprintf("the raw rate over what a file has already: %.0f/s", median(over)),
		},
	}}, nil
}

// syncRate writes syncSize bytes and syncs, again and again, in the folder in
// which servers have their data, and gives how often per second: behind the end
// of a file, or over what the file has.
func (l *lab) syncRate(ctx context.Context, length time.Duration, over bool) (rate float64, err error) {
	f, err := os.Create(filepath.Join(l.tmp, "sync"))
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, f.Close(), os.Remove(f.Name())) }()
	block := make([]byte, syncSize)
	write := func(int) error {
		_, err := f.Write(block)
		return err
	}
	if over {
		if _, err := f.Write(make([]byte, syncBlocks*syncSize)); err != nil {
			return 0, err
		}
		write = func(n int) error {
			_, err := f.WriteAt(block, int64(n%syncBlocks*syncSize))
			return err
		}
	}
	if err := f.Sync(); err != nil {
		return 0, err
	}
	n, began := 0, time.Now()
	for time.Since(began) < length && ctx.Err() == nil {
		if err := errors.Join(write(n), f.Sync()); err != nil {
			return 0, err
		}
		n++
	}
	return float64(n) / time.Since(began).Seconds(), context.Cause(ctx)
}
