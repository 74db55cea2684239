package instrument_test

import (
	"fmt"
	"os"

	"github.com/faaspot/faaspot/pyguest/instrument"
)

func ExampleInstrument() {
	module, err := os.ReadFile("testdata/bulk.wasm") // one memory.copy, one memory.fill
	if err != nil {
		fmt.Println(err)
		return
	}
	out, stats, err := instrument.Instrument(module, instrument.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("functions changed:", stats.Changed)
	fmt.Println("copies and fills replaced:", stats.Copies, stats.Fills)
	fmt.Println("larger:", len(out) > len(module))

	_, _, err = instrument.Instrument(out, instrument.Options{})
	fmt.Println(err)
	// Output:
	// functions changed: 2
	// copies and fills replaced: 1 1
	// larger: true
	// instrument: the module exports "faas_ticks", so it is instrumented already
}
