package web

import (
	"strings"
	"testing"

	"github.com/faaspot/faaspot/runtime"
)

// FuzzTraceparent reads traces of requests. One that is read has the form of the standard, and is the
// id that the field names.
func FuzzTraceparent(f *testing.F) {
	const good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	for _, text := range []string{good, good + "-x", "01" + good[2:] + "-x", "ff" + good[2:], strings.ToUpper(good), strings.Replace(good, "0af7651916cd43dd8448eb211c80319c", strings.Repeat("0", 32), 1), ""} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, field string) {
		got, ok := parseTraceparent(field)
		if ok && (!IsTraceID(got.id) || !strings.HasPrefix(field[2:], "-"+got.id+"-"+got.span+"-") || strings.HasPrefix(field, "ff")) {
			t.Fatalf("%q is read as %+v", field, got)
		}
		if again, ok2 := parseTraceparent("00-" + got.id + "-b7ad6b7169203331-00"); ok && (!ok2 || again.id != got.id || again.sampled != runtime.SamplingOff) {
			t.Fatalf("%q is read as %+v, which is read as %+v", field, got, again)
		}
	})
}
