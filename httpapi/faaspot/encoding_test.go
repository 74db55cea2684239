package faaspot

import (
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/faaspot/faaspot/runtime"
)

// plainPython are sources and contexts with percent signs in all the places
// where they may stand. None may be decoded.
var plainPython = []string{
	"def main(args, context):\n    return '%s' % args\n",
	"def main(args,context):return'%20d'%args",
	"def main(a,c):return 7%20",
	"def main(args, context):\n\treturn 100%25 + 3%2\n",
	"main=lambda*a:a[0]%20",
	"main=lambda*a:'%41%42'",
	"exec('def%20main')",
	"def%20main(", // has a parenthesis
	"import urllib.parse\ndef main(a, c): return urllib.parse.unquote('%7B%22a%22%3A1%7D')",
	"\"\"\"50% off\"\"\"\ndef main(a, c): return '%%'",
	"rate = \"5%20\"",
	"rate='%2F%2f'",
	"{\"rate\": \"5%20\"}",
	"# 100%25",
	"[a%20]\nb = 1",
	"%", "%%", "%2", "100%", "%zz", "a%2", "%41", "%5f", "abc", "",
	"%ff",    // not UTF-8
	"%c3%28", // not UTF-8
	"a+b%20c",
}

func TestPlainTextStaysPlain(t *testing.T) {
	t.Parallel()
	for _, text := range plainPython {
		if got, err := decodeText(text, encodingAuto); got != text || err != nil {
			t.Errorf("%q became %q, %v", text, got, err)
		}
		if got, err := decodeText(text, encodingPlain); got != text || err != nil {
			t.Errorf("%q said to be plain became %q, %v", text, got, err)
		}
	}
}

// TestQuotedTextIsDecoded has the words of Python's quote, of 3.7 and later, of
// earlier ones (~ quoted), with safe=” (/ quoted), and with small hex digits.
func TestQuotedTextIsDecoded(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"def%20main%28args%2C%20context%29%3A%0A%20%20%20%20return%20%27%25s%27%20%25%20args%0A": "def main(args, context):\n    return '%s' % args\n",
		"a~%20": "a~ ", "a%7E%20": "a~ ", "a/%20": "a/ ", "a%2F%20": "a/ ",
		"%c3%a9": "é", "%C3%A9%F0%9F%90%8D": "é🐍", "%00": "\x00", "%25": "%", "%2520": "%20",
		"key%20%3D%20%22v%22%0A": "key = \"v\"\n",
		"%7B%22a%22%3A%201%7D":   `{"a": 1}`,
	} {
		if got, err := decodeText(text, encodingAuto); got != want || err != nil {
			t.Errorf("%q became %q, %v; want %q", text, got, err, want)
		}
	}
}

func TestPercentOnRequest(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"def%20main(a,%20b):+1": "def main(a, b):+1", "%41": "A", "": "", "é%C3%A9": "éé",
	} {
		if got, err := decodeText(text, encodingPercent); got != want || err != nil {
			t.Errorf("%q became %q, %v; want %q", text, got, err, want)
		}
	}
	for _, text := range []string{"%", "a%2", "%zz", "100% sure", "%ff"} {
		if got, err := decodeText(text, encodingPercent); runtime.CodeOf(err) != runtime.CodeInvalidArgument {
			t.Errorf("%q became %q, %v", text, got, err)
		}
	}
}

func TestQuote(t *testing.T) {
	t.Parallel()
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	// As printed by Python 3.11: urllib.parse.quote(bytes(range(256)))
	const want = "%00%01%02%03%04%05%06%07%08%09%0A%0B%0C%0D%0E%0F%10%11%12%13%14%15%16%17%18%19%1A%1B%1C%1D%1E%1F" +
		"%20%21%22%23%24%25%26%27%28%29%2A%2B%2C-./0123456789%3A%3B%3C%3D%3E%3F%40ABCDEFGHIJKLMNOPQRSTUVWXYZ" +
		"%5B%5C%5D%5E_%60abcdefghijklmnopqrstuvwxyz%7B%7C%7D~%7F" +
		"%80%81%82%83%84%85%86%87%88%89%8A%8B%8C%8D%8E%8F%90%91%92%93%94%95%96%97%98%99%9A%9B%9C%9D%9E%9F" +
		"%A0%A1%A2%A3%A4%A5%A6%A7%A8%A9%AA%AB%AC%AD%AE%AF%B0%B1%B2%B3%B4%B5%B6%B7%B8%B9%BA%BB%BC%BD%BE%BF" +
		"%C0%C1%C2%C3%C4%C5%C6%C7%C8%C9%CA%CB%CC%CD%CE%CF%D0%D1%D2%D3%D4%D5%D6%D7%D8%D9%DA%DB%DC%DD%DE%DF" +
		"%E0%E1%E2%E3%E4%E5%E6%E7%E8%E9%EA%EB%EC%ED%EE%EF%F0%F1%F2%F3%F4%F5%F6%F7%F8%F9%FA%FB%FC%FD%FE%FF"
	if got := quote(all); got != want {
		t.Errorf("got %s", got)
	}
}

func FuzzDecodeField(f *testing.F) {
	for _, text := range plainPython {
		f.Add(text)
		f.Add(quote([]byte(text)))
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := decodeText(text, encodingAuto)
		if err != nil {
			t.Fatalf("auto fails: %v", err)
		}
		if got != text {
			// It was decoded: then it is quote's work, but for ~ / and case.
			same := strings.NewReplacer("%7E", "~", "%2F", "/")
			if !utf8.ValidString(got) || same.Replace(upperEscapes(text)) != quote([]byte(got)) {
				t.Fatalf("%q became %q, which quotes to %q", text, got, quote([]byte(got)))
			}
			if strings.ContainsAny(text, " \t\n()=:{}[]\"'#,+") {
				t.Fatalf("%q became %q", text, got)
			}
		}
		if utf8.ValidString(text) {
			quoted := quote([]byte(text))
			if quoted != text {
				if got, err := decodeText(quoted, encodingAuto); got != text || err != nil {
					t.Fatalf("quote(%q) became %q, %v", text, got, err)
				}
			}
			if got, err := decodeText(quoted, encodingPercent); got != text || err != nil {
				t.Fatalf("quote(%q) said to be percent became %q, %v", text, got, err)
			}
		}
		if got, err := decodeText(text, encodingPercent); err == nil {
			if want, err := url.PathUnescape(text); err != nil || got != want {
				t.Fatalf("%q said to be percent became %q; net/url says %q, %v", text, got, want, err)
			}
		}
	})
}

// upperEscapes writes the hex digits of % groups in capitals.
func upperEscapes(text string) string {
	b := []byte(text)
	for i := 0; i+2 < len(b); i++ {
		if b[i] == '%' {
			copy(b[i+1:i+3], strings.ToUpper(string(b[i+1:i+3])))
			i += 2
		}
	}
	return string(b)
}
