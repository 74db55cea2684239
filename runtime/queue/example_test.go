package queue_test

import (
	"fmt"

	"github.com/faaspot/faaspot/runtime/queue"
)

// Tenants take turns, however many items each of them has.
func ExampleFair() {
	q := queue.NewFair[string]()
	for _, name := range []string{"alice 1", "alice 2", "alice 3"} {
		q.Push(&queue.Item[string]{Value: name}, "alice", "", "resize")
	}
	q.Push(&queue.Item[string]{Value: "bob 1"}, "bob", "", "resize")
	for turn := q.First(); turn != nil; turn = q.First() {
		item := turn.Next()
		q.Serve(item)
		fmt.Println(item.Value)
	}
	// Output:
	// alice 1
	// bob 1
	// alice 2
	// alice 3
}
