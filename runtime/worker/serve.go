package worker

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	goruntime "runtime"
	"runtime/debug"
	"sync"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/memory"
	"github.com/faaspot/faaspot/runtime/sandbox"
	"github.com/faaspot/faaspot/runtime/worker/internal/wire"
)

// ServeOptions configures a worker.
type ServeOptions struct {
	// CacheDir is the folder that stores the compiled guest. Empty: the worker compiles it.
	CacheDir string
	// Processors is the largest number of guests that compute at once in this worker. Zero: the value of
	// GOMAXPROCS.
	Processors int
	// Confine is called when all that needs rights is done, and before any code of a tenant runs. Nil:
	// nothing is confined.
	Confine func() error
	Log     *slog.Logger // nil: slog.Default
}

// worker is a worker process, which a server uses.
type worker struct {
	o       ServeOptions
	conn    *conn
	leaser  leaser
	lanes   []*lane
	box     *sandbox.Sandbox   // nil until hello
	runs    *memory.Account    // Go's heap that runs use; their reservations cover it
	code    *memory.Account    // programs
	govern  context.CancelFunc // ends what runs beside the calls
	working sync.WaitGroup
	tenants workerTenants

	mu       sync.Mutex
	programs map[uint64]*runtime.RunCall // a program with its context, by number
}

// Serve serves a server over a connection, which is its own from then on, until the connection or ctx
// ends. The end of the connection by the server is not an error.
func Serve(ctx context.Context, socket *net.UnixConn, o ServeOptions) error {
	o.Log = cmp.Or(o.Log, slog.Default())
	o.Processors = cmp.Or(o.Processors, goruntime.GOMAXPROCS(0))
	c, err := newConn(socket, true)
	if err != nil {
		return err
	}
	w := &worker{o: o, conn: c, programs: make(map[uint64]*runtime.RunCall)}
	w.leaser = leaser{conn: c, wake: make(chan struct{}, 1)}
	w.handle()
	defer context.AfterFunc(ctx, func() { c.abort(ctx.Err()) })()
	err = c.serve()
	return errors.Join(ended(err), w.close())
}

// ended returns nil for the end of a connection by the other side.
func ended(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// close ends what runs beside the calls, and the sandbox.
func (w *worker) close() error {
	for _, l := range w.lanes {
		l.shutdown()
	}
	if w.box == nil {
		return nil
	}
	w.govern()
	w.working.Wait()
	return w.box.Close()
}

// handle sets what serves the frames of the server.
func (w *worker) handle() {
	c := w.conn
	c.handle(kindHello, func(ctx context.Context, payload []byte, fds []int) ([]byte, []int, error) {
		return nil, nil, w.start(ctx, payload, fds)
	})
	c.handle(kindPing, func(context.Context, []byte, []int) ([]byte, []int, error) { return w.tenants.report(), nil, nil })
	c.handle(kindShrink, func(_ context.Context, payload []byte, _ []int) ([]byte, []int, error) {
		reply, err := w.leaser.onShrink(payload)
		return reply, nil, err
	})
	c.handle(kindImports, func(_ context.Context, payload []byte, _ []int) ([]byte, []int, error) {
		d := wire.Decode(payload)
		names := w.box.RunImports(d.String(maxName), d.Uint())
		reply := wire.AppendUint(nil, uint64(len(names)))
		for _, name := range names {
			reply = wire.AppendBytes(reply, name)
		}
		return reply, nil, d.Err()
	})
	c.handlers[kindProgram].note = w.onProgram
	c.handlers[kindContext].note = w.onContext
	c.handlers[kindForget].note = w.onForget
	c.handlers[kindTenant].note = w.tenants.onTenant
	c.handle(kindDeploy, w.onDeploy)
	c.handlers[kindRun].call = w.onRun
}

// start opens the sandbox and confines the process.
func (w *worker) start(ctx context.Context, hello []byte, fds []int) error {
	defer closeFDs(fds)
	d := wire.Decode(hello)
	total := d.Size()
	var processors []int
	for range d.Count(maxLanes) {
		processors = append(processors, d.Count(maxProcessors))
	}
	if err := d.Err(); err != nil {
		return err
	}
	begin := make(chan struct{})
	defer close(begin)
	if len(fds) > 0 {
		if err := w.openLanes(fds[0], processors, begin); err != nil {
			return err
		}
	}
	budget := memory.NewLeased(total, w.leaser.lacks, w.o.Log)
	w.leaser.budget = budget
	o := sandbox.Options{CacheDir: w.o.CacheDir, Processors: w.o.Processors, Memory: budget, Uses: w.tenants.use, Log: w.o.Log}
	if err := borrow(ctx, w.conn, &o); err != nil {
		return err
	}
	box, err := sandbox.Open(ctx, o)
	if err != nil {
		return err
	}
	w.runs = budget.Open(memory.Options{Name: "runs", Heap: true, Covered: true})
	w.code = budget.Open(memory.Options{Name: "code of functions", Heap: true})
	if w.o.Confine != nil {
		if err := w.o.Confine(); err != nil {
			return errors.Join(fmt.Errorf("confine the worker: %w", err), box.Close())
		}
	}
	w.box = box
	ctx, w.govern = context.WithCancel(context.Background())
	w.working.Go(func() { w.leaser.run(ctx) })
	w.working.Go(func() { budget.Govern(ctx) })
	w.leaser.lacks(leaseStep-budget.Withdrawable(), false)
	return nil
}

// onProgram keeps a program that runs will refer to.
func (w *worker) onProgram(payload []byte) error {
	d := wire.Decode(bytes.Clone(payload))
	number := d.Uint()
	p := decodeProgram(&d)
	if err := d.Err(); err != nil {
		return err
	}
	w.code.Add(int64(len(p.Source)) + programOverhead)
	w.tenants.count(p.Tenant, 1)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.programs[number] = &runtime.RunCall{Program: p}
	return nil
}

// onContext keeps the context of a program. Runs that began before keep the one that they have.
func (w *worker) onContext(payload []byte) error {
	d := wire.Decode(bytes.Clone(payload))
	number := d.Uint()
	w.mu.Lock()
	defer w.mu.Unlock()
	known := w.programs[number]
	if known == nil {
		return errProgram
	}
	w.code.Give(int64(len(known.Context)))
	changed := *known
	changed.Context = d.Rest()
	w.code.Add(int64(len(changed.Context)))
	w.programs[number] = &changed
	return d.Err()
}

// errProgram is the error of a server that names a program that it has not sent.
var errProgram = errors.New("an unknown program")

// onForget forgets a program and its image.
func (w *worker) onForget(payload []byte) error {
	d := wire.Decode(payload)
	number := d.Uint()
	w.mu.Lock()
	known := w.programs[number]
	delete(w.programs, number)
	w.mu.Unlock()
	if known == nil {
		return errProgram
	}
	w.tenants.count(known.Program.Tenant, -1)
	w.code.Give(int64(len(known.Program.Source)+len(known.Context)) + programOverhead)
	w.conn.crew.do(func() { w.box.Forget(known.Program.FunctionID, known.Program.Version) })
	return d.Err()
}

// program returns a program with its context.
func (w *worker) program(number uint64) (runtime.RunCall, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if known := w.programs[number]; known != nil {
		return *known, nil
	}
	return runtime.RunCall{}, errProgram
}

func (w *worker) onDeploy(ctx context.Context, payload []byte, _ []int) (reply []byte, _ []int, err error) {
	d := wire.Decode(payload)
	known, err := w.program(d.Uint())
	known.Program.Limits = decodeLimits(&d)
	if err := cmp.Or(err, d.Err()); err != nil {
		return nil, nil, err
	}
	w.runs.Add(runtime.RunOverhead)
	defer w.runs.Give(runtime.RunOverhead)
	defer recoverPanic(&err)
	outcome, err := w.box.Deploy(ctx, known.Program)
	if err != nil {
		return nil, nil, err
	}
	return appendOutcome(nil, &outcome), nil, nil
}

// onRun runs a program.
func (w *worker) onRun(ctx context.Context, r *request) (reply []byte, _ []int, err error) {
	d := wire.Decode(r.payload)
	known, err := w.program(d.Uint())
	c, flags := decodeRun(&d)
	if err := cmp.Or(err, d.Err()); err != nil {
		return nil, nil, err
	}
	known.Program.Limits, c.Program.Limits = c.Program.Limits, runtime.Limits{}
	c.Program, c.Context = known.Program, known.Context
	w.runs.Add(runtime.RunOverhead)
	defer w.runs.Give(runtime.RunOverhead)
	if flags&runReaches != 0 {
		c.Network = newNetwork(w.conn, r.id)
		defer c.Network.Close()
	}
	if flags&runLends != 0 {
		room := &remoteRoom{conn: w.conn, id: r.id, heap: w.runs}
		defer room.end()
		c.Room = room
	}
	var output *output
	if flags&runIsLive != 0 {
		output = w.follow(&c, r.id)
		defer output.end() // also after a panic
	}
	defer recoverPanic(&err)
	outcome, err := w.box.Run(ctx, c)
	if output != nil {
		outcome.Logs = output.end()
	}
	if err != nil {
		return nil, nil, err
	}
	return appendOutcome(nil, &outcome), nil, nil
}

// recoverPanic sets err if the deferring function panics: hostile input must not end the other runs of
// the worker.
func recoverPanic(err *error) {
	if r := recover(); r != nil {
		*err = runtime.Internal("worker.run", fmt.Errorf("the sandbox panicked: %v\n%s", r, debug.Stack()))
	}
}
