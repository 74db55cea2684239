// Command instrument rewrites a WebAssembly module so that it calls its host regularly.
package main

import (
	"os"
)

func main() { os.Exit(run(os.Args[1:], os.Stderr)) }
