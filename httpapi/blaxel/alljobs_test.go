package blaxel_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/faaspot/faaspot/httpapi/internal/apitest"
	"github.com/faaspot/faaspot/httpapi/wire"
	"github.com/faaspot/faaspot/runtime"
)

// TestAllJobsAreBounded lists jobs with large tasks: all of them are too much for one response, and
// pages have all of them.
func TestAllJobsAreBounded(t *testing.T) {
	t.Parallel()
	s := apitest.StartJobs(t, nil)
	const jobs = 17
	task := `{"x":"` + strings.Repeat("x", runtime.MaxTriggerTasks-100) + `"}`
	create := func(i int) {
		s.Ask(t, "POST", "/v0/jobs", fmt.Sprintf(`{"metadata":{"name":"job-%d"},"spec":{"function":"hello.py","triggers":[{"type":"cron","enabled":false,"configuration":{"schedule":"@yearly","tasks":[%s]}}]}}`, i, task), nil, nil)
	}
	create(0)
	var all []wire.Job[string]
	if s.Ask(t, "GET", "/v0/jobs", "", nil, &all); len(all) != 1 {
		t.Errorf("%d jobs", len(all))
	}
	for i := 1; i < jobs; i++ {
		create(i)
	}
	a := s.Do(t, "GET", "/v0/jobs", "", nil)
	var refused wire.BlaxelError
	if err := json.Unmarshal([]byte(a.Body), &refused); err != nil || a.Status != 413 || !strings.Contains(refused.Hint, "Blaxel-Version") {
		t.Errorf("%d %.300s", a.Status, a.Body)
	}
	seen := map[string]bool{}
	for cursor := ""; ; {
		var page wire.Page[wire.Job[string]]
		s.Ask(t, "GET", "/v0/jobs?limit=200"+cursor, "", apitest.Header{"Blaxel-Version": "2026-04-28"}, &page)
		if len(page.Data) > 5 || page.Meta.Total != jobs {
			t.Fatalf("a page has %d jobs of %d", len(page.Data), page.Meta.Total)
		}
		for _, j := range page.Data {
			seen[j.Metadata.Name] = true
		}
		if cursor = "&cursor=" + page.Meta.NextCursor; !page.Meta.HasMore {
			break
		}
	}
	if len(seen) != jobs {
		t.Errorf("%d jobs of %d were listed", len(seen), jobs)
	}
}
