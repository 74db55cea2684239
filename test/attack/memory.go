package attack

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"
)

// Resident returns the resident anonymous memory of a process in bytes: RssAnon in
// proc_pid_status(5).
func Resident(pid int) (int64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	var sum int64
	for line := range strings.Lines(string(text)) {
		var kib int64
		if n, _ := fmt.Sscanf(line, "RssAnon: %d kB", &kib); n == 1 {
			sum += kib
		}
	}
	return sum << 10, nil
}

// Pss returns the memory of a process in bytes with shared pages counted once: Pss in
// /proc/PID/smaps_rollup.
func Pss(pid int) (int64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		var kib int64
		if n, _ := fmt.Sscanf(line, "Pss: %d kB", &kib); n == 1 {
			return kib << 10, nil
		}
	}
	return 0, fmt.Errorf("no Pss in %s", text)
}

// Peak samples the resident memory of a process until ctx ends, and returns the largest sample:
// RssAnon every 30 ms, and Pss, which costs the kernel more, every 300 ms.
func Peak(ctx context.Context, pid int) (peak int64) {
	for i := 0; ; i++ {
		if n, err := Resident(pid); err == nil {
			peak = max(peak, n)
		}
		if i%10 == 0 {
			if n, err := Pss(pid); err == nil {
				peak = max(peak, n)
			}
		}
		if !pause(ctx, 30*time.Millisecond) {
			return peak
		}
	}
}
