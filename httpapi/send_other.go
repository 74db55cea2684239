//go:build !linux || race

package httpapi

import "net"

// sender writes small answers.
type sender struct{}

func newSender(net.Conn) *sender { return &sender{} }

func (*sender) send(c net.Conn, b []byte) (int, error) { return c.Write(b) }
