package wasi

import (
	"context"
	"crypto/rand"
	"fmt"

	"github.com/tetratelabs/wazero"
)

// A run, seen from the host.
func ExampleInstantiate() {
	ctx := context.Background()
	tree, err := NewTree(map[string][]byte{"/usr/lib/hello.txt": []byte("hello")})
	if err != nil {
		fmt.Println(err)
		return
	}
	clock := &fakeClock{}
	system, err := New(Config{
		Tree: tree, Clock: clock, Random: rand.Reader, Control: &fakeControl{clock: clock},
		Args: []string{"guest", "--verbose"},
	})
	if err != nil {
		fmt.Println(err)
		return
	}

	engine := wazero.NewRuntime(ctx)
	defer engine.Close(ctx)
	err = Instantiate(ctx, engine, func(ctx context.Context) *System {
		return ctx.Value(systemKey{}).(*System)
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	// A guest that imports one function and exports it again.
	instance, err := engine.Instantiate(ctx, guestModule(1, []function{functionNamed("args_sizes_get")}))
	if err != nil {
		fmt.Println(err)
		return
	}

	const atCount, atSize = 0, 4
	system.Reset(nil, Limits{}) // or the State of a previous run
	run := context.WithValue(ctx, systemKey{}, system)
	results, err := instance.ExportedFunction("args_sizes_get").Call(run, atCount, atSize)
	system.Reset(nil, Limits{}) // frees the memory now, not when the next run starts
	if err != nil {
		fmt.Println(err)
		return
	}
	count, _ := instance.Memory().ReadUint32Le(atCount)
	size, _ := instance.Memory().ReadUint32Le(atSize)
	fmt.Printf("errno %d: %d arguments, %d bytes\n", results[0], count, size)
	// Output: errno 0: 2 arguments, 16 bytes
}
