// Fas is the faaspot binary: the server (`fas serve`) and its command line.
//
// This package owns the commands: their arguments, flags and help, what they print, and where their
// configuration comes from (flags, then FAASPOT_* variables, then the profile file, then defaults).
// It refuses to know how functions run, how data is stored or how requests travel: `fas serve`
// starts what internal/server wires, and every other command knows a server only through
// internal/client.
//
// Each command has a file of its own, named noun_verb.go after it. The other files hold what
// several commands share. Below internal/ are the terminal (ui), errors and exit statuses
// (clierror), the environment (environ), the profile file (config), files and expressions that
// people write (jobfile, filterexpr, runargs), and small helpers (shell, suggest).
//
// A process runs one command; nothing here is called concurrently.
//
//	fas serve &
//	fas functions apply hello --file hello.py
//	fas functions run hello -p name=you --wait
//	UUID=$(fas functions run hello -p name=you)
//	fas executions get $UUID --wait
package main
