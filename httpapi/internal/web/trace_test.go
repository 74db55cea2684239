package web

import (
	"strings"
	"testing"

	"github.com/faaspot/faaspot/runtime"
)

const someTrace = "4bf92f3577b34da6a3ce929d0e0e4736"

func TestTraceparent(t *testing.T) {
	const span = "00f067aa0ba902b7"
	for field, want := range map[string]trace{
		"00-" + someTrace + "-" + span + "-01":       {someTrace, span, runtime.SamplingOn},
		"00-" + someTrace + "-" + span + "-00":       {someTrace, span, runtime.SamplingOff},
		"00-" + someTrace + "-" + span + "-ff":       {someTrace, span, runtime.SamplingOn},
		"cc-" + someTrace + "-" + span + "-01":       {someTrace, span, runtime.SamplingOn},
		"01-" + someTrace + "-" + span + "-03-later": {someTrace, span, runtime.SamplingOn},

		"00-" + someTrace + "-" + span + "-01-":                   {},
		"00-" + someTrace + "-" + span + "-01-x":                  {},
		"01-" + someTrace + "-" + span + "-01x":                   {},
		"ff-" + someTrace + "-" + span + "-01":                    {},
		"0-" + someTrace + "-" + span + "-01":                     {},
		"00-" + strings.Repeat("0", 32) + "-" + span + "-01":      {},
		"00-" + someTrace + "-" + strings.Repeat("0", 16) + "-01": {},
		"00-" + strings.ToUpper(someTrace) + "-" + span + "-01":   {},
		"00-" + someTrace + "-" + strings.ToUpper(span) + "-01":   {},
		"0G-" + someTrace + "-" + span + "-01":                    {},
		"00-" + someTrace + "-" + span + "-0x":                    {},
		"00_" + someTrace + "-" + span + "-01":                    {},
		"00-" + someTrace + "_" + span + "-01":                    {},
		"00-" + someTrace + "-" + span + "_01":                    {},
		"00-" + someTrace[1:] + "-" + span + "-01":                {},
		"00-" + someTrace + "-" + span:                            {},
		"":                                                        {},
	} {
		if got, ok := parseTraceparent(field); got != want || ok != (want.id != "") {
			t.Errorf("%q: %+v, %t", field, got, ok)
		}
	}
}
