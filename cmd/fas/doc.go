// Fas is the faaspot binary: the server (`fas serve`) and the command line that
// talks to one.
//
// This package owns the wiring, which no other package knows: which store, which
// sandbox and which transport an engine gets, in which order they start and
// stop, and where configuration comes from (flags, then FAASPOT_* variables, then
// the profile file, then defaults). It owns what a command reads and prints, and
// the exit statuses. It refuses to know how anything is run, kept or
// transported; a client command knows a server only through internal/client.
//
// Each command has a file of its own, named after it. Nothing here is called
// concurrently: a process runs one command.
//
//	fas serve &
//	fas functions create hello --file hello.py
//	fas functions run hello -p name=you --wait
//	UUID=$(fas functions run hello -p name=you)
//	fas executions get $UUID --wait
package main
