package wasi

import "time"

// Parked is the state of a run that waits outside of any System. [System.Park] creates it; it is used
// for one [System.Resume], by any System with the same Tree.
type Parked struct {
	run
	since int64 // reading of the monotonic clock
}

// Park takes the run out of the System, which is then in the state after Reset(nil, Limits{}). What
// Control.Charge has granted to the run stays granted. Sessions of TLS are forgotten; the run must not be
// [System.Connected].
func (s *System) Park() *Parked {
	s.tlsDisconnect()
	now := s.instant()
	p := &Parked{s.run, now.monotonic}
	s.run = run{monotonic: now.monotonic} // the lists belong to the run
	s.Reset(nil, Limits{})
	return p
}

// Resume continues a parked run in the System, after Reset(nil, Limits{}). The time since counts as
// slept.
func (s *System) Resume(p *Parked) {
	latest := s.monotonic
	s.run = p.run
	s.monotonic = max(s.monotonic, latest)
	s.Slept(time.Duration(s.instant().monotonic - p.since))
}

// Slept adds a time that the run has slept outside of a call of poll_oneoff: it is no computing time.
func (s *System) Slept(d time.Duration) { s.slept += int64(d) }

// Until returns the time until the first of the events that a guest subscribes to, in the form of
// poll_oneoff: 0 if one has happened. It returns false if that form is invalid.
func (s *System) Until(subscriptions []byte) (time.Duration, bool) {
	if n := len(subscriptions); n == 0 || n%subscriptionSize != 0 || n > maxSubscriptions*subscriptionSize {
		return 0, false
	}
	d, err := s.instant().soonest(subscriptions, func([]byte) bool { return false })
	return d, err == success
}
