// Command instrument makes a WebAssembly module call its host now and then.
package main

import (
	"os"
)

func main() { os.Exit(run(os.Args[1:], os.Stderr)) }
