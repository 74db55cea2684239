package commit

// Need is what a write needs of the disk. The less room a disk has, the fewer kinds are accepted.
type Need byte

// The kinds of writes.
const (
	// NewWork is a write that nobody depends on yet: it is refused first.
	NewWork Need = iota
	// Outcome is the start of accepted work, or its end or retry with what it has produced. It is refused when the disk might not
	// have room for the tables that it is flushed to. The caller repeats it later.
	Outcome
	// Relief is a small write that frees room or stops work, or that a server must do before it can
	// free room: a deletion, a cancellation, or the end of an attempt that was lost with its
	// process. It is accepted as long as the log can be written.
	Relief
)

// Room decides which batches of one round are written.
type Room interface {
	// Admit returns why a batch of some bytes is refused, or nil. Batches that were admitted
	// before count.
	Admit(need Need, bytes int) error
	// Enter waits until memory has room for the admitted batches, and reserves it until leave is
	// called; the round is written in between. If it fails, no batch of the round may be written.
	Enter() (leave func(), err error)
}

// Gate decides which writes are accepted.
type Gate interface {
	// Writable returns why writes of a kind are refused now, regardless of the free space, or nil.
	Writable(need Need) error
	// Room returns the room that the disk and the memory have now.
	Room() Room
}
