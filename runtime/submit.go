package runtime

import (
	"context"
	"strconv"
)

// Bounds of what can be submitted.
const (
	// MaxBulk is how many runs one request may ask for, and how many executions
	// one request may look up.
	MaxBulk = 10_000
	// MaxBulkArgs is how many bytes the args of all runs of one request may have
	// in all. They are held in memory a few times over until they are on disk.
	MaxBulkArgs = 64 * MiB
	// MaxRetries is how many further attempts a caller may ask for.
	MaxRetries = 10
	// MaxIdempotencyKey is how many characters an idempotency key may have.
	MaxIdempotencyKey = 255
)

// SubmitRequest asks for a run in the background.
type SubmitRequest struct {
	Tenant   Tenant
	Function string // name
	Args     []byte // JSON object; empty means {}
	Caller   Caller
	// Retries is how many further attempts are made after failures of the
	// function, from 0 to [MaxRetries]. Nil: as many as its current version says.
	Retries *int
	// IdempotencyKey, if not empty, makes a request that comes again within
	// [IdempotencyPeriod] stand for the first one: 1 to [MaxIdempotencyKey]
	// printable ASCII characters. Another request with the same key is a
	// CodeConflict error.
	IdempotencyKey string
}

// BulkRequest asks for many runs of one function in the background.
type BulkRequest struct {
	Tenant         Tenant
	Function       string // name
	Caller         Caller
	Args           [][]byte // one to [MaxBulk] JSON objects, [MaxBulkArgs] bytes in all; empty ones mean {}
	Retries        *int     // see SubmitRequest
	IdempotencyKey string   // see SubmitRequest
}

// Acceptance is the answer to what was submitted.
type Acceptance struct {
	IDs      []string // of the executions, in the order of the request
	Replayed bool     // the request came before: the executions are those of then
}

// Submit accepts a run in the background. When it returns without an error the
// execution is on disk and will be carried to a terminal state, whatever happens
// to this process or machine. Each run is begun at least once, and exactly one
// attempt has its outcome kept. It runs the version of the function that is
// current when an attempt starts.
//
// Errors mean that nothing was accepted: CodeNotFound, CodeInvalidArgument,
// CodeTooLarge, CodeConflict, CodeTooBusy, CodeUnavailable. After CodeInternal
// it is not known; to be sure, send the request again with an idempotency key.
func (e *Engine) Submit(ctx context.Context, r SubmitRequest) (Acceptance, error) {
	return e.submit(ctx, "engine.submit", BulkRequest{
		Tenant: r.Tenant, Function: r.Function, Caller: r.Caller, Args: [][]byte{r.Args}, Retries: r.Retries, IdempotencyKey: r.IdempotencyKey,
	})
}

// SubmitBulk accepts many runs as Submit does: all of them or none.
func (e *Engine) SubmitBulk(ctx context.Context, r BulkRequest) (Acceptance, error) {
	return e.submit(ctx, "engine.submitbulk", r)
}

func (e *Engine) submit(ctx context.Context, op string, r BulkRequest) (Acceptance, error) {
	if err := e.enter(); err != nil {
		return Acceptance{}, err
	}
	defer e.gate.leave()
	a, err := e.accept(ctx, r)
	if err != nil {
		return Acceptance{}, fault(op, err)
	}
	return a, nil
}

func (e *Engine) accept(ctx context.Context, r BulkRequest) (Acceptance, error) {
	if err := r.check(); err != nil {
		return Acceptance{}, err
	}
	now := e.now().UTC()
	var key *IdempotencyKey
	if r.IdempotencyKey != "" {
		key = &IdempotencyKey{Key: r.IdempotencyKey, Hash: r.hash(), Now: now}
		// What was accepted before counts, even if it could not be accepted now.
		if ids, err := e.store.LookupKey(r.Tenant, *key); err != nil || len(ids) > 0 {
			return Acceptance{IDs: ids, Replayed: err == nil}, err
		}
	}
	version, err := e.currentOf(ctx, r.Tenant, r.Function)
	if err != nil {
		return Acceptance{}, err
	}
	p := &version.program
	retries := version.retries
	if r.Retries != nil {
		retries = *r.Retries
	}
	o := &origin{tenant: r.Tenant, functionID: p.FunctionID, function: r.Function, version: p.Version, caller: r.Caller}
	err = e.admission.possible(p.reservation())
	e.current.release(version)
	if err != nil {
		return Acceptance{}, err
	}
	if err := e.background.reserve(len(r.Args)); err != nil {
		return Acceptance{}, err
	}
	defer e.background.unreserve(len(r.Args))

	batch := make([]Accepted, len(r.Args))
	for i, args := range r.Args {
		batch[i] = Accepted{Args: orNoMembers(args), Execution: Execution{
			ID: newID(), Tenant: o.tenant, Kind: KindRun, FunctionID: o.functionID, Function: o.function, Version: o.version,
			State: StateQueued, Created: now, Retries: retries, Caller: r.Caller,
		}}
	}
	ids, replayed, err := e.store.Accept(batch, key)
	if err != nil {
		return Acceptance{}, err
	}
	if !replayed {
		tickets := make([]*ticket, len(batch))
		for i := range batch {
			tickets[i] = newTicket(o, &batch[i].Execution)
		}
		e.background.add(tickets)
	}
	return Acceptance{IDs: ids, Replayed: replayed}, nil
}

func (r BulkRequest) check() error {
	switch {
	case len(r.Args) == 0:
		return Errorf(CodeInvalidArgument, "there are no args to run the function with").
			WithHint("give an array of at least one JSON object")
	case len(r.Args) > MaxBulk:
		return Errorf(CodeTooLarge, "%d runs are asked for, at most %d can be in one request", len(r.Args), MaxBulk).
			WithHint("send several requests")
	}
	if r.Retries != nil {
		if err := checkRetries(*r.Retries); err != nil {
			return err
		}
	}
	if err := checkIdempotencyKey(r.IdempotencyKey); err != nil {
		return err
	}
	sum := 0
	for i, args := range r.Args {
		if sum += len(args); sum > MaxBulkArgs {
			return Errorf(CodeTooLarge, "the args of all runs have more than the %d bytes that one request may have", MaxBulkArgs).
				WithHint("send several requests")
		}
		what := "args"
		if len(r.Args) > 1 {
			what = "args of run " + strconv.Itoa(i)
		}
		if err := checkObject(what, args, MaxArgs); err != nil {
			return err
		}
	}
	return nil
}

func checkRetries(n int) error {
	if n < 0 || n > MaxRetries {
		return Errorf(CodeInvalidArgument, "%d retries are out of bounds", n).
			WithHint("give a number of retries between 0 and 10")
	}
	return nil
}

func checkIdempotencyKey(key string) error {
	ok := len(key) <= MaxIdempotencyKey
	for i := 0; ok && i < len(key); i++ {
		ok = key[i] >= ' ' && key[i] <= '~'
	}
	if !ok {
		return Errorf(CodeInvalidArgument, "the idempotency key is not valid").
			WithHint("use 1 to 255 printable ASCII characters, such as a UUID")
	}
	return nil
}
