package notify

import (
	"sync"
	"testing"
)

func TestHub(t *testing.T) {
	h := NewHub()
	h.Notify("a") // no goroutine waits
	first, leaveFirst := h.Wait("a")
	second, leaveSecond := h.Wait("a")
	other, leaveOther := h.Wait("b")
	h.Notify("a")
	<-first
	<-second
	select {
	case <-other:
		t.Error("an event of another id was reported")
	default:
	}
	later, leaveLater := h.Wait("a")
	leaveFirst() // must not forget the later wait
	leaveSecond()
	h.Notify("a")
	<-later
	leaveLater()
	leaveOther()
	if len(h.waits) != 0 {
		t.Errorf("%d waits are left", len(h.waits))
	}
}

// TestHubMissesNothing checks that an event after Wait is always seen, regardless of concurrent
// calls.
func TestHubMissesNothing(t *testing.T) {
	h := NewHub()
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for range 500 {
				happened, leave := h.Wait("x")
				go h.Notify("x")
				<-happened
				leave()
			}
		})
	}
	group.Wait()
}

func TestSignal(t *testing.T) {
	s := NewSignal()
	s.Set()
	s.Set() // does not block
	<-s
	select {
	case <-s:
		t.Error("two pending wake-ups")
	default:
	}
}
