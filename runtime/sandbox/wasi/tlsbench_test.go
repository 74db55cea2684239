package wasi

import (
	"crypto/tls"
	"io"
	"net"
	"testing"
)

// BenchmarkTLSRead reads 64 KiB from a server of TLS 1.3; BenchmarkPlainRead without TLS.
func BenchmarkTLSRead(b *testing.B) {
	s := newTLSServer(b, &tls.Config{}, func(c *tls.Conn) { sendAlways(c) })
	r, _ := newNetRig(b)
	h := r.tlsOpen(r.tlsConnect(s), s, nil)
	r.tlsMust(h, tlsHandshake, "", 0, -1)
	benchmarkRead(b, func() int {
		n, _ := r.tlsMust(h, tlsRead, "", benchBlock, -1)
		return n
	})
}

func BenchmarkPlainRead(b *testing.B) {
	r, n := newNetRig(b)
	accepted := n.keepAccepted()
	fd := r.socket(sockStream, n.echo)
	r.must("connect", r.connect(fd, n.echo))
	go func(c net.Conn) { sendAlways(c) }(<-accepted)
	benchmarkRead(b, func() int {
		r.must("receive", r.call("sock_recv_from", fd, atOut, benchBlock, 0, 0, atResult))
		return int(r.result())
	})
}

const benchBlock = 64 << 10

func sendAlways(c io.Writer) {
	for p := make([]byte, benchBlock); ; {
		if _, err := c.Write(p); err != nil {
			return
		}
	}
}

func benchmarkRead(b *testing.B, read func() int) {
	b.SetBytes(benchBlock)
	for b.Loop() {
		for got := 0; got < benchBlock; {
			got += read()
		}
	}
}

// BenchmarkTLSConnect connects and performs a handshake, with its server on the same machine.
func BenchmarkTLSConnect(b *testing.B) {
	s := newTLSServer(b, &tls.Config{SessionTicketsDisabled: true}, echoBlocks(1))
	r, _ := newNetRig(b)
	for b.Loop() {
		fd := r.tlsConnect(s)
		h := r.tlsOpen(fd, s, nil)
		r.tlsMust(h, tlsHandshake, "", 0, -1)
		r.must("fd_close", r.call("fd_close", uint64(fd)))
	}
}
