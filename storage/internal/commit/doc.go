// Package commit owns how batches become durable: batches that arrive while others are synced, or on
// their way to a log, are written together as one, batches that are refused because the disk is full are left out, and
// readers can wait until everything that they may have seen is on disk.
//
// It refuses to know what the batches hold, and why a write is refused: its [Gate] decides that.
//
// All methods of Committer may be called concurrently.
package commit
