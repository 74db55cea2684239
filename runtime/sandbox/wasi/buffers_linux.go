package wasi

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// setBuffers sets the bytes that the kernel keeps of a connection, of which it doubles both numbers. Zero
// leaves one as it is.
func setBuffers(raw syscall.RawConn, receive, send int) {
	_ = raw.Control(func(fd uintptr) {
		if receive > 0 {
			_ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF, receive)
		}
		if send > 0 {
			_ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_SNDBUF, send)
		}
	})
}

// widen lets the peer of a stream send as much as a larger buffer holds: the kernel has bounded that by
// the buffer at the time of the connect.
func widen(raw syscall.RawConn, receive int) {
	_ = raw.Control(func(fd uintptr) {
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_WINDOW_CLAMP, receive)
	})
}
