package replog

import (
	"context"
	"errors"
)

// MaxRecord is the size of the largest record that a log takes, in bytes.
const MaxRecord = 900 << 10

// The errors of a [Log], which are compared with errors.Is. Any other error of Append means that the
// outcome is not known: the record may be there, or may still arrive at its place.
var (
	// ErrConflict reports that a record was not put into the log, and will not be by that call: the
	// end of the log was not where the caller expected it.
	ErrConflict = errors.New("the end of the log is not where it was expected")
	// ErrAbsent reports that a log has no record of a sequence yet.
	ErrAbsent = errors.New("the log has no such record")
	// ErrTrimmed reports that a log does not have a record any more.
	ErrTrimmed = errors.New("the log does not have this record any more")
)

// Sized is a Log of a bounded size.
type Sized interface {
	// Filled returns how full the log is: 1 if it takes no more records.
	Filled(ctx context.Context) (part float64, err error)
}

// Founded is a Log that may have been made from the data of a store, which are not in it.
type Founded interface {
	// Origin returns the sequence behind which the records of the log begin, and the hash that the first of them must
	// follow; nil: the log began empty.
	Origin() (base uint64, hash []byte)
}

// Log is a replicated log: a sequence of records, which are numbered without gaps from 1. It moves
// bytes and knows nothing about them. What the records say, their chain and the look-up of unknown
// outcomes is the same for all logs, and not here: see [Writer] and [Chain].
//
// All methods may be called concurrently. They block at most until their context ends, and then
// return its error. A log outlives the loss of the connection: it connects again, without end.
type Log interface {
	// Append sends a record, which gets the sequence after+1 if the end of the log is after, and
	// nothing else ever does: this comparison is what fences writers. It blocks until the record is
	// sent, not until it is stored. Records arrive in the order in which Append was called, so that
	// the record behind can be sent before the result of this one is known; it then fails with
	// ErrConflict if this one fails. A record has at most MaxRecord bytes, and does not change.
	//
	// wait returns the result, and must be called once. nil: the record is stored durably, on a
	// majority of servers, with the sequence after+1. ErrConflict: it is not, and will not be by
	// this call. Every other error, also that of ctx: it is not known; it may even be stored
	// later, as long as the end of the log is after. The log does not send a record twice.
	Append(ctx context.Context, after uint64, record []byte) (wait func() error)

	// Get returns the record of a sequence as the log has it at present, ErrAbsent if it does not
	// have it yet, or ErrTrimmed; or an error that wraps ErrBroken if the record is lost, while others
	// before and behind it are there. A record that was there once is there until it is trimmed. An
	// answer ErrAbsent may be outdated. The caller may keep the record, and does not change it.
	Get(ctx context.Context, seq uint64) ([]byte, error)

	// Read calls each with the records after a sequence, one after the other, in order and without
	// gaps, and then with further ones as they are stored, until each fails or ctx ends, whose
	// error it returns. ErrTrimmed: the record after+1 was trimmed. ErrBroken: as for Get. each may keep the record, and
	// does not change it.
	Read(ctx context.Context, after uint64, each func(seq uint64, record []byte) error) error

	// End returns the sequence of the last record, zero if there was none yet. Trimmed records count. It
	// may be outdated only while the servers of the log do not reach each other.
	End(ctx context.Context) (uint64, error)

	// Trim drops all records before a sequence. The last record stays in any case. It does nothing
	// if they are dropped already.
	Trim(ctx context.Context, before uint64) error

	// Close gives back what the log holds. Calls in progress end with an error.
	Close() error
}
