package wasi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/faaspot/faaspot/runtime"
)

// Control is what a System needs from the run that it serves. All methods are called from inside a
// host function, on the goroutine that runs the guest. A method ends the run by panicking; the
// panic passes through this package untouched.
type Control interface {
	// Sleep returns when d has passed. d is positive and at most 292 years.
	Sleep(d time.Duration)
	// Exit ends the run with the guest's exit code. It does not return.
	Exit(code uint32)
	// Log receives what the guest writes to stdout (stream 1) or stderr (stream 2). p is guest
	// memory of at most 2 GiB, and valid only during the call.
	Log(stream int, p []byte)
	// Execution returns what the guest reads from /dev/execution: at most 64 KiB. The System does
	// not keep it.
	Execution() []byte
	// Charge requests n more bytes of host memory, for /tmp, for the buffers of pairs of sockets and of
	// connections that transfer much, and for TLS, and reports whether they are granted. A negative n
	// returns bytes and is always granted.
	Charge(n int64) bool
	// Checkpoint is called at least once per some hundred microseconds of work in the host, and by
	// sched_yield.
	Checkpoint()
	// Wait calls wait, at most until d has passed, while other runs compute. wait returns true when
	// what it waits for has happened, and false at the given time or when ctx has ended, which means
	// that the run must end. Wait may call it several times, until it returns true. It does not use
	// the memory of the guest.
	Wait(d time.Duration, wait func(ctx context.Context, until time.Time) bool)
	// Hold requests the host's resources for n more connections, ConnectionBytes of memory each, and
	// reports whether they are granted. A negative n returns them and is always granted.
	Hold(n int) bool
	// HoldFiles requests n more descriptors of the process that are no connections to the network, and
	// reports whether they are granted. A negative n returns them and is always granted.
	HoldFiles(n int) bool
	// Trust returns what keeps the trust anchors of the run's tenant.
	Trust() Trust
}

// Clock reads the time. Every guest call that asks for the time or changes a file calls Now.
type Clock interface {
	// Now returns the wall time in nanoseconds since 1970 UTC, and the nanoseconds of a clock that
	// never goes back.
	Now() (wall, monotonic int64)
}

// Config configures a System. All fields except Args and Env are required.
type Config struct {
	Tree    *Tree
	Clock   Clock
	Random  io.Reader // crypto/rand.Reader in production; a short read returns EIO
	Control Control
	Args    []string // argv of the guest
	Env     []string // "NAME=value" each
}

// System is the whole WASI state of one run. Call Reset before each run. A System serves one
// goroutine at a time.
type System struct {
	tree    *Tree
	clock   Clock
	random  io.Reader
	control Control
	args    stringList
	env     stringList
	empty   State // start of a run without a State
	run

	// A run that is connected cannot be parked.
	network     runtime.Network // nil: the run has none
	postponed   bool            // it has none, but others that start from its State have
	reason      string          // of the latest failure of the network
	unreachable bool            // the latest failure is that there is no network
	poller      poller
	connections int       // that the run holds
	grown       int64     // bytes by which their buffers have grown
	polled      []*socket // of the poll in progress
	tls         tlsState
}

// run is the part of a System that belongs to its run.
type run struct {
	limits    Limits
	table     []descriptor
	opened    []description
	tmp       tmpfs
	mount     *Mount // nil: none
	token     *token // marks what belongs to this run; nil until it changes something in /tmp
	ownsTmp   bool   // tmp.nodes and tmp.free belong to this run
	charged   int64  // bytes granted by Control.Charge and not yet returned
	work      int    // since the last checkpoint; one unit is the copying of one byte
	monotonic int64  // the latest time reported; no later reading is less
	slept     int64  // nanoseconds that this run has slept
	numbered  int32  // the latest number of an engine or a session, of this run and those it comes from
}

// New returns a System in the state after Reset(nil, Limits{}). It fails only for an invalid
// Config: a missing field, or an argument that C cannot represent.
func New(c Config) (*System, error) {
	switch {
	case c.Tree == nil:
		return nil, errors.New("wasi: Config.Tree is nil: create one with NewTree, without files if none are needed")
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
				return nil, fmt.Errorf("wasi: argument or variable %q contains a NUL byte", v)
			}
		}
	}
	s := &System{
		tree: c.Tree, clock: c.Clock, random: c.Random, control: c.Control,
		args: newStringList(c.Args), env: newStringList(c.Env),
	}
	s.poller.hold = c.Control.HoldFiles
	s.empty = newEmptyState(c.Tree, s.now())
	s.Reset(nil, Limits{})
	return s, nil
}

// Reset ends the previous run and starts one from the given State, or from an empty /tmp and a
// fresh descriptor table if it is nil. The State must come from a System with the same Tree. Limits
// below the content of the State prevent growth and remove nothing. All charged bytes are returned.
func (s *System) Reset(state *State, limits Limits) {
	if state == nil {
		state = &s.empty
	}
	s.Disconnect() // returns a part of what was charged
	if s.charged != 0 {
		s.control.Charge(-s.charged)
		s.charged = 0
	}
	s.limits = limits.resolved()
	s.table = append(s.table[:0], state.table...)
	s.opened = append(s.opened[:0], state.opened...)
	copySockets(s.opened)
	s.tmp = state.tmp
	s.mount = state.mount
	s.token = nil
	s.ownsTmp = false
	s.work = 0
	s.slept = 0
	s.numbered = state.numbered
	s.monotonic = max(s.monotonic, state.monotonic)
}

// workPerCheckpoint is the amount of work between two checkpoints. Copying this many bytes takes 30
// to 60 µs.
const workPerCheckpoint = 256 << 10

// spend counts n units of work, each about the time to copy one byte, and reaches a checkpoint from
// time to time. Call it only where the System is consistent, since it may not return.
func (s *System) spend(n int) {
	s.work += n
	if s.work >= workPerCheckpoint {
		s.work = 0
		s.control.Checkpoint()
	}
}

// charge requests n bytes of host memory and reports whether they are granted.
func (s *System) charge(n int64) bool {
	if !s.control.Charge(n) {
		return false
	}
	s.charged += n
	return true
}

// refund returns n bytes of host memory.
func (s *System) refund(n int64) {
	if n != 0 {
		s.charged -= n
		s.control.Charge(-n)
	}
}
