package runtime

import "sync/atomic"

// TenantUse counts the requests of a tenant that are in progress. Nil is the use of a tenant that
// cannot be deleted: it counts nothing. All methods may be called concurrently.
type TenantUse struct {
	requests atomic.Int64
	closed   atomic.Bool
}

// Enter counts a request, which must call Leave in the end. It reports false, and counts nothing,
// after Close.
func (u *TenantUse) Enter() bool {
	if u == nil {
		return true
	}
	u.requests.Add(1)
	if u.closed.Load() {
		u.requests.Add(-1)
		return false
	}
	return true
}

// Leave ends a request.
func (u *TenantUse) Leave() {
	if u != nil {
		u.requests.Add(-1)
	}
}

// Close refuses further requests.
func (u *TenantUse) Close() { u.closed.Store(true) }

// Requests returns the number of requests in progress. Once it is zero after Close, it stays so.
func (u *TenantUse) Requests() int64 { return u.requests.Load() }
