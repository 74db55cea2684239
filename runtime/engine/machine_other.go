//go:build !linux

package runtime

// machineMemory gives, in bytes, the memory that this process may use. Here the
// system is not asked: whoever has more than a small server sets
// Options.MemoryBudget.
func machineMemory() int64 { return unknownMemory }
