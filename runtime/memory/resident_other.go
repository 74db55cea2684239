//go:build !linux

package memory

// Resident returns 0: this system does not report the resident memory of a process.
func Resident() int64 { return 0 }
