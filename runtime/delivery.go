package runtime

import "time"

// DeadLetterAge is how long a delivery is kept that was given up, from when its
// execution was accepted.
const DeadLetterAge = 30 * 24 * time.Hour

// DefaultCallbackRetry is the number of further attempts of a callback whose trigger sets
// none.
const DefaultCallbackRetry = 5

// Delivery is a callback: what is to be told to somebody elsewhere about the end
// of an execution of a job. It is kept in one batch with that end, tried until it
// is taken or was tried often enough, and is then a dead letter until it is driven
// again or purged. What is told is made of the execution at each attempt.
type Delivery struct {
	ID           string // that of the execution of the job
	Tenant       Tenant
	JobID        string
	Job          string // name
	JobExecution string // ID
	Callback     Callback
	Body         []byte `json:",omitempty"` // what was told, JSON; of a dead letter, and one that is driven again
	Created      time.Time
	Attempts     int       // since it was kept, or driven again
	NotBefore    time.Time // of the next attempt; zero: at once
	Dead         bool
	LastAttempt  time.Time
	LastStatus   int    // of the answer; 0: there was none
	LastError    string // why the last attempt failed, in words for the job's owner
}

// DeliveryStore keeps deliveries. It is held to what [FunctionStore] is held to. That of
// an execution of a job is kept in the batch in which the execution ends.
type DeliveryStore interface {
	// EachDelivery calls visit with each delivery that is not a dead letter, until it
	// fails. It must not call the store.
	EachDelivery(visit func(Delivery) error) error
	// GetDelivery gets one that is not a dead letter.
	GetDelivery(tenant Tenant, id string) (Delivery, error)
	// SaveAttempt keeps how an attempt has left a delivery that is not a dead letter,
	// which it may be from then on. One that is not there any more stays so.
	SaveAttempt(d Delivery) error
	// DeleteDelivery drops one that was taken.
	DeleteDelivery(tenant Tenant, id string) error

	// ListDeadLetters lists up to limit dead letters, newest first, those before the one
	// with the id before, if it is not empty.
	ListDeadLetters(tenant Tenant, before string, limit int) ([]Delivery, error)
	GetDeadLetter(tenant Tenant, id string) (Delivery, error)
	// RedriveDeadLetters makes dead letters new deliveries and gives them: those with the ids,
	// or up to limit of all if ids is nil. Ids of none are passed over.
	RedriveDeadLetters(tenant Tenant, ids []string, limit int) ([]Delivery, error)
	// PurgeDeadLetters drops dead letters, likewise, and gives how many.
	PurgeDeadLetters(tenant Tenant, ids []string, limit int) (int, error)
}
