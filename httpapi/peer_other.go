//go:build !linux

package httpapi

// maxConnections returns the largest number of connections: this system has no limit that is known
// here.
func maxConnections() int { return 1 << 30 }

// Gone returns false: that a client has hung up is not noticed on this system.
func (c *conn) Gone() bool { return false }

// readable returns false: whether the client has sent something is not known on this system.
func (c *conn) readable() bool { return false }
