package ui

import (
	"fmt"
	"strings"
	"time"
)

// barWidth is the width of the bar itself in columns: the bar and the text beside it fit into 80.
const barWidth = 16

// bar renders a progress bar and the counts beside it.
func bar(done, total int) string {
	all := max(total, 1)
	full := barWidth * done / all
	return fmt.Sprintf("[%s%s] %3d%%  %d of %d",
		strings.Repeat("=", full), strings.Repeat(" ", barWidth-full), 100*done/all, done, total)
}

// remaining renders the time that the rest takes at a rate.
func remaining(rest int, perSecond float64) string {
	return SecondsText(time.Duration(float64(rest)/perSecond*float64(time.Second))) + " left"
}

// retryingText renders the state of a wait whose server cannot be reached at present.
func retryingText(message string, elapsed time.Duration) string {
	return fmt.Sprintf("%s; trying again, %s", message, SecondsText(elapsed))
}
