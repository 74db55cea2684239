package main

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
		want    []parameter
	}{
		"none":                          {nil, nil},
		"one":                           {[]string{"name=you"}, []parameter{{"name", "you"}}},
		"several":                       {[]string{"a=1", "b=2"}, []parameter{{"a", "1"}, {"b", "2"}}},
		"first equals sign":             {[]string{"q=a=b=c"}, []parameter{{"q", "a=b=c"}}},
		"empty value":                   {[]string{"a="}, []parameter{{"a", ""}}},
		"spaces in a value":             {[]string{"a= b "}, []parameter{{"a", " b "}}},
		"comma list":                    {[]string{"k1=v1, k2=v2"}, []parameter{{"k1", "v1"}, {"k2", "v2"}}},
		"comma list without spaces":     {[]string{"k1=v1,k2=v2,k3="}, []parameter{{"k1", "v1"}, {"k2", "v2"}, {"k3", ""}}},
		"lists and singles":             {[]string{"a=1,b=2", "c=3"}, []parameter{{"a", "1"}, {"b", "2"}, {"c", "3"}}},
		"comma in a sentence":           {[]string{"text=hello, world"}, []parameter{{"text", "hello, world"}}},
		"comma at the end":              {[]string{"a=1,"}, []parameter{{"a", "1,"}}},
		"comma before a condition":      {[]string{"q=x, a b=3"}, []parameter{{"q", "x, a b=3"}}},
		"comma before a comparison":     {[]string{"q=a,b<=3"}, []parameter{{"q", "a,b<=3"}}},
		"key that no list would have":   {[]string{"my key=1"}, []parameter{{"my key", "1"}}},
		"JSON is text":                  {[]string{`a={"x": 1, "y": 2}`}, []parameter{{"a", `{"x": 1, "y": 2}`}}},
		"dashes and dots in a list":     {[]string{"a-b=1, c.d=2"}, []parameter{{"a-b", "1"}, {"c.d", "2"}}},
		"lines stay":                    {[]string{"a=x\ny=z"}, []parameter{{"a", "x\ny=z"}}},
		"a list whose values have more": {[]string{"a=b=c, d=e=f"}, []parameter{{"a", "b=c"}, {"d", "e=f"}}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := parseParameters(tc.entries)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, got, cmp.AllowUnexported(parameter{})); diff != "" {
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
		"a=1, a=2": "is given twice",
	} {
		_, err := parseParameters([]string{entry})
		if runtime.CodeOf(err) != runtime.CodeInvalidArgument || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", entry, err, want)
		}
	}
	if _, err := parseParameters([]string{"a=1", "a=2"}); err == nil {
		t.Error("the same key in two parameters was accepted")
	}
}

// Whatever a single parameter without a comma holds, its value arrives as it is.
func TestParametersArriveAsTheyAre(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		key := rapid.StringMatching(`[a-z_][a-z0-9_]{0,8}`).Draw(t, "key")
		value := rapid.StringMatching(`[^,]*`).Draw(t, "value")
		list, err := parseParameters([]string{key + "=" + value})
		if err != nil {
			t.Fatal(err)
		}
		data, err := buildArgs(nil, list)
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
		parameters []parameter
		want       string
	}{
		"nothing":                 {"", nil, `{}`},
		"parameters in order":     {"", []parameter{{"z", "1"}, {"a", "<2>"}}, `{"z":"1","a":"<2>"}`},
		"base as it is":           {`{"n": 1.50, "big": 123456789012345678901234567890}`, nil, `{"n": 1.50, "big": 123456789012345678901234567890}`},
		"digits survive a merge":  {`{"big": 123456789012345678901234567890, "f": 1.50}`, []parameter{{"a", "x"}}, `{"big":123456789012345678901234567890,"f":1.50,"a":"x"}`},
		"a parameter wins":        {`{"a": 1, "b": [2, {"c": null}]}`, []parameter{{"a", "x"}}, `{"a":"x","b":[2, {"c": null}]}`},
		"key with an escape wins": {`{"\u0061": 1}`, []parameter{{"a", "x"}}, `{"a":"x"}`},
		"quotes in keys":          {"", []parameter{{`a"b`, `c"d`}}, `{"a\"b":"c\"d"}`},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := buildArgs([]byte(tc.base), tc.parameters)
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
		parameters []parameter
	}{
		"not JSON":       {`{name: 1}`, nil},
		"an array":       {`[1]`, nil},
		"twice":          {`{"a": 1, "a": 2}`, []parameter{{"b", "1"}}},
		"two values":     {`{} {}`, nil},
		"not UTF-8":      {"{\"a\": \"\xff\"}", nil},
		"value in bytes": {"", []parameter{{"a", "\xff"}}},
		"key in bytes":   {"", []parameter{{"\xff", "a"}}},
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := buildArgs([]byte(tc.base), tc.parameters); runtime.CodeOf(err) != runtime.CodeInvalidArgument {
				t.Errorf("got %s, %v", got, err)
			}
		})
	}
}
