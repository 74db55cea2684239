package runargs

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/faaspot/faaspot/runtime"
)

func TestParseParameters(t *testing.T) {
	for name, tc := range map[string]struct {
		entries []string
		want    []Parameter
	}{
		"none":                          {nil, nil},
		"one":                           {[]string{"name=you"}, []Parameter{{"name", "you"}}},
		"several":                       {[]string{"a=1", "b=2"}, []Parameter{{"a", "1"}, {"b", "2"}}},
		"first equals sign":             {[]string{"q=a=b=c"}, []Parameter{{"q", "a=b=c"}}},
		"empty value":                   {[]string{"a="}, []Parameter{{"a", ""}}},
		"spaces in a value":             {[]string{"a= b "}, []Parameter{{"a", " b "}}},
		"comma list":                    {[]string{"k1=v1, k2=v2"}, []Parameter{{"k1", "v1"}, {"k2", "v2"}}},
		"comma list without spaces":     {[]string{"k1=v1,k2=v2,k3="}, []Parameter{{"k1", "v1"}, {"k2", "v2"}, {"k3", ""}}},
		"lists and singles":             {[]string{"a=1,b=2", "c=3"}, []Parameter{{"a", "1"}, {"b", "2"}, {"c", "3"}}},
		"comma in a sentence":           {[]string{"text=hello, world"}, []Parameter{{"text", "hello, world"}}},
		"comma at the end":              {[]string{"a=1,"}, []Parameter{{"a", "1,"}}},
		"comma before a condition":      {[]string{"q=x, a b=3"}, []Parameter{{"q", "x, a b=3"}}},
		"comma before a comparison":     {[]string{"q=a,b<=3"}, []Parameter{{"q", "a,b<=3"}}},
		"key that no list would have":   {[]string{"my key=1"}, []Parameter{{"my key", "1"}}},
		"JSON is text":                  {[]string{`a={"x": 1, "y": 2}`}, []Parameter{{"a", `{"x": 1, "y": 2}`}}},
		"dashes and dots in a list":     {[]string{"a-b=1, c.d=2"}, []Parameter{{"a-b", "1"}, {"c.d", "2"}}},
		"lines stay":                    {[]string{"a=x\ny=z"}, []Parameter{{"a", "x\ny=z"}}},
		"a list whose values have more": {[]string{"a=b=c, d=e=f"}, []Parameter{{"a", "b=c"}, {"d", "e=f"}}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := ParseParameters(tc.entries)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, got, cmp.AllowUnexported(Parameter{})); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestParseParametersRefuses(t *testing.T) {
	for entry, want := range map[string]string{
		"name":     "has no key and value",
		"=you":     "has no key and value",
		" =you":    "has no key and value",
		"":         "has no key and value",
		"a=1, a=2": "is set twice",
	} {
		_, err := ParseParameters([]string{entry})
		if runtime.CodeOf(err) != runtime.CodeInvalidArgument || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", entry, err, want)
		}
	}
	if _, err := ParseParameters([]string{"a=1", "a=2"}); err == nil {
		t.Error("the same key in two parameters was accepted")
	}
}

// The value of a single parameter without a comma arrives unchanged.
func TestParametersArriveAsTheyAre(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		key := rapid.StringMatching(`[a-z_][a-z0-9_]{0,8}`).Draw(t, "key")
		value := rapid.StringMatching(`[^,]*`).Draw(t, "value")
		list, err := ParseParameters([]string{key + "=" + value})
		if err != nil {
			t.Fatal(err)
		}
		data, err := Build(nil, list)
		if err != nil {
			t.Fatal(err)
		}
		var got map[string]string
		if err := json.Unmarshal(data, &got); err != nil {
			t.Fatalf("%s: %v", data, err)
		}
		if diff := cmp.Diff(map[string]string{key: value}, got); diff != "" {
			t.Fatal(diff)
		}
	})
}

func TestBuildArgs(t *testing.T) {
	for name, tc := range map[string]struct {
		base       string
		parameters []Parameter
		want       string
	}{
		"nothing":                 {"", nil, `{}`},
		"parameters in order":     {"", []Parameter{{"z", "1"}, {"a", "<2>"}}, `{"z":"1","a":"<2>"}`},
		"base as it is":           {`{"n": 1.50, "big": 123456789012345678901234567890}`, nil, `{"n": 1.50, "big": 123456789012345678901234567890}`},
		"digits survive a merge":  {`{"big": 123456789012345678901234567890, "f": 1.50}`, []Parameter{{"a", "x"}}, `{"big":123456789012345678901234567890,"f":1.50,"a":"x"}`},
		"a parameter wins":        {`{"a": 1, "b": [2, {"c": null}]}`, []Parameter{{"a", "x"}}, `{"a":"x","b":[2, {"c": null}]}`},
		"key with an escape wins": {`{"\u0061": 1}`, []Parameter{{"a", "x"}}, `{"a":"x"}`},
		"quotes in keys":          {"", []Parameter{{`a"b`, `c"d`}}, `{"a\"b":"c\"d"}`},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Build([]byte(tc.base), tc.parameters)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, string(got)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestBuildArgsRefuses(t *testing.T) {
	for name, tc := range map[string]struct {
		base       string
		parameters []Parameter
	}{
		"not JSON":       {`{name: 1}`, nil},
		"an array":       {`[1]`, nil},
		"twice":          {`{"a": 1, "a": 2}`, []Parameter{{"b", "1"}}},
		"two values":     {`{} {}`, nil},
		"not UTF-8":      {"{\"a\": \"\xff\"}", nil},
		"value in bytes": {"", []Parameter{{"a", "\xff"}}},
		"key in bytes":   {"", []Parameter{{"\xff", "a"}}},
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := Build([]byte(tc.base), tc.parameters); runtime.CodeOf(err) != runtime.CodeInvalidArgument {
				t.Errorf("got %s, %v", got, err)
			}
		})
	}
}
