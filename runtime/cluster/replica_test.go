package cluster_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"

	"github.com/faaspot/faaspot/runtime/cluster"
	"github.com/faaspot/faaspot/storage/replog"
)

// disk is what a replica has applied.
type disk struct {
	mu    sync.Mutex
	steps []step
	all   map[int64]bool
}

// step is an applied record: a number, or 0.
type step struct {
	at replog.Position
	n  int64
}

func (d *disk) apply(s step) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.all == nil {
		d.all = make(map[int64]bool)
	}
	d.steps = append(d.steps, s)
	d.all[s.n] = true
}

func (d *disk) at() replog.Position {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.steps) == 0 {
		return replog.Position{Generation: 1}
	}
	return d.steps[len(d.steps)-1].at
}

func (d *disk) has(n int64) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.all[n]
}

// copy returns a copy of the disk.
func (d *disk) copy() *disk {
	d.mu.Lock()
	defer d.mu.Unlock()
	return &disk{steps: slices.Clone(d.steps), all: maps.Clone(d.all)}
}

// crash returns the disk after a loss of power: the last steps are lost.
func (d *disk) crash(rng *rand.Rand) *disk {
	d.mu.Lock()
	steps := d.steps[:len(d.steps)-rng.IntN(min(len(d.steps), 50)+1)]
	d.mu.Unlock()
	after := new(disk)
	for _, s := range steps {
		after.apply(s)
	}
	return after
}

// replica is a store that follows and owns a log as package storage does. A store itself cannot be used in a
// bubble of synctest: it waits for the log with locks held, and time stands still there.
type replica struct {
	p    *process
	log  replog.Log
	disk *disk

	ctx     context.Context // of the owner
	cancel  context.CancelFunc
	writer  *replog.Writer
	writes  chan write
	flights chan flight
	parts   sync.WaitGroup

	mu   sync.Mutex
	lost error
}

type write struct {
	n      int64 // 0: a beat
	result chan error
}

type flight struct {
	replog.Append
	write
}

func newReplica(p *process, d *disk) *replica {
	r := &replica{p: p, log: p.log, disk: d, writes: make(chan write), flights: make(chan flight, replog.MaxInFlight)}
	r.ctx, r.cancel = context.WithCancel(context.Background())
	return r
}

func (r *replica) Follow(ctx context.Context, seen func(cluster.Record)) error {
	chain := replog.NewChain(0, r.disk.at())
	err := r.log.Read(ctx, chain.At().Seq, func(seq uint64, bytes []byte) error {
		found, err := chain.Next(seq, bytes)
		if err != nil {
			return err
		}
		s := step{at: found.At}
		if found.Batch != nil {
			s.n = int64(binary.BigEndian.Uint64(found.Batch))
		}
		r.disk.apply(s)
		seen(cluster.Record{Epoch: found.At.Epoch, Seq: found.At.Seq, Owner: found.Owner})
		return nil
	})
	if errors.Is(err, replog.ErrTrimmed) {
		r.p.behind = true
		return cluster.ErrBehind
	}
	return err
}

func (r *replica) Applied() (epoch, seq uint64) {
	at := r.disk.at()
	return at.Epoch, at.Seq
}

func (r *replica) End(ctx context.Context) (uint64, error) { return r.log.End(ctx) }

func (r *replica) Problem() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.lost
}

func (r *replica) Own(ctx context.Context, seq uint64) error {
	if r.p.h.unfit.Load() {
		return errors.New("a newer release has written the data")
	}
	chain := replog.NewChain(0, r.disk.at())
	if chain.At().Seq != seq {
		return fmt.Errorf("the replica is at %d, not at %d", chain.At().Seq, seq)
	}
	w := replog.NewWriter(r.log, chain, replog.MaxInFlight)
	at, err := w.Claim(ctx, r.p.h.name)
	if err != nil {
		return err
	}
	r.disk.apply(step{at: at})
	r.writer = w
	r.parts.Go(r.send)
	r.parts.Go(r.settle)
	return nil
}

// send sends what is written, several records at once.
func (r *replica) send() {
	defer close(r.flights)
	for {
		select {
		case one := <-r.writes:
			put := func(a replog.Append) { r.flights <- flight{a, one} }
			var err error
			if one.n == 0 {
				err = r.writer.SendNothing(r.ctx, put)
			} else {
				err = r.writer.SendBatch(r.ctx, binary.BigEndian.AppendUint64(nil, uint64(one.n)), put)
			}
			if err != nil {
				one.result <- err
			}
		case <-r.ctx.Done():
			return
		}
	}
}

// settle waits for the results, in order.
func (r *replica) settle() {
	for f := range r.flights {
		err := r.Problem()
		if err == nil {
			err = r.writer.Settle(r.ctx, f.Append)
		}
		if err == nil {
			r.disk.apply(step{f.At, f.n})
		} else {
			r.mu.Lock()
			r.lost = err
			r.mu.Unlock()
			r.cancel()
		}
		f.result <- err
	}
}

func (r *replica) put(n int64) error {
	one := write{n, make(chan error, 1)}
	select {
	case r.writes <- one:
	case <-r.ctx.Done():
		return errors.New("the replica does not own the log")
	}
	return <-one.result
}

func (r *replica) Beat() error { return r.put(0) }

func (r *replica) Serve(ctx context.Context) error {
	r.p.mu.Lock()
	r.p.serves = r
	r.p.mu.Unlock()
	r.p.node.Serves()
	<-ctx.Done()
	r.p.mu.Lock()
	r.p.serves = nil
	r.p.mu.Unlock()
	return nil
}

func (r *replica) Close() error {
	r.cancel()
	r.parts.Wait()
	return nil
}
