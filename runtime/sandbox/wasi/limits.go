package wasi

// Limits bound what one run may hold. A zero field means its default; a negative one allows none at all.
type Limits struct {
	// OpenFiles is how many descriptors the table has, stdin, stdout, stderr and the preopen among them; opening one more
	// answers EMFILE. Default 256, at most 65,536.
	OpenFiles int
	// TmpFiles is how many files and directories /tmp holds, counting those that are removed but still open; creating one
	// more answers ENOSPC. Default 10,000, at most 1,000,000.
	TmpFiles int
	// TmpBytes is the sum of the sizes of all files in /tmp, holes counted as if they were written; growing beyond it
	// answers ENOSPC. Default 64 MiB.
	TmpBytes int64
	// PathLength is the longest path, in bytes; beyond it ENAMETOOLONG. Default 4,096, at most 65,536.
	PathLength int
	// Depth is how deep directories nest below /tmp; beyond it ENAMETOOLONG. Default 128, at most 1,024.
	Depth int
}

const (
	// maxName is the longest name of one file, in bytes: what every common file system has.
	maxName = 255
	// maxVectors is how many buffers one read or write may name: IOV_MAX of Linux and of wasi-libc.
	maxVectors = 1024
	// maxSubscriptions is how many events one poll_oneoff may wait for.
	maxSubscriptions = 1024
)

// orDefault resolves one limit: zero is the default, negative is none, and nothing exceeds most.
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
