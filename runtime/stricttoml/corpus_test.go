package stricttoml

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"testing"
	"time"

	tomltest "github.com/toml-lang/toml-test/v2"
)

// tagged reads documents for the corpus, which expects each value with its type.
type tagged struct{}

func (tagged) Cmd() []string { return nil }

func (tagged) Run(_ context.Context, input string) (pid int, output string, refused bool, err error) {
	table, err := Parse([]byte(input), 100)
	if err != nil {
		return 0, err.Error(), true, nil
	}
	text, err := json.Marshal(tag(table))
	return 0, string(text), false, err
}

var (
	isDate = regexp.MustCompile(`^\d{4}-`)
	isTime = regexp.MustCompile(`\d\d:\d\d`)
	isZone = regexp.MustCompile(`(Z|[+-]\d\d:\d\d)$`)
)

// tag returns a value in the form of the corpus.
func tag(value any) any {
	scalar := func(kind, text string) any { return map[string]string{"type": kind, "value": text} }
	switch v := value.(type) {
	case *Table:
		m := make(map[string]any)
		for _, member := range v.Members {
			m[member.Name] = tag(member.Value)
		}
		return m
	case []any:
		list := make([]any, len(v))
		for i := range v {
			list[i] = tag(v[i])
		}
		return list
	case string:
		return scalar("string", v)
	case bool:
		return scalar("bool", strconv.FormatBool(v))
	case int64:
		return scalar("integer", strconv.FormatInt(v, 10))
	case float64:
		return scalar("float", strconv.FormatFloat(v, 'g', -1, 64))
	case Time:
		text := string(v)
		switch date, clock := isDate.MatchString(text), isTime.MatchString(text); {
		case !date:
			return scalar("time-local", text)
		case !clock:
			return scalar("date-local", text)
		case isZone.MatchString(text):
			return scalar("datetime", text)
		}
		return scalar("datetime-local", text)
	}
	panic(fmt.Sprintf("a value of type %T", value))
}

// TestCorpus reads every document of toml-lang/toml-test, the corpus that parsers are checked
// with: those of TOML 1.1, which has all of TOML 1.0.
func TestCorpus(t *testing.T) {
	t.Parallel()
	results, err := tomltest.NewRunner(tomltest.Runner{
		Decoder: tagged{}, Version: "1.1.0", Parallel: 1, Timeout: time.Minute,
	}).Run()
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range results.Tests {
		if r.Failed() {
			t.Errorf("%s: %s\ninput: %s\noutput: %s", r.Path, r.Failure, r.Input, r.Output)
		}
	}
	if results.PassedValid < 200 || results.PassedInvalid < 400 {
		t.Errorf("only %d valid and %d invalid documents were read", results.PassedValid, results.PassedInvalid)
	}
	t.Logf("%d valid, %d invalid", results.PassedValid, results.PassedInvalid)
}
