package runtime

import (
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

func (r BulkRequest) Validate() error {
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
	if err := ValidateIdempotencyKey(r.IdempotencyKey); err != nil {
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
		if err := ValidateObject(what, args, MaxArgs); err != nil {
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

// RunRequest asks for a blocking run.
type RunRequest struct {
	Tenant   Tenant
	Function string // name
	Args     []byte // JSON object; empty means {}
	Caller   Caller
}
