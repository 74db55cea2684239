// Package strictjson owns the question whether some bytes are JSON that every
// reader understands in the same way. It checks what comes in as arguments and
// what goes out as results, so it is fast (one pass, no allocation for small
// documents) and bounded for hostile input: time and memory grow with the
// length of the document alone, whatever is in it.
//
// It refuses to know what the document means. It does not decode, change or
// compact anything.
//
// Beyond the grammar of RFC 8259 it refuses what readers disagree on:
//
//   - a byte order mark, bytes that are not UTF-8, escapes of lone surrogates
//     ("\ud800"), which are no Unicode text;
//   - the same name twice in one object, compared after unescaping;
//   - nesting beyond [Options.MaxDepth];
//   - numbers of more than [MaxDigits] digits, which CPython does not read;
//   - numbers with a fraction or an exponent that overflow a float64 (1e400).
//
// Whatever it accepts, encoding/json and CPython's json accept too.
//
// Check may be called concurrently.
//
//	err := strictjson.Check([]byte(`{"items":[1,2,{"n":01}]}`), strictjson.Options{Object: true})
//	// $.items[2].n: a number must not start with a zero (byte 19)
package strictjson
