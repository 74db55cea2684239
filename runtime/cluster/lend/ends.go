package lend

import "time"

// The methods below are called with the mutex of the Server held.

// resize counts what a run holds.
func (s *Server) resize(r *lentRun, size int64) {
	s.account.Hold(size - r.size)
	if r.ended {
		s.held += size - r.size
	}
	r.size = size
}

// forget forgets a run that has ended.
func (s *Server) forget(r *lentRun) {
	if s.runs[r.Key] != r {
		return
	}
	s.unack(r)
	delete(s.runs, r.Key)
	s.account.Give(r.size)
	s.held -= r.size
}

// ack notes that the owner has the end of a run.
func (s *Server) ack(r *lentRun) {
	if r.acked == nil {
		r.acked, r.ackedAt = s.acked.PushBack(r), time.Now()
		s.held -= r.size
		s.kept += r.size
		s.makeRoom()
	}
}

// unack undoes ack.
func (s *Server) unack(r *lentRun) {
	if r.acked != nil {
		s.acked.Remove(r.acked)
		r.acked = nil
		s.kept -= r.size
		s.held += r.size
	}
}

// sweep forgets the ends that were acknowledged before a time.
func (s *Server) sweep(before time.Time) {
	for first := s.acked.Front(); first != nil && first.Value.(*lentRun).ackedAt.Before(before); first = s.acked.Front() {
		s.forget(first.Value.(*lentRun))
	}
}

// makeRoom reports whether there is room for all ends, without those that were acknowledged if need be.
func (s *Server) makeRoom() bool {
	for s.acked.Len() > 0 && (s.held+s.kept > s.maxHeld || s.acked.Len() > maxRuns) {
		s.forget(s.acked.Front().Value.(*lentRun))
	}
	return s.held <= s.maxHeld
}
