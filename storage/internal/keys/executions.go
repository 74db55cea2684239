package keys

import (
	"bytes"
	"encoding/binary"
	"time"

	"github.com/faaspot/faaspot/runtime"
)

// The bytes behind a tenant for the records of executions.
const (
	KindAccepted             = 'a'
	KindArgs                 = 'g'
	KindLease                = 'b'
	KindWaiting              = 'w'
	KindWaitingLogs          = 'o'
	KindUnfinishedByFunction = 'u'
	KindDone                 = 'x'
	KindResult               = 'r'
	KindLogs                 = 'l'
	KindDoneByState          = 'j'
	KindDoneByFunction       = 'k'
	KindIdempotency          = 'y'
	KindOperation            = 'V'
)

// Execution returns the key of one record of an execution. kind is one of the kinds whose keys end
// in the id.
func Execution(kind byte, tenant runtime.Tenant, id ID) []byte {
	return append(OfKind(tenant, kind), id[:]...)
}

// UnfinishedOfFunction returns the key by which an execution that is not done is found by its
// function.
func UnfinishedOfFunction(tenant runtime.Tenant, function string, id ID) []byte {
	return append(UnfinishedByFunction(tenant, function), id[:]...)
}

// UnfinishedByFunction returns the prefix of the executions of a function that are not done.
func UnfinishedByFunction(tenant runtime.Tenant, function string) []byte {
	return AppendText(OfKind(tenant, KindUnfinishedByFunction), function)
}

// DoneByState returns the prefix of a tenant's executions that ended in a state.
func DoneByState(tenant runtime.Tenant, state byte) []byte {
	return append(OfKind(tenant, KindDoneByState), state)
}

// DoneByFunction returns the prefix of a function's executions that ended in a state.
func DoneByFunction(tenant runtime.Tenant, function string, state byte) []byte {
	return append(AppendText(OfKind(tenant, KindDoneByFunction), function), state)
}

// Day is the period after which idempotency keys get another prefix, so that the keys of a past day
// are dropped as one range. A key is valid into the next day.
const Day = 24 * time.Hour

// Idempotency returns the key of an idempotency key that was used on a day.
func Idempotency(tenant runtime.Tenant, day uint64, key string) []byte {
	return AppendText(IdempotencyDay(tenant, day), key)
}

// IdempotencyDay returns the prefix of the idempotency keys that were used on a day.
func IdempotencyDay(tenant runtime.Tenant, day uint64) []byte {
	return binary.BigEndian.AppendUint64(OfKind(tenant, KindIdempotency), day)
}

// DayOf returns the number of days since 1970, in UTC.
func DayOf(t time.Time) uint64 { return uint64(max(t.Unix(), 0)) / uint64(Day/time.Second) }

// DecodeID returns the id that follows a prefix in a key.
func DecodeID(prefix, key []byte) (id ID, err error) {
	rest, ok := bytes.CutPrefix(key, prefix)
	if !ok || len(rest) != len(id) {
		return id, ErrKey
	}
	return ID(rest), nil
}
