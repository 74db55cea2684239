package blaxel

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/test/linear"
)

// TestLinearJobs doubles bodies about jobs, and cursors.
func TestLinearJobs(t *testing.T) {
	numbered := func(n int, format string) string {
		var b strings.Builder
		for i := 100_000; b.Len() < n; i++ {
			fmt.Fprintf(&b, format, i)
		}
		return b.String()
	}
	for name, body := range map[string]func(n int) string{
		"labels": func(n int) string { return `{"metadata":{"labels":{` + numbered(n, `"l%d":"v",`) + `"l":"v"}}}` },
		"envs": func(n int) string {
			return `{"spec":{"runtime":{"envs":[` + numbered(n, `{"name":"E%d","value":"v"},`) + `{}]}}}`
		},
		"triggers": func(n int) string { return `{"spec":{"triggers":[` + numbered(n, `{"id":"t%d"},`) + `{}]}}` },
		"tasks": func(n int) string {
			return `{"spec":{"triggers":[{"configuration":{"tasks":[` + strings.Repeat("{},", n/3) + `{}]}}]}}`
		},
		"unknown": func(n int) string { return `{"spec":{` + numbered(n, `"m%d":0,`) + `"m":0}}` },
	} {
		t.Run(name, func(t *testing.T) {
			linear.Bytes(t, runtime.MiB, func(size int) func() {
				text := []byte(body(size))
				return func() {
					b, err := parseJob(text)
					if err == nil {
						b.job.Spec.FillTriggers(nil)
						_ = runtime.ValidateJob(&b.job)
					}
				}
			})
		})
	}
	for name, body := range map[string]func(n int) string{
		"start with tasks": func(n int) string { return `{"tasks":[` + strings.Repeat("{},", n/3) + `{}]}` },
		"start with env":   func(n int) string { return `{"env":{` + numbered(n, `"E%d":"v",`) + `"E":"v"}}` },
	} {
		t.Run(name, func(t *testing.T) {
			linear.Bytes(t, runtime.MiB, func(size int) func() {
				text := []byte(body(size))
				return func() {
					b, err := parseStart(text)
					if err == nil {
						_ = b.Hash()
					}
					_, _ = parseTasks(text)
				}
			})
		})
	}
	t.Run("a cursor", func(t *testing.T) {
		linear.Bytes(t, 8*runtime.KiB, func(size int) func() {
			text := strings.Repeat("Ag", size/2)
			return func() { _, _ = (&list{}).openCursor(text, time.Time{}) }
		})
	})
}
