// Package suggest finds the word that a mistyped word most likely means.
package suggest

import "strings"

// most is the largest number of letters that may differ.
const most = 2

// Closest returns the word of a list that is most similar to the given one, ignoring case. It
// returns an empty string if none is similar.
func Closest(word string, words []string) string {
	best, at := "", most+1
	for _, w := range words {
		if d := distance(strings.ToLower(word), strings.ToLower(w)); d < at && d < max(len(w)-1, 1) {
			best, at = w, d
		}
	}
	return best
}

// distance returns the number of insertions, deletions, substitutions and swaps of neighbours that
// turn a into b (Damerau-Levenshtein), or most+1 if the lengths differ by more than most.
func distance(a, b string) int {
	if d := len(a) - len(b); d > most || -d > most {
		return most + 1
	}
	var before []int
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		next := make([]int, len(b)+1)
		next[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			next[j+1] = min(next[j]+1, row[j+1]+1, row[j]+cost)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				next[j+1] = min(next[j+1], before[j-1]+1)
			}
		}
		before, row = row, next
	}
	return row[len(b)]
}
