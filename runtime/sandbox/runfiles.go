package sandbox

import (
	"sync"
	"syscall"

	"github.com/faaspot/faaspot/runtime"
)

// The runs of a tenant may hold runFilesTenant of every runFilesParts descriptors that all runs may hold,
// which are one of every runFilesShare that the process may open. Connections to the network have a bound
// of their own, see package egress; the rest is for clients, for the store and for images.
const (
	runFilesShare  = 4
	runFilesTenant = 1
	runFilesParts  = 2
)

// runFiles counts the descriptors of the process that runs hold beside connections to the network: both
// ends of pairs of sockets, and the pollers of runs that wait for sockets. Its method may be called
// concurrently.
type runFiles struct {
	most int // descriptors

	mu      sync.Mutex
	all     int
	tenants map[runtime.Tenant]int // without zeros
}

// mostRunFiles returns the number of descriptors that runs may hold.
func mostRunFiles() int {
	const least, most = 64, 1 << 16
	var l syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l) != nil {
		return least
	}
	return int(max(least, min(l.Cur/runFilesShare, most)))
}

// hold counts n more descriptors of a tenant, and reports whether its runs may have them. A negative n
// returns descriptors.
func (f *runFiles) hold(tenant runtime.Tenant, n int) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	held := f.tenants[tenant] + n
	if n > 0 && (f.all+n > f.most || held > f.most*runFilesTenant/runFilesParts) {
		return false
	}
	f.all += n
	switch {
	case held == 0:
		delete(f.tenants, tenant)
	case f.tenants == nil:
		f.tenants = map[runtime.Tenant]int{tenant: held}
	default:
		f.tenants[tenant] = held
	}
	return true
}
