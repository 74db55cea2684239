package suggest

import "testing"

func TestClosest(t *testing.T) {
	words := []string{"status", "duration", "user", "id"}
	for word, want := range map[string]string{
		"stauts": "status", "Status": "status", "dur": "", "durations": "duration", "usr": "user",
		"": "", "x": "", "ix": "", "statusstatus": "", "satus": "status",
	} {
		if got := Closest(word, words); got != want {
			t.Errorf("the closest to %q is %q, want %q", word, got, want)
		}
	}
}
