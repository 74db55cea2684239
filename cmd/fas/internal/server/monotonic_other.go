//go:build !linux

package server

import "time"

// monotonic returns zero: only systemd, which needs Linux, wants the time.
func monotonic() time.Duration { return 0 }
