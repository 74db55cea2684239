package replog

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

	"github.com/klauspost/compress/s2"
)

// MaxBatch is the size of the largest batch that a record or its parts have, in bytes, before it is
// compressed.
const MaxBatch = 256 << 20

// MaxInFlight is the number of records that a writer may have sent whose results it does not know. A log
// compares sequences, not what the records say: if the first of them does not arrive, and another writer
// begins an epoch in its place, the others may still arrive behind that. They are void. The new writer
// knows up to where that can happen, and sends nothing of value until the log has grown beyond it.
const MaxInFlight = 4

// ErrBroken reports that a log is not the one that a store has followed: a record is damaged, lacks,
// does not follow the one before it, or belongs to another log. Nothing of it may be applied.
var ErrBroken = errors.New("the log is broken")

func broken(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrBroken, fmt.Sprintf(format, args...))
}

// Kind is what a record is.
type Kind byte

// The kinds of records.
const (
	// KindEpoch begins an epoch: its writer owns the log from here on.
	KindEpoch Kind = 'E'
	// KindBatch is a batch, or the last part of one.
	KindBatch Kind = 'B'
	// KindPart is a part of a batch that goes on with the next record. It is void if that begins an
	// epoch.
	KindPart Kind = 'P'
	// KindNothing changes nothing: it shows that the owner is alive.
	KindNothing Kind = 'N'
)

// Hash is the SHA-256 of a record. As each record has the hash of the one before it, it stands for
// the whole log up to there.
type Hash [sha256.Size]byte

// Position is a place in a log. The zero value is the beginning.
type Position struct {
	Generation uint64 // of the log: a log that was made anew, from a copy of a store, has the next one
	Epoch      uint64 // of the record: how many writers there were; from 1
	Seq        uint64 // of the record; 0 at the beginning
	Hash       Hash   // of the record; at the beginning, of what the store has that is not in the log
}

func (p Position) String() string {
	return fmt.Sprintf("%d/%d/%d (%x)", p.Generation, p.Epoch, p.Seq, p.Hash[:4])
}

// recordFormat is the version of the layout of records:
//
//	format 1 byte, kind 1 byte, shard 2 bytes, generation, epoch and sequence 8 bytes each, hash of
//	the record before, body, CRC-32C of all before it 4 bytes
//
// Numbers are big-endian. The body of a batch is its bytes as a block of S2, cut into parts if that
// is too long; that of an epoch is nonceSize random bytes, which make it differ from that of any
// other writer, and the name of the owner.
const recordFormat = 1

const (
	headSize  = 4 + 3*8 + len(Hash{})
	tailSize  = 4
	maxBody   = MaxRecord - headSize - tailSize
	nonceSize = 16
	// maxOwner is the longest name of an owner that is read, in bytes.
	maxOwner = 255
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// record is a record as it is in the log. At is its own place, but for the hash, which is that of the
// record before it.
type record struct {
	kind  Kind
	shard uint16
	at    Position
	body  []byte
}

// encode returns the bytes of a record.
func (r record) encode() []byte {
	b := make([]byte, 0, headSize+len(r.body)+tailSize)
	b = append(b, recordFormat, byte(r.kind))
	b = binary.BigEndian.AppendUint16(b, r.shard)
	b = binary.BigEndian.AppendUint64(b, r.at.Generation)
	b = binary.BigEndian.AppendUint64(b, r.at.Epoch)
	b = binary.BigEndian.AppendUint64(b, r.at.Seq)
	b = append(b, r.at.Hash[:]...)
	b = append(b, r.body...)
	return binary.BigEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

// decode is the inverse of encode. The body shares its memory with b.
func decode(b []byte) (r record, err error) {
	switch {
	case len(b) < headSize+tailSize || len(b) > MaxRecord:
		return r, broken("a record of %d bytes", len(b))
	case binary.BigEndian.Uint32(b[len(b)-tailSize:]) != crc32.Checksum(b[:len(b)-tailSize], castagnoli):
		return r, broken("the checksum of a record is wrong")
	case b[0] != recordFormat:
		return r, broken("a record has format %d, this release reads %d", b[0], recordFormat)
	}
	r.kind, r.shard = Kind(b[1]), binary.BigEndian.Uint16(b[2:])
	r.at.Generation = binary.BigEndian.Uint64(b[4:])
	r.at.Epoch = binary.BigEndian.Uint64(b[12:])
	r.at.Seq = binary.BigEndian.Uint64(b[20:])
	copy(r.at.Hash[:], b[28:])
	r.body = b[headSize : len(b)-tailSize]
	return r, nil
}

// epochBody returns the body of a record that begins an epoch.
func epochBody(owner string) []byte {
	body := make([]byte, nonceSize, nonceSize+len(owner))
	_, _ = rand.Read(body) // never fails
	return append(body, owner...)
}

// pack returns the bodies of the records of a batch, of which all but the last are parts. It
// compresses into memory that nothing else uses.
func pack(batch []byte) (bodies [][]byte) {
	body := s2.Encode(nil, batch)
	for len(body) > maxBody {
		bodies = append(bodies, body[:maxBody:maxBody])
		body = body[maxBody:]
	}
	return append(bodies, body)
}

// unpack is the inverse of pack.
func unpack(bodies [][]byte) ([]byte, error) {
	body := bodies[0]
	if len(bodies) > 1 {
		body = bytes.Join(bodies, nil)
	}
	n, err := s2.DecodedLen(body)
	if err != nil || n > MaxBatch {
		return nil, broken("a batch of %d bytes has %d: %v", len(body), n, err)
	}
	batch, err := s2.Decode(nil, body)
	if err != nil {
		return nil, broken("a batch cannot be unpacked: %v", err)
	}
	return batch, nil
}
