package wasi

// The clocks of preview 1.
const (
	clockRealtime   = 0
	clockMonotonic  = 1
	clockProcessCPU = 2
	clockThreadCPU  = 3
)

// clockResolution is what clock_res_get answers for every clock, in nanoseconds.
const clockResolution = 1

// instant is one reading of all clocks. Computing time is monotonic time without that which the run
// has slept.
type instant struct{ wall, monotonic, computing int64 } // nanoseconds, never negative

// instant reads the clocks. Monotonic time never goes back within a run, nor behind the latest time
// in the run's State.
func (s *System) instant() instant {
	wall, monotonic := s.clock.Now()
	s.monotonic = max(s.monotonic, monotonic)
	return instant{max(wall, 0), s.monotonic, s.monotonic - s.slept}
}

// now returns the wall time in nanoseconds since 1970.
func (s *System) now() int64 { return s.instant().wall }

// time reads one clock.
func (s *System) time(id uint32) (int64, errno) {
	now := s.instant()
	switch id {
	case clockRealtime:
		return now.wall, success
	case clockMonotonic:
		return now.monotonic, success
	case clockProcessCPU, clockThreadCPU:
		return now.computing, success
	}
	return 0, eINVAL
}

func clockTimeGet(s *System, g guest, p []uint64) errno {
	t, err := s.time(uint32(p[0]))
	if err != success {
		return err
	}
	if !g.WriteUint64Le(uint32(p[2]), uint64(t)) {
		return eFAULT
	}
	return success
}

func clockResGet(s *System, g guest, p []uint64) errno {
	if uint32(p[0]) > clockThreadCPU {
		return eINVAL
	}
	if !g.WriteUint64Le(uint32(p[1]), clockResolution) {
		return eFAULT
	}
	return success
}
