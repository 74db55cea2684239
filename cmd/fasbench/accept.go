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
	// acceptClients is the number of clients that submit background runs at once.
	acceptClients = 64
	// heldCode is a function whose runs sleep: as many start as memory allows, and all others
	// stay queued.
	heldCode    = "import time\n\n\ndef main(args, context):\n    time.sleep(900)\n"
	heldTimeout = 900 // seconds
	// syncSize is the number of bytes written before each sync, and syncBlocks the number of
	// blocks of that size in the file that is overwritten.
	syncSize, syncBlocks = 4096, 256
)

// heldFunction is the function whose runs sleep for 15 minutes.
func heldFunction() function { return function{Name: "held", Code: heldCode, Timeout: heldTimeout} }

var acceptBench = bench{
	name: "accept",
	how: "`wrk` with one thread and 64 connections submits background runs, whose arguments are on the disk before the server responds. Alternately, one " +
		"writer repeatedly appends 4 KiB to a file on the same file system and syncs it. Medians of all repetitions. " +
		"The function sleeps, so that accepted runs stay queued and only the acceptance is measured.",
	rows: []row{{
		what: "background runs accepted per second, 64 clients, fsynced / raw rate of 4 KiB write+fsync by one writer",
		of:   "accepted", peer: "raw", goal: "at least 10x", holds: ratioAtLeast(10),
	}},
	measure: measureAccept,
}

// measureAccept alternates between wrk, which submits background runs that stay queued, and writing
// and syncing a file on the same file system. It also measures the acceptance of runs that are
// executed meanwhile.
func measureAccept(ctx context.Context, l *lab) ([]measured, error) {
	if err := need("wrk"); err != nil {
		return nil, err
	}
	held, err := l.serve(ctx, heldFunction())
	if err != nil {
		return nil, err
	}
	defer held.stop()
	busy, err := l.serve(ctx, function{Name: "hello", Code: helloCode()})
	if err != nil {
		return nil, err
	}
	defer busy.stop()
	length := time.Duration(l.rounds(3, 1)) * time.Second
	var queued, executed loads
	var appended, overwritten []float64
	sync := func(rates *[]float64, overwrite bool) error {
		rate, err := l.syncRate(ctx, length/2, overwrite)
		*rates = append(*rates, rate)
		return err
	}
	for range l.rounds(5, 3) {
		for _, measure := range []func() error{
			func() error { return sync(&appended, false) },
			func() error { return queued.measure(ctx, l, held.queueTarget("held", helloArgs), length) },
			func() error { return sync(&overwritten, true) },
			func() error { return executed.measure(ctx, l, busy.queueTarget("hello", helloArgs), length) },
			busy.drain,
		} {
			if err := measure(); err != nil {
				return nil, err
			}
		}
	}
	return []measured{{
		value: quantity{queued.rate(), perSecond}, peer: quantity{median(appended), perSecond}, limit: queued.usage.limit(),
		notes: []string{
			fmt.Sprintf("with runs that are executed meanwhile: %.0f/s accepted", executed.rate()),
			fmt.Sprintf("raw rate when overwriting an existing file: %.0f/s", median(overwritten)),
		},
	}}, nil
}

// syncRate writes syncSize bytes and syncs repeatedly, on the file system of the servers' data, and
// returns the rate per second. It either appends to a file or overwrites an existing one.
func (l *lab) syncRate(ctx context.Context, length time.Duration, overwrite bool) (rate float64, err error) {
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
	if overwrite {
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
