package storage

import (
	"os"
	"testing"
)

// failMoves is how many moves the process makes that is to fail.
const failMoves = 12

// failPlayer plays a game without moves that may be lost: what a process that
// ended acknowledged is then all there.
func failPlayer() *player {
	p := newPlayer(11)
	p.soft = false
	return p
}

// Every k-th write of the disk fails amid moves of executions.
func TestFailingWritesAmidExecutions(t *testing.T) {
	if at := os.Getenv(envFailAt); at != "" {
		p, l := failPlayer(), newLedger()
		onFailingDisk(t, at, failMoves, func(s *Store) error {
			m := p.move(l)
			err := m.do(s)
			if err == nil {
				l = m.after
			}
			return err
		})
	}
	eachFailure(t, "TestFailingWritesAmidExecutions", func(k int, out []byte, s *Store) (made int) {
		p := failPlayer()
		before, after := acknowledged(t, out, failMoves, newLedger(), func(before ledger, _ int) ledger { return p.move(before).after })
		got := holding(t, s)
		if diff, also := before.diff(got, false), after.diff(got, false); diff != "" && also != "" {
			t.Errorf("write %d failed and left neither what was acknowledged:\n%s\nnor that and the move under way:\n%s", k, diff, also)
		}
		return len(before.all)
	})
}
