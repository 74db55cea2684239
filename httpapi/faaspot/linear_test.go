package faaspot

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/valyala/fasthttp"

	"github.com/faaspot/faaspot/httpapi/internal/web"
	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/test/linear"
)

// numbered repeats a format of one number, up to about n bytes.
func numbered(n int, format string) string {
	var b strings.Builder
	for i := 100_000; b.Len() < n; i++ {
		fmt.Fprintf(&b, format, i)
	}
	return b.String()
}

// measured checks the work on texts of doubling sizes.
func measured(t *testing.T, name string, largest int, text func(n int) string, work func(text string)) {
	t.Run(name, func(t *testing.T) {
		linear.Bytes(t, largest, func(size int) func() {
			text := text(size)
			return func() { work(text) }
		})
	})
}

// TestLinearBodies doubles bodies of deployments up to their limit.
func TestLinearBodies(t *testing.T) {
	quoted := func(text string) string { q, _ := json.Marshal(text); return string(q) }
	parse := func(text string) { _, _ = parseFunctionBody(&contextReader{}, []byte(text)) }
	for name, body := range map[string]func(n int) string{
		"members":       func(n int) string { return "{" + numbered(n, `"k%d":0,`) + `"code":"x"}` },
		"code":          func(n int) string { return `{"code":` + quoted(strings.Repeat("a\n", n/3)) + `}` },
		"escaped code":  func(n int) string { return `{"code":"` + strings.Repeat(`\u0041`, n/6) + `"}` },
		"percent code":  func(n int) string { return `{"code":"` + strings.Repeat("%0A", n/3) + `"}` },
		"wrong percent": func(n int) string { return `{"encoding":"percent","code":"` + strings.Repeat("%0A", n/3) + `%"}` },
		"not an object": func(n int) string { return strings.Repeat("\n", n) + "[" },
		"requirements":  func(n int) string { return `{"requirements":[` + strings.Repeat(`"a",`, n/4) + `"a"]}` },
		"a wrong context": func(n int) string {
			return `{"context":` + quoted(strings.Repeat("\n", runtime.MaxContext/(maxFunctionBody/n))+"x") + `}`
		},
		"a JSON context": func(n int) string { return `{"context":{` + numbered(n, `"k%d":0,`) + `"k":0}}` },
	} {
		measured(t, name, maxFunctionBody, body, parse)
	}
}

// TestLinearDiffs doubles the sources and contexts that are compared.
func TestLinearDiffs(t *testing.T) {
	changed := func(text, from, to string) [2]string { return [2]string{text, strings.ReplaceAll(text, from, to)} }
	for name, texts := range map[string]func(n int) [2]string{
		"other lines":  func(n int) [2]string { return changed(numbered(n, "line %d\n"), "line", "Line") },
		"every second": func(n int) [2]string { return changed(numbered(n, "line %d\n"), "2\n", "3\n") },
		"equal lines": func(n int) [2]string {
			return [2]string{strings.Repeat("a line of code\n", n/15), strings.Repeat("a line of code\n", n/15-1)}
		},
		"turned round": func(n int) [2]string {
			return [2]string{numbered(n, "line %d\n"), numbered(n/2, "%d line\n") + numbered(n/2, "line %d\n")}
		},
		"one long line": func(n int) [2]string { return [2]string{strings.Repeat("x", n), strings.Repeat("x", n-1) + "y"} },
		"control bytes": func(n int) [2]string { return [2]string{strings.Repeat("\x01", n), strings.Repeat("\x02", n)} },
		"of two repeats": func(n int) [2]string {
			return [2]string{strings.Repeat("a long line\nb long line\n", n/24), strings.Repeat("b long line\na long line\n", n/24)}
		},
	} {
		t.Run(name, func(t *testing.T) {
			linear.Bytes(t, 128*runtime.KiB, func(size int) func() {
				pair := texts(size)
				older, newer := &runtime.Version{Name: "f", Source: []byte(pair[0])}, &runtime.Version{Name: "f", Source: []byte(pair[1])}
				return func() {
					if _, err := renderDiff(older, newer); err != nil {
						t.Error(err)
					}
				}
			})
		})
	}
}

// TestLinearRequests doubles the other texts of requests up to their limits.
func TestLinearRequests(t *testing.T) {
	const maxQuery = 8 * runtime.KiB // the limit of the URL
	for name, query := range map[string]func(n int) string{
		"names":      func(n int) string { return strings.TrimSuffix(numbered(n, "k%d=v&"), "&") },
		"separators": func(n int) string { return strings.Repeat("&", n) },
		"escapes":    func(n int) string { return "a=" + strings.Repeat("%C3%A9", n/6) },
		"quotes":     func(n int) string { return strings.Repeat(`"`, n) + "=" },
	} {
		measured(t, "args in a query: "+name, maxQuery, query, func(text string) { _, _ = queryArgs([]byte(text)) })
		measured(t, "a query: "+name, maxQuery, query, func(text string) {
			var args fasthttp.Args
			args.Parse(text)
			filter, _ := parseFilter(&args)
			_, _ = openCursor("a", filter, string(args.Peek("cursor")))
			_ = withCursor(&args, "c")
		})
	}
	measured(t, "statuses", maxQuery, func(n int) string { return "status=" + strings.Repeat("Failed,", n/7) + "Failed" }, func(text string) {
		var args fasthttp.Args
		args.Parse(text)
		_, _ = parseFilter(&args)
	})
	measured(t, "a cursor", maxQuery, func(n int) string { return strings.Repeat("AQ", n/2) }, func(text string) {
		_, _ = openCursor("a", runtime.ExecutionFilter{}, text)
	})
	for name, body := range map[string]func(n int) string{
		"ids":         func(n int) string { return "[" + numbered(n, `"%d",`) + `"x"]` },
		"quoted ids":  func(n int) string { return `{"tasks":"[` + numbered(n, `\"%d\",`) + `\"x\"]"}` },
		"many ids":    func(n int) string { return "[" + strings.Repeat(`"",`, n/3) + `""]` },
		"nested ids":  func(n int) string { return strings.Repeat("[", n) },
		"open object": func(n int) string { return strings.Repeat(`{"tasks":`, n/9) },
	} {
		measured(t, name, web.MaxIDsBody, body, func(text string) { _, _ = idsIn([]byte(text)) })
		measured(t, "args of "+name, web.MaxIDsBody, body, func(text string) { _, _ = argsIn([]byte(text)) })
	}
	measured(t, "a bulk", 4*runtime.MiB, func(n int) string { return "[" + strings.Repeat(`{"a":[0]},`, n/10) + "{}]" }, func(text string) {
		_, _ = argsIn([]byte(text))
	})
}

// TestLinearErrors renders failures of doubling sizes.
func TestLinearErrors(t *testing.T) {
	measured(t, "a traceback", 256*runtime.KiB, func(n int) string { return strings.Repeat("  File \"<x>\"\n", n/13) }, func(text string) {
		var ctx fasthttp.RequestCtx
		f := &runtime.Failure{Class: runtime.ClassError, Type: "E", Message: text, Traceback: text}
		writeError(&ctx, 500, web.ErrorReport{Error: *web.RenderFailure(f)})
	})
}

// TestEqualCodeOfAnyLengthIsCompared tests that settings of versions with the same long code can be compared, but not
// their code if it differs.
func TestEqualCodeOfAnyLengthIsCompared(t *testing.T) {
	long := bytes.Repeat([]byte("#\n"), maxDiffLines)
	older, newer := &runtime.Version{Source: long}, &runtime.Version{Source: bytes.Clone(long)}
	if d, err := renderDiff(older, newer); err != nil || d.Code != "" {
		t.Errorf("%+v, %v", d, err)
	}
	newer.Source = append(newer.Source, '#')
	if _, err := renderDiff(older, newer); runtime.CodeOf(err) != runtime.CodeTooLarge {
		t.Errorf("other code: %v", err)
	}
}
