package worker

import (
	"encoding/binary"
	"fmt"

	"github.com/faaspot/faaspot/runtime"
)

// kind says what a frame is about. A reply has the kind of its call.
type kind uint8

// The kinds that a server sends to a worker.
const (
	kindHello   kind = iota + 1 // how to start; the reply comes when the worker is ready
	kindProgram                 // a program that runs refer to by number
	kindContext                 // the context of a program
	kindForget                  // the end of a program and of its image
	kindDeploy
	kindRun
	kindImports
	kindShrink // the server needs memory
	kindPing   // the reply has what the worker keeps in memory for tenants
	kindTenant // limits of a tenant that has programs
)

// The kinds that a worker sends to a server.
const (
	kindLogs    kind = iota + 32 // output of a run
	kindLend                     // a run lends memory
	kindPark                     // likewise, without an interpreter
	kindReclaim                  // a run takes its memory back
	kindGrow                     // the worker needs memory
	kindReturn                   // the worker returns memory
)

// Kinds from firstNetwork on are about networks, and those from firstFile on about files.
const (
	firstNetwork kind = 64
	firstFile    kind = 96
	kinds             = 128 // number of kinds
)

// Flags of a frame.
const (
	flagCall   = 1 << iota // expects a reply
	flagReply              // the reply to a call
	flagError              // a reply that is an error
	flagCancel             // the caller does not need the reply any more, which comes all the same
)

const (
	headerBytes = 16
	// maxPayload bounds the payload of a frame, in bytes: args or a result with output.
	maxPayload = 32 * runtime.MiB
	// maxFDs bounds the descriptors of a frame.
	maxFDs = 8
)

// header is the fixed part of a frame: the length of the payload, the kind, the flags, the number of
// descriptors, a zero, and the id of the call. Ids count from 1; those of a server and of its worker are
// apart. A frame that is no call and no reply has the id zero, or that of a run in its payload.
type header struct {
	size  int
	kind  kind
	flags uint8
	fds   int
	id    uint64
}

func (h *header) append(b []byte) []byte {
	b = binary.LittleEndian.AppendUint32(b, uint32(h.size))
	b = append(b, byte(h.kind), h.flags, byte(h.fds), 0)
	return binary.LittleEndian.AppendUint64(b, h.id)
}

// parseHeader reads the header at the start of b, which has at least headerBytes.
func parseHeader(b []byte) (h header, err error) {
	h = header{
		size: int(binary.LittleEndian.Uint32(b)), kind: kind(b[4]), flags: b[5], fds: int(b[6]),
		id: binary.LittleEndian.Uint64(b[8:]),
	}
	switch {
	case h.size > maxPayload:
		err = fmt.Errorf("a frame of %d bytes", h.size)
	case h.kind == 0 || h.kind >= kinds:
		err = fmt.Errorf("a frame of unknown kind %d", h.kind)
	case h.fds > maxFDs:
		err = fmt.Errorf("a frame with %d descriptors", h.fds)
	case b[7] != 0 || !validFlags(h.flags) || (h.id == 0) != (h.flags == 0):
		err = fmt.Errorf("a frame of kind %d with flags %#x and id %d", h.kind, h.flags, h.id)
	case h.flags == flagCancel && h.size+h.fds > 0:
		err = fmt.Errorf("a cancellation with a payload")
	}
	return h, err
}

func validFlags(flags uint8) bool {
	switch flags {
	case 0, flagCall, flagReply, flagReply | flagError, flagCancel:
		return true
	}
	return false
}
