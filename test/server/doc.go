// Package server tests what shows only in a server process: signals, hang-ups, locked and damaged
// folders, memory, and long lists of requests at once.
package server
