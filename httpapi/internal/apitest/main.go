package apitest

import (
	"testing"

	"go.uber.org/goleak"
)

// Main runs the tests of a package and fails if they leave goroutines behind.
func Main(m *testing.M) {
	goleak.VerifyTestMain(m,
		// The HTTP library's clock for the Date header: one for the life of the process.
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"),
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1.1"),
		// The cleaner of its worker pool, which notices within 10 s that the pool was stopped.
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).Start.func2"))
}
