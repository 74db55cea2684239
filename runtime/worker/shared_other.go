//go:build !linux

package worker

import (
	"errors"
	"sync/atomic"
	"time"
)

// This system has no lanes: no server has workers there.

func newSharedMemory(int) (fd int, err error) { return -1, errors.ErrUnsupported }

func sleep(*atomic.Uint32, uint32, time.Duration) {}

func wake(*atomic.Uint32) {}

func allowedProcessors() []int { return nil }

func currentProcessor() int { return 0 }

func stayOn(int) {}
