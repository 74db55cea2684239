package wasmbin_test

import (
	"fmt"
	"os"

	"github.com/faaspot/faaspot/pyguest/wasmbin"
)

func ExampleSplitData() {
	module, err := os.ReadFile("testdata/full.wasm")
	if err != nil {
		fmt.Println(err)
		return
	}
	withoutData, segments, err := wasmbin.SplitData(module)
	if err != nil {
		fmt.Println(err)
		return
	}
	image := make([]byte, 64<<10) // the memory of an instance after instantiation
	for _, s := range segments {
		copy(image[s.Offset:], s.Bytes)
		fmt.Printf("%d bytes at %d\n", len(s.Bytes), s.Offset)
	}
	_, segments, err = wasmbin.SplitData(withoutData)
	fmt.Println(len(segments), err)
	// Output:
	// 5 bytes at 16
	// 6 bytes at 65520
	// 0 <nil>
}
