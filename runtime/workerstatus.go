package runtime

import "time"

// WorkerStatus is the state of a worker process of a server, in which runs happen.
type WorkerStatus struct {
	PID      int       // of the process; 0: there is none now
	Tenant   Tenant    // the only one whose runs it gets; empty: tenants share it
	Function string    // ID of the only function whose runs it gets; empty: functions share it
	Since    time.Time // when the process was ready; zero: it is not
	Restarts int       // processes that have ended before this one
	Runs     int       // in progress
	Memory   int64     // bytes of the memory budget that it has leased, without what is reserved for runs
}
