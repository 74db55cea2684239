package runtime

import (
	"fmt"
	"strconv"
)

// Bounds of submitted runs.
const (
	// MaxBulk is the maximum number of runs that one request submits, and of executions that one
	// request reads.
	MaxBulk = 10_000
	// MaxBulkArgs is the maximum size of the args of all runs of one request, in bytes. Until
	// they are on disk they are in memory a few times.
	MaxBulkArgs = 64 * MiB
	// MaxRetries is the maximum number of further attempts.
	MaxRetries = 10
	// MaxIdempotencyKey is the maximum length of an idempotency key, in characters.
	MaxIdempotencyKey = 255
)

// SubmitRequest is a request for a run in the background.
type SubmitRequest struct {
	Tenant   Tenant
	Function string // name
	Args     []byte // JSON object; empty means {}
	Caller   Caller
	// Retries is the number of further attempts after failures of the function, 0 to
	// [MaxRetries]. Nil: that of the current version.
	Retries *int
	// IdempotencyKey, if not empty, makes a repeated request within [IdempotencyPeriod] return
	// the executions of the first one. It has 1 to [MaxIdempotencyKey] printable ASCII
	// characters. For a different request with the same key the error is CodeConflict.
	IdempotencyKey string
	// KeyOwner is the only sender to which the key returns the executions, see [Identity.KeyOwner].
	KeyOwner string
}

// BulkRequest is a request for many runs of one function in the background.
type BulkRequest struct {
	Tenant         Tenant
	Function       string // name
	Caller         Caller
	Args           [][]byte // one to [MaxBulk] JSON objects, in total [MaxBulkArgs] bytes; an empty one means {}
	Retries        *int     // see [SubmitRequest]
	IdempotencyKey string   // see [SubmitRequest]
	KeyOwner       string   // see [SubmitRequest]
	// RerunOf are the ids of the executions that the runs repeat, one for each. Nil: they repeat none.
	RerunOf []string
	// Version is the version of the function to run, one that is stored. Zero: the one that is
	// current when an attempt starts.
	Version uint64
}

// RerunRequest is a request to repeat the run of an execution, in the background.
type RerunRequest struct {
	Tenant Tenant
	ID     string // of the execution
	Caller Caller
	// Args is a JSON object that replaces the args of the execution. Nil: those, if they are kept.
	Args    []byte
	Version uint64 // see [BulkRequest]
	Retries *int   // see [SubmitRequest]
	// MayRun reports whether the caller may run the function with a name. Nil: it may run all.
	MayRun func(function string) bool
	// Sees reports whether the caller may see an execution. Nil: it sees all.
	Sees           func(x *Execution) bool
	IdempotencyKey string // see [SubmitRequest]
	KeyOwner       string // see [SubmitRequest]
}

// Acceptance is the response to submitted runs.
type Acceptance struct {
	IDs      []string // of the executions, in the order of the request
	Replayed bool     // an earlier request with the same idempotency key submitted them
}

// Validate checks all of the request that can be checked without the store.
func (r BulkRequest) Validate() error {
	switch {
	case len(r.Args) == 0:
		return Errorf(CodeInvalidArgument, "there are no args to run the function with").
			WithHint("send an array of at least one JSON object")
	case len(r.Args) > MaxBulk:
		return Errorf(CodeTooLarge, "%d runs were requested, at most %d are allowed in one request", len(r.Args), MaxBulk).
			WithHint("send several requests")
	}
	if r.Retries != nil {
		if err := checkRetries(*r.Retries); err != nil {
			return err
		}
	}
	if err := ValidateIdempotencyKey(r.IdempotencyKey); err != nil {
		return err
	}
	total := 0
	for i, args := range r.Args {
		if total += len(args); total > MaxBulkArgs {
			return Errorf(CodeTooLarge, "the args of all runs have more than the %s bytes that one request may have", SizeText(MaxBulkArgs)).
				WithHint("send several requests")
		}
		what := "args"
		if len(r.Args) > 1 {
			what = "args of run " + strconv.Itoa(i)
		}
		if err := ValidateObject(what, args, MaxArgs); err != nil {
			return err
		}
	}
	return nil
}

func checkRetries(n int) error {
	if n < 0 || n > MaxRetries {
		return Errorf(CodeInvalidArgument, "%d retries are out of bounds", n).
			WithHint(fmt.Sprintf("use a number of retries between 0 and %d", MaxRetries))
	}
	return nil
}

// ValidateIdempotencyKey checks an idempotency key; see [SubmitRequest]. An empty one is valid.
func ValidateIdempotencyKey(key string) error {
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

// RunRequest is a request for a blocking run.
type RunRequest struct {
	Tenant   Tenant
	Function string // name
	Args     []byte // JSON object; empty means {}
	Caller   Caller
}
