package replog

import (
	"crypto/sha256"
	"math"

	"github.com/klauspost/compress/s2"
)

// maxParts is the number of parts that a batch of MaxBatch has at most.
var maxParts = s2.MaxEncodedLen(MaxBatch)/maxBody + 1

// Chain reads the records of a log: it checks that each follows the one before it, and joins the parts
// of batches.
type Chain struct {
	shard uint16
	at    Position
	parts [][]byte
	// strays is the sequence before which records of earlier epochs may be, see MaxInFlight.
	strays uint64
}

// Record is what a record of a log means.
type Record struct {
	Kind  Kind
	At    Position
	Owner string // of an epoch
	Batch []byte // of the last record of a batch
}

// NewChain returns the chain of a shard behind a place, at which no batch is incomplete.
func NewChain(shard uint16, at Position) *Chain {
	// The epoch may have begun right there.
	return &Chain{shard: shard, at: at, strays: at.Seq + MaxInFlight}
}

// At returns the place of the last record.
func (c *Chain) At() Position { return c.at }

// Next returns the next record of the log from its sequence and bytes. An error wraps ErrBroken; the
// chain then stays where it is.
func (c *Chain) Next(seq uint64, bytes []byte) (r Record, err error) {
	raw, err := decode(bytes)
	if err != nil {
		return r, err
	}
	if c.isStray(seq, raw) {
		c.at.Seq = seq
		return Record{Kind: KindNothing, At: c.at}, nil
	}
	if err := c.follows(seq, raw); err != nil {
		return r, err
	}
	parts := c.parts
	r = Record{Kind: raw.kind, At: raw.at}
	switch raw.kind {
	case KindEpoch:
		if len(raw.body) < nonceSize || len(raw.body) > nonceSize+maxOwner {
			return r, broken("record %d begins an epoch with %d bytes", seq, len(raw.body))
		}
		r.Owner, parts = string(raw.body[nonceSize:]), nil
		c.strays = seq + MaxInFlight
	case KindPart:
		if len(parts) == maxParts {
			return r, broken("the batch at record %d has more than %d parts", seq, maxParts)
		}
		parts = append(parts, raw.body)
	case KindBatch:
		if r.Batch, err = unpack(append(parts, raw.body)); err != nil {
			return r, err
		}
		parts = nil
	case KindNothing:
		if len(parts) > 0 || len(raw.body) > 0 {
			return r, broken("record %d interrupts a batch, or says something", seq)
		}
	default:
		return r, broken("record %d has the kind %q", seq, byte(raw.kind))
	}
	r.At.Hash = sha256.Sum256(bytes)
	c.at, c.parts = r.At, parts
	return r, nil
}

// isStray reports whether a record is one that a writer had in flight when it lost the log, which has
// arrived behind the epoch of another. It is void, and not a part of the chain.
func (c *Chain) isStray(seq uint64, r record) bool {
	return seq == c.at.Seq+1 && r.at.Seq == seq && seq < c.strays && r.at.Epoch < c.at.Epoch &&
		r.shard == c.shard && r.at.Generation == c.at.Generation
}

// follows returns why a record does not follow the last one, or nil.
func (c *Chain) follows(seq uint64, r record) error {
	epoch := c.at.Epoch
	if r.kind == KindEpoch && epoch < math.MaxUint64 {
		epoch++
	}
	switch {
	case seq != c.at.Seq+1 || r.at.Seq != seq:
		return broken("record %d has the sequence %d, it follows %d", seq, r.at.Seq, c.at.Seq)
	case r.shard != c.shard || r.at.Generation != c.at.Generation:
		return broken("record %d belongs to shard %d, generation %d, instead of shard %d, generation %d", seq, r.shard, r.at.Generation, c.shard, c.at.Generation)
	case r.at.Hash != c.at.Hash:
		return broken("record %d follows %x, the record before it is %x", seq, r.at.Hash[:4], c.at.Hash[:4])
	case r.at.Epoch != epoch:
		return broken("record %d (%c) is of epoch %d, it follows one of epoch %d", seq, r.kind, r.at.Epoch, c.at.Epoch)
	}
	return nil
}
