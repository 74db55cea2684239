// Package disk owns what the store knows about the state of its disk: whether writes are accepted
// now, how much space is left, whether files are damaged, and what fails in the background. It
// wraps the file system that Pebble uses, and listens to Pebble's events.
//
// It refuses to know what is stored: it sees files, flushes and compactions, no keys.
//
// All methods of Health may be called concurrently.
package disk
