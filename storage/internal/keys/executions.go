package keys

import (
	"bytes"
	"encoding/binary"
	"time"

	"github.com/faaspot/faaspot/runtime"
)

// The byte behind a tenant, for executions.
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
)

// SpaceSample is the first byte of the keys of the sample.
const SpaceSample = 'c'

// Execution is the key of one of the records of an execution.
func Execution(kind byte, tenant runtime.Tenant, id ID) []byte {
	return append(OfKind(tenant, kind), id[:]...)
}

// UnfinishedOfFunction is where an execution that is not done is found by its function.
func UnfinishedOfFunction(tenant runtime.Tenant, function string, id ID) []byte {
	return append(UnfinishedByFunction(tenant, function), id[:]...)
}

func UnfinishedByFunction(tenant runtime.Tenant, function string) []byte {
	return AppendText(OfKind(tenant, KindUnfinishedByFunction), function)
}

// DoneByState is the prefix of the executions of a tenant that ended in a state.
func DoneByState(tenant runtime.Tenant, state byte) []byte {
	return append(OfKind(tenant, KindDoneByState), state)
}

// DoneByFunction is the prefix of the executions of a function that ended in a state.
func DoneByFunction(tenant runtime.Tenant, function string, state byte) []byte {
	return append(AppendText(OfKind(tenant, KindDoneByFunction), function), state)
}

func Sample(id ID) []byte { return append([]byte{SpaceSample}, id[:]...) }

// A key of idempotency is found by the day on which it came, so that those of
// past days are dropped as one range. It is valid into the next day.
const Day = 24 * time.Hour

func Idempotency(tenant runtime.Tenant, day uint64, key string) []byte {
	return AppendText(IdempotencyDay(tenant, day), key)
}

func IdempotencyDay(tenant runtime.Tenant, day uint64) []byte {
	return binary.BigEndian.AppendUint64(OfKind(tenant, KindIdempotency), day)
}

// DayOf counts days since 1970, in UTC.
func DayOf(t time.Time) uint64 { return uint64(max(t.Unix(), 0)) / uint64(Day/time.Second) }

// DecodeID reads the id that follows a prefix in a key.
func DecodeID(prefix, key []byte) (id ID, err error) {
	rest, ok := bytes.CutPrefix(key, prefix)
	if !ok || len(rest) != len(id) {
		return id, ErrKey
	}
	return ID(rest), nil
}
