package wire

import "testing"

func TestParseStatus(t *testing.T) {
	for word, want := range map[string]Status{
		"Pending": StatusPending, "queued": StatusPending, "running": StatusStarted, "Started": StatusStarted, " SUCCEEDED ": StatusSuccess,
		"success": StatusSuccess, "failure": StatusFailed, "FAILED": StatusFailed, "error": StatusFailed, "canceled": StatusCancelled, "Cancelled": StatusCancelled,
	} {
		if got, ok := ParseStatus(word); got != want || !ok {
			t.Errorf("%q is %q, %t", word, got, ok)
		}
	}
	for _, word := range []string{"", "done", "NotFound", "success,failed"} {
		if got, ok := ParseStatus(word); ok {
			t.Errorf("%q is %q", word, got)
		}
	}
}
