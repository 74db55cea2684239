// Package dev serves the functions of a folder while their author works on them: it deploys what
// changes, runs the last call again, and shows the result, the log and what differs from the result
// before.
//
// [Scan] finds the functions of a folder. [Run] deploys them to a server and follows changes of the
// files, keys and requests of others until its context ends.
package dev
