package httpapi_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/faaspot/faaspot/httpapi/internal/apitest"
)

// TestTimesBeyondTheBounds goes to every place where a request can ask for a time: the largest is
// accepted, and more is refused by 400, which names the bound.
func TestTimesBeyondTheBounds(t *testing.T) {
	t.Parallel()
	s := apitest.StartJobs(t, nil)
	s.Ask(t, "POST", "/v0/jobs", `{"metadata":{"name":"j"},"spec":{"function":"hello.py"}}`, nil, nil)
	var run string
	s.Ask(t, "POST", "/v1/functions/hello.py/rpc/", "{}", nil, &run)
	var started struct{ ID string }
	s.Ask(t, "POST", "/v0/jobs/j/executions", `{"tasks":[{}]}`, nil, &started)
	trigger := func(kind string) string {
		return `{"spec":{"function":"hello.py","triggers":[{"type":` + kind + `,"timeout":%s}}]}}`
	}
	runtime := `{"spec":{"function":"hello.py","runtime":{"timeout":%s}}}`
	for _, place := range []struct {
		method, path, body string // %s is the time
		texts              bool   // whether texts such as "30m" are times
		bound              string
	}{
		{"PUT", "/v1/functions/hello.py", `{"code":"def main(a, c): pass","timeout":%s}`, false, "86400"},
		{"PATCH", "/v1/functions/hello.py", `{"timeout":%s}`, false, "86400"},
		{"PATCH", "/v1/deployments/hello.py", `{"timeout":%s}`, false, "86400"},
		{"PUT", "/v1/functions/", `{"name":"other","code":"def main(a, c): pass","timeout":%s}`, false, "86400"},
		{"GET", "/v1/executions/" + run + "?wait=%s", "", false, "280"},
		{"GET", "/v0/jobs/j/executions/" + started.ID + "?wait=%s", "", false, "280"},
		{"PUT", "/v0/jobs/j", runtime, true, "86400"},
		{"PUT", "/v0/jobs/j", trigger(`"http","configuration":{"path":"p"`), true, "900"},
		{"PUT", "/v0/jobs/j", trigger(`"http-async","configuration":{"path":"p"`), true, "86400"},
		{"PUT", "/v0/jobs/j", trigger(`"cron","configuration":{"schedule":"@daily"`), true, "86400"},
	} {
		ask := func(time string) apitest.Answer {
			return s.Do(t, place.method, strings.Replace(place.path, "%s", time, 1), strings.Replace(place.body, "%s", time, 1), nil)
		}
		beyond := []string{place.bound + ".5", "1e300", "-1"}
		if place.texts {
			beyond = append(beyond, fmt.Sprintf(`"%ss1ms"`, place.bound), `"9000h"`, `"-1s"`)
		}
		for _, time := range beyond {
			if a := ask(time); a.Status != 400 || !strings.Contains(a.Body, place.bound) {
				t.Errorf("%s %s %s for %s: %d %s", place.method, place.path, place.body, time, a.Status, a.Body)
			}
		}
		if strings.Contains(place.path, "wait") {
			continue // it would wait
		}
		if a := ask(place.bound); a.Status != 200 {
			t.Errorf("%s %s %s: %d %s", place.method, place.path, place.body, a.Status, a.Body)
		}
	}
}
