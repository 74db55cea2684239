package ui

import (
	"fmt"

	"github.com/faaspot/faaspot/cmd/fas/internal/client"
)

// MaxShownFailures is the number of failed runs that are shown one by one.
const MaxShownFailures = 10

// Tally counts how runs ended. Its JSON form is a promise of --json.
type Tally struct {
	Total     int `json:"total"`
	Succeeded int `json:"succeeded"`
	Failed    int `json:"failed"`
	Cancelled int `json:"cancelled"`
	NotFound  int `json:"not_found"` // no longer known to the server
}

func (t *Tally) count(x client.Execution) {
	switch x.Status {
	case client.StatusSuccess:
		t.Succeeded++
	case client.StatusCancelled:
		t.Cancelled++
	case client.StatusNotFound:
		t.NotFound++
	default:
		t.Failed++
	}
}

// Done returns the number of runs that are done.
func (t Tally) Done() int { return t.Succeeded + t.Failed + t.Cancelled + t.NotFound }

func (t Tally) String() string {
	s := fmt.Sprintf("%d succeeded, %d failed, %d cancelled", t.Succeeded, t.Failed, t.Cancelled)
	if t.NotFound > 0 {
		s += fmt.Sprintf(", %d not found", t.NotFound)
	}
	return s
}
