package runtime

// DiskState is the state of the disk of a store. Sizes are in bytes.
type DiskState struct {
	Free, Total uint64 // 0: not known
	Floor       uint64 // what must be free for new work
	Ballast     int64  // size of the file that is given up when the disk is full; 0: there is none now
	Problem     error  // why new work is refused now; nil: it is accepted
}
