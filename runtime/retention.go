package runtime

import "time"

// Retention says how long, and how much of, executions that are done are stored. They are dropped in
// the order in which they ended. The tasks of a job's execution are kept as long as the execution
// itself, and end with it.
//
// If there is too much in all or in a tenant, those functions that hold most are cut, all to the same
// level: no function pushes out the history of one that holds less.
type Retention struct {
	// Age is how long they are stored. Zero: without a limit.
	Age time.Duration
	// MinAge is how long they are stored even if there is too much, unless they ended
	// in the future, under a clock that was wrong.
	MinAge time.Duration
	// Ahead is how far the time of day has jumped ahead, so that this much of an age has not passed:
	// it counts towards no age but MinAge.
	Ahead time.Duration
	// Count is how many are stored. Zero: without a limit.
	Count int
	// Bytes is how many bytes are stored in all; TenantBytes and FunctionBytes are the shares of
	// one tenant and of one function. Zero: for Bytes, half of what the disk has for the store
	// when it is opened; for the shares, the parts that WithShares sets.
	Bytes, TenantBytes, FunctionBytes int64
}

// WithShares returns r with the shares that are zero set: three quarters of Bytes for a tenant, and
// half of Bytes for a function.
func (r Retention) WithShares() Retention {
	if r.TenantBytes == 0 {
		r.TenantBytes = r.Bytes / 4 * 3
	}
	if r.FunctionBytes == 0 {
		r.FunctionBytes = r.Bytes / 2
	}
	return r
}

// Negative reports whether a limit is negative.
func (r Retention) Negative() bool {
	return min(int64(r.Age), int64(r.MinAge), int64(r.Count), r.Bytes, r.TenantBytes, r.FunctionBytes) < 0
}
