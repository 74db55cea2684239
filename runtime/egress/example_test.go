package egress_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/egress"
)

// A receiver on the loopback interface is denied, unless the operator allows it.
func ExampleNew() {
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusNoContent)
	}))
	defer receiver.Close()
	for _, allow := range [][]string{nil, {"127.0.0.0/8", "hooks.internal:8443"}} {
		poster, err := egress.New(egress.Options{Allow: allow})
		if err != nil {
			fmt.Println(err)
			return
		}
		status, err := poster.Post(context.Background(), runtime.Post{Tenant: "a", URL: receiver.URL, Body: []byte(`{}`)})
		if e, ok := runtime.AsError(err); ok {
			fmt.Println("error:", e.Message)
			continue
		}
		fmt.Println("status:", status)
	}
	// Output:
	// error: the host has an address that this server may not reach, unless its operator allows it with `fas serve --egress-allow ADDRESS`
	// status: 204
}
