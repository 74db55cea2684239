package runtime_test

import (
	"reflect"
	"strings"
	"testing"

	"github.com/faaspot/faaspot/runtime"
)

// TestTenantNumbers checks that each limit that is a number has its own name, is changed by it, has a
// default, and is bounded.
func TestTenantNumbers(t *testing.T) {
	numbers := 0
	for i := range reflect.TypeFor[runtime.TenantLimits]().NumField() {
		if reflect.TypeFor[runtime.TenantLimits]().Field(i).Type.Kind() == reflect.Int {
			numbers++
		}
	}
	names := map[string]bool{}
	for i := range runtime.TenantNumbers {
		n := &runtime.TenantNumbers[i]
		names[n.Name] = true
		var want runtime.TenantLimits
		*n.Of(&want) = 7
		if want == (runtime.TenantLimits{}) {
			t.Errorf("%s is no limit", n.Name)
		}
		if got := (runtime.TenantLimitsChange{Numbers: map[string]int{n.Name: 7}}).Of(runtime.TenantLimits{}); got != want {
			t.Errorf("%s: changed to %+v", n.Name, got)
		}
		if n.Name != "request_burst" && n.Name != "requests_per_second" { // see TestRateOfATenant
			if got := (runtime.TenantLimits{}).Effective(want); got != want {
				t.Errorf("%s: without one of its own, a tenant has %+v", n.Name, got)
			}
			defaults := want
			*n.Of(&defaults) = 9
			if got := want.Effective(defaults); got != want {
				t.Errorf("%s: with one of its own, a tenant has %+v", n.Name, got)
			}
		}
		for value, valid := range map[int]bool{-1: false, 0: true, n.Max(): true, n.Max() + 1: false} {
			*n.Of(&want) = value
			if err := want.Validate(); (err == nil) != valid || !valid && !strings.Contains(err.Error(), n.Name) {
				t.Errorf("%s of %d: %v", n.Name, value, err)
			}
		}
	}
	if len(names) != numbers || len(runtime.TenantNumbers) != numbers {
		t.Errorf("there are %d limits that are numbers, and %d names", numbers, len(names))
	}
}

// TestLimitsOfWhatIsStored checks where the limits of what a tenant has stored begin.
func TestLimitsOfWhatIsStored(t *testing.T) {
	for name, check := range map[string]func(most int, has, more int64) error{
		"functions": func(most int, has, more int64) error {
			return (&runtime.TenantLimits{Functions: most}).CheckFunctions(has, more)
		},
		"code": func(most int, has, more int64) error {
			return (&runtime.TenantLimits{CodeBytes: most}).CheckCode(has, more)
		},
		"stored": func(most int, has, more int64) error {
			return (&runtime.TenantLimits{StoredBytes: most}).CheckStored(has, more)
		},
	} {
		for _, test := range []struct {
			most      int
			has, more int64
			want      runtime.Code
		}{
			{0, 1 << 40, 1 << 40, ""},
			{10, 0, 10, ""},
			{10, 9, 1, ""},
			{10, 9, 2, runtime.CodeTooBusy},
			{10, 10, 1, runtime.CodeTooBusy},
			{10, 0, 11, runtime.CodeTooLarge},
			{10, 50, 0, ""},
			{10, 50, -3, ""},
			{10, 50, 1, runtime.CodeTooBusy},
		} {
			err := check(test.most, test.has, test.more)
			e, _ := runtime.AsError(err)
			switch {
			case test.want == "" && err == nil:
			case e == nil || e.Code != test.want || e.Hint == "" || (e.RetryAfter == runtime.FullRetry) != (test.want == runtime.CodeTooBusy):
				t.Errorf("%s: %d of %d, and %d more: %v", name, test.has, test.most, test.more, err)
			}
		}
	}
}
