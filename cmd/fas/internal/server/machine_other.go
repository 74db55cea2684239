//go:build !linux

package server

// openFiles is not known here.
func openFiles() (soft, hard uint64, known bool) { return 0, 0, false }

// checkWalls checks nothing: only Linux can confine a server.
func checkWalls() Finding {
	return Finding{Check: "walls", State: FindingWarning, Detail: "this system cannot confine the server", Fix: "run functions of others on Linux only"}
}
