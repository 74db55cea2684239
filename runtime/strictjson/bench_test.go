package strictjson_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/faaspot/faaspot/runtime/strictjson"
)

const small = `{"name":"user1","count":42,"ratio":0.25,"tags":["a","b"],"nested":{"ok":true,"none":null},"q":"text"}`

// documents returns the documents of the benchmarks: usual ones, one as large as args can be, and
// the slowest ones of that size.
func documents() map[string][]byte {
	const size = 6 << 20
	repeat := func(item string) []byte {
		return []byte("[" + strings.TrimSuffix(strings.Repeat(item+",", size/(len(item)+1)), ",") + "]")
	}
	var names bytes.Buffer
	names.WriteByte('{')
	for i := 0; names.Len() < size-16; i++ {
		if i > 0 {
			names.WriteByte(',')
		}
		fmt.Fprintf(&names, `"%x":0`, i)
	}
	names.WriteByte('}')
	return map[string][]byte{
		"100B":           []byte(small),
		"20names":        []byte(manyNames(20)),
		"6MiB/records":   repeat(small),
		"6MiB/text":      []byte(`"` + strings.Repeat("x", size) + `"`),
		"6MiB/non-ascii": []byte(`"` + strings.Repeat("é", size/2) + `"`),
		"6MiB/escapes":   []byte(`"` + strings.Repeat(`\u00e9`, size/6) + `"`),
		"6MiB/digits":    repeat("1"),
		"6MiB/names":     names.Bytes(),
		"6MiB/empty":     repeat("[]"),
	}
}

func manyNames(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `,"name%d":%d`, i, i)
	}
	return "{" + b.String()[1:] + "}"
}

func BenchmarkCheck(b *testing.B) {
	for name, doc := range documents() {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(doc)))
			b.ReportAllocs()
			for b.Loop() {
				if err := strictjson.Check(doc, strictjson.Options{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkEncodingJSONValid(b *testing.B) {
	b.SetBytes(int64(len(small)))
	for b.Loop() {
		if !json.Valid([]byte(small)) {
			b.Fatal("not valid")
		}
	}
}
