package runtime

import "time"

// Delivery is a callback: what is to be told to somebody elsewhere about the end
// of an execution of a job. It is kept in one batch with that end, tried until it
// is taken or was tried often enough, and is then a dead letter until it is driven
// again or purged.
type Delivery struct {
	ID           string // that of the execution of the job
	Tenant       Tenant
	JobID        string
	Job          string // name
	JobExecution string // ID
	Callback     Callback
	Body         []byte // JSON
	Created      time.Time
	Attempts     int
	NotBefore    time.Time // of the next attempt; zero: at once
	Dead         bool
	LastAttempt  time.Time
	LastStatus   int    // of the answer; 0: there was none
	LastError    string // why the last attempt failed, in words for the job's owner
}
