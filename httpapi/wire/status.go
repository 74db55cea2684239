package wire

import "strings"

// statusWords are the words for the statuses of an execution: those of this API first, then those of
// the other dialects and what people write.
var statusWords = map[Status][]string{
	StatusPending:   {"pending", "queued", "waiting", "scheduled"},
	StatusStarted:   {"started", "running"},
	StatusSuccess:   {"success", "succeeded", "successful", "ok"},
	StatusFailed:    {"failed", "failure", "error"},
	StatusCancelled: {"cancelled", "canceled"},
}

// ParseStatus returns the status that a word of any dialect means, ignoring case.
func ParseStatus(word string) (s Status, ok bool) {
	word = strings.ToLower(strings.TrimSpace(word))
	for status, words := range statusWords {
		for _, w := range words {
			if w == word {
				return status, true
			}
		}
	}
	return "", false
}
