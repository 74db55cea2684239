//go:build !linux

package sandbox

import "time"

// timers would be the timers of the kernel that a sandbox has.
type timers struct{}

func newTimers() *timers { return &timers{} }

func (*timers) sleep(time.Duration) bool { return false }

func (*timers) close() {}
