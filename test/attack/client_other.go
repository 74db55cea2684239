//go:build !linux

package attack

import "net"

// closed reports whether the server has closed a connection. Only Linux can tell without reading.
func closed(net.Conn) bool { return false }
