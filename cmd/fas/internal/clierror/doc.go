// Package clierror owns the errors of the command line: how a wrong call is reported, what the exit
// status of an error is, and how a command ends that is interrupted while it waits.
//
// It refuses to know how an error is printed; package ui does that.
//
//	return clierror.Usagef("give a number, or 0 for all", "the --limit %d is negative", limit)
package clierror
