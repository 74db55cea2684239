package runtime_test

import (
	"fmt"
	"time"

	"github.com/faaspot/faaspot/runtime"
)

// A schedule with a fixed hour starts once on each day, even when the local time skips that
// hour.
func ExampleSchedule_Next() {
	schedule, err := runtime.ParseSchedule("30 2 * * *", "Europe/Berlin")
	if err != nil {
		fmt.Println(err)
		return
	}
	tick := time.Date(2026, 3, 28, 0, 0, 0, 0, time.UTC)
	for range 3 {
		tick = schedule.Next(tick)
		fmt.Println(tick)
	}
	// Output:
	// 2026-03-28 02:30:00 +0100 CET
	// 2026-03-29 03:00:00 +0200 CEST
	// 2026-03-30 02:30:00 +0200 CEST
}

// Errors have a code, and a message and a hint for the client.
func ExampleError() {
	err := runtime.ValidateName("no spaces")
	fmt.Println(runtime.CodeOf(err))
	if e, ok := runtime.AsError(err); ok {
		fmt.Println(e.Message)
		fmt.Println(e.Hint)
	}
	// Output:
	// invalid_argument
	// the function name is not valid
	// use 1 to 128 of the characters A-Z a-z 0-9 - _ . and do not start with a dot or a dash
}
