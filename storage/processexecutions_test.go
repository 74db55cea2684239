package storage

import (
	"os"
	"testing"
)

// failMoves is the number of moves of the process that fails.
const failMoves = 12

// failPlayer plays games without moves that may be lost, so that everything that an ended process
// has acknowledged is stored.
func failPlayer() *player {
	p := newPlayer(11)
	p.soft = false
	return p
}

// Every k-th write of the disk fails during moves of executions.
func TestFailingWritesDuringExecutions(t *testing.T) {
	alone(t, "another process opens its folder, without the log")
	t.Parallel()
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
	eachFailure(t, "TestFailingWritesDuringExecutions", func(k int, out []byte, s *Store) (made int) {
		p := failPlayer()
		before, after := acknowledged(t, out, failMoves, newLedger(), func(before ledger, _ int) ledger { return p.move(before).after })
		got := holding(t, s)
		if diff, also := before.diff(got, false), after.diff(got, false); diff != "" && also != "" {
			t.Errorf("write %d failed, and the store matches neither the acknowledged moves:\n%s\nnor those and the move in progress:\n%s", k, diff, also)
		}
		return len(before.all)
	})
}
