package runtime

import "time"

// DeadLetterAge is how long a dead letter is stored, counted from when its execution was
// accepted.
const DeadLetterAge = 30 * 24 * time.Hour

// The dead letters of a tenant that are stored: the oldest are dropped beyond either bound.
const (
	MaxDeadLetters     = 10_000
	MaxDeadLetterBytes = 256 * MiB // of their bodies
)

// DefaultCallbackRetry is the number of further attempts of a callback whose trigger sets none.
const DefaultCallbackRetry = 5

// Delivery is a callback: the report to a URL that an execution of a job has ended. It is stored in
// one batch with that end and attempted until the receiver accepts it or no attempt is left. Then
// it is a dead letter, until it is redriven or purged. Its body is rendered and stored right after the
// end, and each attempt sends that. Until then the execution and its tasks are not dropped.
type Delivery struct {
	ID           string // the id of the execution of the job
	Tenant       Tenant
	JobID        string
	Job          string // name
	JobExecution string // id
	Callback     Callback
	Body         []byte `json:",omitempty"` // JSON; empty: not rendered yet, or not read
	BodySize     int    `json:",omitempty"` // bytes of the stored body; 0: not rendered yet
	TraceID      string `json:",omitempty"` // of the execution; empty until the body is rendered
	Created      time.Time
	Attempts     int       // since it was stored or redriven
	NotBefore    time.Time // time of the next attempt; zero: at once
	Dead         bool
	LastAttempt  time.Time
	LastStatus   int    // status of the response; 0: there was none
	LastError    string // why the last attempt failed, as text for the owner of the job
}

// DeliveryStore stores deliveries, with the guarantees of [FunctionStore]. The delivery of an
// execution of a job is stored in the batch that ends the execution.
type DeliveryStore interface {
	// EachDelivery calls visit with each delivery that is not a dead letter, without its body,
	// until visit fails. visit must not call the store.
	EachDelivery(visit func(Delivery) error) error
	// GetDelivery returns a delivery that is not a dead letter, with its body.
	GetDelivery(tenant Tenant, id string) (Delivery, error)
	// SaveAttempt stores a delivery after an attempt, or after its body was rendered: d.Body
	// replaces the stored body unless it is empty. If d.Dead is set it is a dead letter from then
	// on. It does nothing if the delivery is gone or is a dead letter already.
	SaveAttempt(d Delivery) error
	// DeleteDelivery drops a delivery that was accepted by its receiver.
	DeleteDelivery(tenant Tenant, id string) error

	// ListDeadLetters returns up to limit dead letters without their bodies, newest first. If before is not empty, it
	// starts after the one with that id.
	ListDeadLetters(tenant Tenant, before string, limit int) ([]Delivery, error)
	// GetDeadLetter returns a dead letter, with its body.
	GetDeadLetter(tenant Tenant, id string) (Delivery, error)
	// RedriveDeadLetters turns dead letters into new deliveries and returns them without their
	// bodies: those with the ids or, if ids is nil, up to limit of all. It skips ids of no dead letter.
	RedriveDeadLetters(tenant Tenant, ids []string, limit int) ([]Delivery, error)
	// PurgeDeadLetters drops dead letters, selected as by RedriveDeadLetters, and returns their
	// number.
	PurgeDeadLetters(tenant Tenant, ids []string, limit int) (int, error)
}
