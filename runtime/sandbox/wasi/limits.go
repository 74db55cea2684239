package wasi

// Limits bound the resources of one run. A zero field means its default; a negative one allows none
// at all.
type Limits struct {
	// OpenFiles is the size of the descriptor table, including stdin, stdout, stderr and the
	// preopen. Opening one more returns EMFILE. Default 256, at most 65,536.
	OpenFiles int
	// TmpFiles is the largest number of files and directories in /tmp, including those that are
	// removed but still open. Creating one more returns ENOSPC. Default 10,000, at most 1,000,000.
	TmpFiles int
	// TmpBytes is the largest sum of the sizes of all files in /tmp, in bytes, with holes counted
	// as if they were written. Growing beyond it returns ENOSPC. Default 64 MiB.
	TmpBytes int64
	// PathLength is the longest path, in bytes; a longer one returns ENAMETOOLONG. Default 4,096,
	// at most 65,536.
	PathLength int
	// Depth is the deepest nesting of directories below /tmp; beyond it ENAMETOOLONG. Default 128,
	// at most 1,024.
	Depth int
}

const (
	// maxName is the longest name of one file, in bytes, as in every common file system.
	maxName = 255
	// maxVectors is the largest number of buffers of one read or write: IOV_MAX of Linux and of
	// wasi-libc.
	maxVectors = 1024
	// maxSubscriptions is the largest number of events of one poll_oneoff.
	maxSubscriptions = 1024
)

// orDefault resolves one limit: zero means fallback, a negative value means none, and nothing
// exceeds most.
func orDefault[N int | int64](n, fallback, most N) N {
	switch {
	case n == 0:
		return fallback
	case n < 0:
		return 0
	default:
		return min(n, most)
	}
}

func (l Limits) resolved() Limits {
	return Limits{
		OpenFiles:  orDefault(l.OpenFiles, 256, 65_536),
		TmpFiles:   orDefault(l.TmpFiles, 10_000, 1_000_000),
		TmpBytes:   orDefault(l.TmpBytes, 64<<20, 1<<40),
		PathLength: orDefault(l.PathLength, 4096, 65_536),
		Depth:      orDefault(l.Depth, 128, 1024),
	}
}
