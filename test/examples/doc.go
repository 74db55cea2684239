// Package examples runs the commands and programs of the documents on a server process, deploys the
// functions below examples/ to it, compares their results with the ones in their folders, and runs the
// commands of their README files.
//
// The binary is the one that FAS_BINARY names. Without that variable it is built from this source
// tree.
package examples
