package filterexpr

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/faaspot/faaspot/runtime"
)

func TestParseFilter(t *testing.T) {
	for source, want := range map[string]struct{ text, json string }{
		"status=failed":     {"status = FAILED", `{"type":"eq","field":"status","value":"FAILED"}`},
		"status == FAILED":  {"status = FAILED", `{"type":"eq","field":"status","value":"FAILED"}`},
		"status=Success":    {"status = SUCCEEDED", `{"type":"eq","field":"status","value":"SUCCEEDED"}`},
		"status != failure": {"not status = FAILED", `{"type":"not","filter":{"type":"eq","field":"status","value":"FAILED"}}`},
		"status=canceled":   {"reason = cancelled", `{"type":"eq","field":"failureReason","value":"cancelled"}`},
		"status in (succeeded, cancelled)": {
			"status in (SUCCEEDED) or reason = cancelled",
			`{"type":"or","filters":[{"type":"in","field":"status","value":["SUCCEEDED"]},{"type":"eq","field":"failureReason","value":"cancelled"}]}`,
		},
		"Duration>=1m30s":   {"duration >= 1m30s", `{"type":"gte","field":"duration","value":{"unit":"MILLISECONDS","value":90000}}`},
		"duration <= 500ms": {"duration <= 500ms", `{"type":"lte","field":"duration","value":{"unit":"MILLISECONDS","value":500}}`},
		"duration <= 0s":    {"duration <= 0s", `{"type":"lte","field":"duration","value":{"unit":"MILLISECONDS","value":0}}`},
		"user != admin":     {"not user = admin", `{"type":"not","filter":{"type":"eq","field":"userId","value":"admin"}}`},
		"userId is null":    {"user is null", `{"type":"isNull","field":"userId"}`},
		"caller is not null": {
			"not caller is null", `{"type":"not","filter":{"type":"isNull","field":"callerRid"}}`,
		},
		"caller=ri.jobs.main.job.019aa8ee": {"caller = ri.jobs.main.job.019aa8ee", `{"type":"eq","field":"callerRid","value":"ri.jobs.main.job.019aa8ee"}`},
		"version in (3,4)":                 {"version in (3, 4)", `{"type":"in","field":"resourceVersion","value":["3","4"]}`},
		"reason not in (timeout)":          {"not reason in (timeout)", `{"type":"not","filter":{"type":"in","field":"failureReason","value":["timeout"]}}`},
		`user="a \"b\" \\ or c"`:           {`user = "a \"b\" \\ or c"`, `{"type":"eq","field":"userId","value":"a \"b\" \\ or c"}`},
		`user=""`:                          {`user = ""`, `{"type":"eq","field":"userId","value":""}`},
		"user=and":                         {"user = and", `{"type":"eq","field":"userId","value":"and"}`},
		"user=zoë":                         {"user = zoë", `{"type":"eq","field":"userId","value":"zoë"}`},
		"owner=x AND trace=y Or not status=failed": {
			"owner = x and trace = y or not status = FAILED",
			`{"type":"or","filters":[{"type":"and","filters":[{"type":"eq","field":"traceOwningRid","value":"x"},{"type":"eq","field":"foundryTraceId","value":"y"}]},` +
				`{"type":"not","filter":{"type":"eq","field":"status","value":"FAILED"}}]}`,
		},
		"not(user=a or user=b)and user=c": {
			"not (user = a or user = b) and user = c",
			`{"type":"and","filters":[{"type":"not","filter":{"type":"or","filters":[{"type":"eq","field":"userId","value":"a"},{"type":"eq","field":"userId","value":"b"}]}},` +
				`{"type":"eq","field":"userId","value":"c"}]}`,
		},
		"((user=a))": {"user = a", `{"type":"eq","field":"userId","value":"a"}`},
		"user=a or (user=b or user=c)": {
			"user = a or (user = b or user = c)",
			`{"type":"or","filters":[{"type":"eq","field":"userId","value":"a"},{"type":"or","filters":[{"type":"eq","field":"userId","value":"b"},{"type":"eq","field":"userId","value":"c"}]}]}`,
		},
	} {
		f, err := Parse(source)
		if err != nil {
			t.Errorf("%s: %v", source, err)
			continue
		}
		if got := Format(f); got != want.text {
			t.Errorf("%s is formatted as %s, want %s", source, got, want.text)
		}
		if got, err := JSON(f); err != nil || string(got) != want.json {
			t.Errorf("%s is sent as %s, want %s (%v)", source, got, want.json, err)
		}
	}
}

// An error says what is wrong and where, with a hint.
func TestParseFilterErrors(t *testing.T) {
	for source, want := range map[string]struct{ message, hint string }{
		"":                                    {"a condition begins with a field, not with the end of the expression, at column 1 of\n  \n  ^", "the fields are status, duration"},
		"stauts=failed":                       {"there is no field \"stauts\", at column 1 of\n  stauts=failed\n  ^", "did you mean status?"},
		"status=failed and =":                 {"a condition begins with a field, not with \"=\", at column 19 of", "the fields are"},
		"status=done":                         {"\"done\" is not valid here, at column 8 of", "use SUCCEEDED or FAILED"},
		"status>=failed":                      {"status does not take >=, at column 7 of", "status takes =, !=, in"},
		"status is null":                      {"status does not take is, at column 8 of", "status takes =, !=, in"},
		"duration=30s":                        {"duration does not take =, at column 9 of", "duration takes >=, <=, and a duration such as"},
		"duration>30s":                        {"\">\" is not an operator, at column 9 of", "duration takes >=, <="},
		"reason ~ time":                       {"\"~\" is not an operator, at column 8 of", "reason takes =, !=, in"},
		"user":                                {"the end of the expression is not an operator, at column 5 of", "user takes =, !=, in, is null"},
		"duration>=30":                        {"\"30\" is not a duration, at column 11 of", "give a duration with its unit"},
		"duration>=-3s":                       {"the duration \"-3s\" is negative, at column 11 of", ""},
		"duration>=3us":                       {"\"3us\" is not a whole number of milliseconds, at column 11 of", ""},
		"user=":                               {"the end of the expression is not a value, at column 6 of", "give a value"},
		"user=a b":                            {"unexpected \"b\", at column 8 of", "put \"and\" or \"or\""},
		"user=a)":                             {"unexpected \")\", at column 7 of", ""},
		"(user=a":                             {"the \"(\" at column 1 is not closed before the end of the expression, at column 8 of\n  (user=a\n         ^", "put a \")\""},
		"user in a":                           {"\"a\" is not a list of values, at column 9 of", "write the values like (a, b)"},
		"user in ()":                          {"\")\" is not a value, at column 10 of", ""},
		"user in (a b)":                       {"unexpected \"b\" in the list of values, at column 12 of", "put commas"},
		"user not a":                          {"\"a\" follows not, at column 10 of", "write \"not in (...)\""},
		"user is a":                           {"\"a\" follows is, at column 9 of", "write \"is null\""},
		"user=\"zoë":                          {"the quoted value is not closed, at column 6 of", "put a \""},
		"user=zoë and\tx=1":                   {"there is no field \"x\", at column 14 of\n  user=zoë and x=1\n               ^", ""},
		"user=\xff":                           {"the expression is not UTF-8", ""},
		strings.Repeat("(", 1000):             {"the expression is nested too deeply, at column 41 of", "write it with fewer parentheses"},
		strings.Repeat("not ", 12) + "user=a": {"the filter has more than 10 levels", ""},
		strings.Repeat("user=a or ", 101) + "a=b": {"there is no field \"a\"", ""},
		"user=a" + strings.Repeat(" or user=a", 100): {
			"the filter tests more than 100 fields", `use "in"`,
		},
	} {
		_, err := Parse(source)
		coded, ok := errors.AsType[*runtime.Error](err)
		if !ok || coded.Code != runtime.CodeInvalidArgument || !strings.HasPrefix(coded.Message, want.message) || !strings.HasPrefix(coded.Hint, want.hint) {
			t.Errorf("%.80q:\n got %v\nhint %v\nwant %s", source, err, coded, want.message)
		}
	}
}

// Any text is parsed or refused with an error of usage. A parsed filter is valid, and is the same
// after formatting and parsing.
func FuzzFilter(f *testing.F) {
	for _, source := range []string{
		"status=failed and (duration >= 30s or not reason in (timeout, memory))", `user = "a \" \\" or caller is not null`,
		"not not user!=x", "version not in (1,2) and trace==abc", "((", `"`, "user in (", "duration<=99999999h",
	} {
		f.Add(source)
	}
	f.Fuzz(func(t *testing.T, source string) {
		filter, err := Parse(source)
		if err != nil {
			if runtime.CodeOf(err) != runtime.CodeInvalidArgument {
				t.Fatalf("%v", err)
			}
			return
		}
		if err := filter.Validate(); err != nil {
			t.Fatalf("%q is not a valid filter: %v", source, err)
		}
		text := Format(filter)
		again, err := Parse(text)
		if err != nil {
			t.Fatalf("%q is formatted as %q: %v", source, text, err)
		}
		if diff := cmp.Diff(filter, again); diff != "" {
			t.Fatalf("%q is formatted as %q, which is another filter: %s", source, text, diff)
		}
		if _, err := JSON(filter); err != nil {
			t.Fatal(err)
		}
	})
}
