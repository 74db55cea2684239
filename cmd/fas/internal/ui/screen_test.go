package ui

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestVisibleText(t *testing.T) {
	for name, tc := range map[string]struct{ text, strict, log string }{
		"text":                 {"a\tb\nä 你 🙂\r\n", "a\tb\nä 你 🙂\n", "a\tb\nä 你 🙂\n"},
		"colours":              {"\x1b[1;31mred\x1b[0m \x1b[38:2::1:2:3mx\x1b[m", "�[1;31mred�[0m �[38:2::1:2:3mx�[m", "\x1b[1;31mred\x1b[0m \x1b[38:2::1:2:3mx\x1b[m"},
		"cursor":               {"\x1b[1A\x1b[2K\x1b[2Jx", "�[1A�[2K�[2Jx", "�[1A�[2K�[2Jx"},
		"private colours":      {"\x1b[?25m\x1b[>4;2m", "�[?25m�[>4;2m", "�[?25m�[>4;2m"},
		"title":                {"\x1b]0;PWNED\x07", "�]0;PWNED�", "�]0;PWNED�"},
		"clipboard":            {"\x1b]52;c;eA==\x1b\\", "�]52;c;eA==�\\", "�]52;c;eA==�\\"},
		"8 bits":               {"\u009b2J\x9b2J\u0090x\u009c", "�2J�2J�x�", "�2J�2J�x�"},
		"carriage return":      {"good\rbad", "good�bad", "good�bad"},
		"others":               {"\x00\b\v\f\x7f\x0e", "������", "������"},
		"direction":            {"\u202eevil\u2066\u200f", "�evil��", "�evil��"},
		"not UTF-8":            {"\xff\xc3x\xff", "��x�", "��x�"},
		"end of a rune":        {"\xff\xc3", "��", "�"},
		"end of a line":        {"a\r", "a�", "a"},
		"hidden":               {"\x1b[8ma\x1b[0;08mb\x1b[38;2;1;2;3;8mc\x1b[38:2:1:2:3;8md\x1b[48;5;1;8me", "�[8ma�[0;08mb�[38;2;1;2;3;8mc�[38:2:1:2:3;8md�[48;5;1;8me", "abcde"},
		"colours that are 8":   {"\x1b[38;5;8ma\x1b[48:5:8mb\x1b[58;2;8;8;8mc\x1b[38:2::8:8:8md", "�[38;5;8ma�[48:5:8mb�[58;2;8;8;8mc�[38:2::8:8:8md", "\x1b[38;5;8ma\x1b[48:5:8mb\x1b[58;2;8;8;8mc\x1b[38:2::8:8:8md"},
		"colour that is split": {"x\x1b[3", "x�[3", "x"},
		"endless colour":       {"\x1b[" + strings.Repeat("1;", 60) + "m", "�[" + strings.Repeat("1;", 60) + "m", "�[" + strings.Repeat("1;", 60) + "m"},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.strict, string(visible([]byte(tc.text)))); diff != "" {
				t.Errorf("text: %s", diff)
			}
			log, _ := appendVisible(nil, []byte(tc.text), true)
			if diff := cmp.Diff(tc.log, string(log)); diff != "" {
				t.Errorf("log: %s", diff)
			}
		})
	}
}

// fakeTTY is a terminal that records what it gets.
type fakeTTY struct{ strings.Builder }

func (*fakeTTY) Fd() uintptr { return ^uintptr(0) }

func newFakeScreen(noColor bool) (*fakeTTY, *screen) {
	tty := &fakeTTY{}
	s := &screen{tty: tty, colours: !noColor}
	s.log = logWriter{screen: s, colours: true}
	return tty, s
}

// A colour of a log may come in two parts, and does not reach the text behind the log.
func TestColoursOfALogEnd(t *testing.T) {
	tty, s := newFakeScreen(false)
	for _, part := range []string{"a\x1b[3", "1mb", "\x1b["} {
		if n, err := LogWriter(s).Write([]byte(part)); n != len(part) || err != nil {
			t.Fatal(n, err)
		}
	}
	if _, err := s.Write([]byte("31m behind\n")); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff("a\x1b[31mb�[\x1b[0m31m behind\n", tty.String()); diff != "" {
		t.Error(diff)
	}
}

// Text that arrives byte by byte is shown as if it came at once.
func TestLogInPieces(t *testing.T) {
	const text = "ä你🙂\r\n\x1b[31mred\x1b[0m\r\n\xff\rx"
	tty, s := newFakeScreen(false)
	for i := range len(text) {
		if _, err := LogWriter(s).Write([]byte(text[i : i+1])); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff("ä你🙂\n\x1b[31mred\x1b[0m\n��x", tty.String()); diff != "" {
		t.Error(diff)
	}
}

func TestColoursOfThisProgram(t *testing.T) {
	for _, noColor := range []bool{false, true} {
		tty, s := newFakeScreen(noColor)
		if err := paint(s, red, "er\x1b[1Aror:"); err != nil {
			t.Fatal(err)
		}
		want := "\x1b[31mer�[1Aror:\x1b[0m"
		if noColor {
			want = "er�[1Aror:"
		}
		if diff := cmp.Diff(want, tty.String()); diff != "" {
			t.Errorf("without colours %t: %s", noColor, diff)
		}
	}
	var out strings.Builder
	if err := paint(&out, red, "error:"); err != nil || out.String() != "error:" {
		t.Errorf("a stream that is no terminal gets %q, %v", out.String(), err)
	}
}
