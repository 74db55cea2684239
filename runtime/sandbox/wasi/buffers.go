package wasi

import "syscall"

// What the kernel keeps of a connection, in bytes. It doubles the buffers that it is asked for, for its own
// records, and keeps one packet more than they hold.
const (
	// receiveBuffer and sendBuffer are the buffers of a new connection. The first is what Linux begins with:
	// with less, packets that the peer may send at once are lost.
	receiveBuffer = 64 << 10
	sendBuffer    = 16 << 10
	packet        = 24 << 10
	// socketBuffer is the buffer in each direction of a stream that has transferred bulkBytes.
	socketBuffer = 256 << 10
	bulkBytes    = 128 << 10
	// maxGrown is the number of bytes by which the buffers of a run may grow. They are charged like /tmp.
	maxGrown = 8 << 20

	// pairBuffer is the number of bytes that the kernel keeps of what was sent to the other end of a pair,
	// with its own records, as on Linux. The kernel doubles what it is asked for.
	pairBuffer = 208 << 10
)

// ConnectionBytes is the memory in bytes that a connection of a run takes, or more: its records in Go and
// in the kernel, and the buffers of a new connection.
const ConnectionBytes = 16<<10 + 2*(receiveBuffer+sendBuffer+packet)

// limitBuffers bounds the buffers of a new connection.
func limitBuffers(c syscall.Conn) {
	if raw, err := c.SyscallConn(); err == nil {
		setBuffers(raw, receiveBuffer, sendBuffer)
	}
}

// grow enlarges the buffers of a connection that transfers much, if the run has memory for them.
func (s *System) grow(e *end, sent, received int) {
	e.sent, e.received = min(e.sent+sent, bulkBytes), min(e.received+received, bulkBytes)
	if !e.sends && e.sent == bulkBytes && s.chargeGrowth(e, 2*(socketBuffer-sendBuffer)) {
		e.sends = true
		setBuffers(e.raw, 0, socketBuffer)
	}
	if !e.receives && e.received == bulkBytes && s.chargeGrowth(e, 2*(socketBuffer-receiveBuffer)) {
		e.receives = true
		setBuffers(e.raw, socketBuffer, 0)
		widen(e.raw, socketBuffer)
	}
}

// chargeGrowth charges n bytes for an end, and reports whether they are granted.
func (s *System) chargeGrowth(e *end, n int64) bool {
	if s.grown+n > maxGrown || !s.charge(n) {
		return false
	}
	s.grown += n
	e.grown += n
	return true
}

// refundGrowth returns what the buffers of an end have grown.
func (s *System) refundGrowth(e *end) {
	s.grown -= e.grown
	s.refund(e.grown)
	e.grown = 0
}
