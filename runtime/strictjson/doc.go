// Package strictjson checks whether bytes are JSON that every reader understands in the same way.
// It checks the arguments that clients send and the results that functions return, so it is fast
// (one pass, no allocation for small documents) and bounded for hostile input: time and memory
// depend only on the length of the document, and grow linearly with it.
//
// It does not know what the document means. It does not decode, change or compact anything.
//
// Beyond the grammar of RFC 8259 it refuses everything on which readers disagree:
//
//   - a byte order mark, bytes that are not UTF-8, and escapes of lone surrogates ("\ud800"), which
//     are not Unicode text;
//   - the same name twice in one object, compared after unescaping;
//   - nesting beyond [Options.MaxDepth];
//   - numbers of more than [MaxDigits] digits, which CPython does not read;
//   - numbers with a fraction or an exponent that overflow a float64 (1e400).
//
// encoding/json and CPython's json accept every document that it accepts.
//
// Check may be called concurrently. See its example.
package strictjson
