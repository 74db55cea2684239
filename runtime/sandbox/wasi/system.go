package wasi

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
)

// Control is what a System asks of the run that it serves. All methods are called on the goroutine that runs the guest, from
// inside a host function. A method ends the run by panicking; the panic passes through this package untouched.
type Control interface {
	// Sleep returns when d has passed. d is positive and can be as great as 292 years.
	Sleep(d time.Duration)
	// Exit ends the run with the guest's exit code. It does not return.
	Exit(code uint32)
	// Log takes what the guest wrote to stdout (stream 1) or stderr (stream 2). p is guest memory, of any length up to 2 GiB, and is
	// valid only during the call.
	Log(stream int, p []byte)
	// Charge asks for n more bytes of host memory for /tmp and says whether they are granted. A negative n gives bytes back
	// and is always granted.
	Charge(n int64) bool
	// Checkpoint is called at least once per some hundred microseconds of work in the host, and by sched_yield.
	Checkpoint()
}

// Clock tells the time. Now is called by every guest call that asks for the time or changes a file.
type Clock interface {
	// Now returns nanoseconds since 1970 UTC, and nanoseconds of a clock that never goes back.
	Now() (wall, monotonic int64)
}

// Config is what a System is made of. All fields but Args and Env are required.
type Config struct {
	Tree    *Tree
	Clock   Clock
	Random  io.Reader // crypto/rand.Reader in production; a short read answers EIO
	Control Control
	Args    []string // argv of the guest
	Env     []string // "NAME=value" each
}

// System is all that WASI remembers of one run. Call Reset before each run. A System serves one goroutine at a time.
type System struct {
	tree    *Tree
	clock   Clock
	random  io.Reader
	control Control
	args    stringList
	env     stringList
	empty   State // what a run without a State begins with

	limits    Limits
	table     []descriptor
	tmp       tmpfs
	token     *token // marks what belongs to this run alone; nil until it changes something in /tmp
	ownsTmp   bool   // tmp.nodes and tmp.free are this run's alone
	charged   int64  // bytes granted by Control.Charge and not given back
	work      int    // since the last checkpoint, in units of a byte copied
	monotonic int64  // the latest time told: no later answer is less
}

// New returns a System that stands as after Reset(nil, Limits{}). The error is of the caller's making: a missing field, or an argument
// that C cannot represent.
func New(c Config) (*System, error) {
	switch {
	case c.Tree == nil:
		return nil, errors.New("wasi: Config.Tree is nil: make one with NewTree, of no files if need be")
	case c.Clock == nil:
		return nil, errors.New("wasi: Config.Clock is nil")
	case c.Random == nil:
		return nil, errors.New("wasi: Config.Random is nil")
	case c.Control == nil:
		return nil, errors.New("wasi: Config.Control is nil")
	}
	for _, list := range [][]string{c.Args, c.Env} {
		for _, v := range list {
			if strings.ContainsRune(v, 0) {
				return nil, fmt.Errorf("wasi: argument or variable %q holds a NUL byte", v)
			}
		}
	}
	s := &System{
		tree: c.Tree, clock: c.Clock, random: c.Random, control: c.Control,
		args: newStringList(c.Args), env: newStringList(c.Env),
	}
	s.empty = newEmptyState(c.Tree, s.now())
	s.Reset(nil, Limits{})
	return s, nil
}

// Reset ends whatever the System served before and begins a run from the given State, or from an empty /tmp and a fresh table of
// descriptors if it is nil. The State must come from a System with the same Tree. Limits below what the State holds forbid
// more, and take nothing away. All bytes charged are given back.
func (s *System) Reset(state *State, limits Limits) {
	if state == nil {
		state = &s.empty
	}
	if s.charged != 0 {
		s.control.Charge(-s.charged)
		s.charged = 0
	}
	s.limits = limits.resolved()
	s.table = append(s.table[:0], state.table...)
	s.tmp = state.tmp
	s.token = nil
	s.ownsTmp = false
	s.work = 0
	s.monotonic = max(s.monotonic, state.monotonic)
}

// workPerCheckpoint is how much work may be done between two checkpoints. Copying this much takes 30 to 60 µs.
const workPerCheckpoint = 256 << 10

// spend counts n units of work, about the time that it takes to copy n bytes, and lets the Control look in now and then. Call it
// only where the System is consistent, since it may not return.
func (s *System) spend(n int) {
	s.work += n
	if s.work >= workPerCheckpoint {
		s.work = 0
		s.control.Checkpoint()
	}
}

// charge asks for n bytes of host memory.
func (s *System) charge(n int64) bool {
	if !s.control.Charge(n) {
		return false
	}
	s.charged += n
	return true
}

// refund gives n bytes of host memory back.
func (s *System) refund(n int64) {
	if n != 0 {
		s.charged -= n
		s.control.Charge(-n)
	}
}
