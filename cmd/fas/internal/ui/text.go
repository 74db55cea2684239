package ui

import (
	"strconv"
	"strings"
	"unicode"
)

// OneLine returns the first line of a text, with U+FFFD in place of control characters, which a
// terminal would act on.
func OneLine(text string) string {
	text, _, _ = strings.Cut(text, "\n")
	return strings.ReplaceAll(string(visible([]byte(text))), "\t", string(unicode.ReplacementChar))
}

// Quote quotes a word of the command line, so that a message shows where it begins and ends.
func Quote(s string) string { return strconv.Quote(s) }
