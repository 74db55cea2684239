// Package shell renders words and commands for a POSIX shell.
package shell
