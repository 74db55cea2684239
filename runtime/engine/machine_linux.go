package engine

import "os"

// machineMemory gives, in bytes, the memory that this process may use.
func machineMemory() int64 { return memoryIn(os.DirFS("/")) }
