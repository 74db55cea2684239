package main

import (
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// TestWaveCountsAllResponses checks that a wave counts each client once, whatever it gets.
func TestWaveCountsAllResponses(t *testing.T) {
	const clients = 40
	var calls atomic.Int32
	var hang atomic.Bool
	end := make(chan struct{})
	fake := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.Contains(r.URL.Path, "/wait/") {
			return
		}
		switch calls.Add(1) % 4 {
		case 1:
			w.WriteHeader(http.StatusServiceUnavailable)
		case 2:
			panic(http.ErrAbortHandler) // closes the connection
		case 3:
			if hang.Load() {
				<-end
			}
		}
	}))
	defer fake.Close()
	defer close(end)
	self, err := os.FindProcess(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	s := &server{process: &process{cmd: &exec.Cmd{Process: self}}, address: fake.Listener.Addr().String()}
	var all []*client
	for range clients {
		c := newClient(s.address)
		defer c.close()
		all = append(all, c)
	}
	check := func(spread time.Duration, answered int, failures map[string]int) {
		t.Helper()
		w, err := s.wave(t.Context(), all, spread)
		if err != nil {
			t.Fatal(err)
		}
		if len(w.delays) != answered || !maps.Equal(w.failures, failures) {
			t.Errorf("got %d answered and %v, want %d and %v", len(w.delays), w.failures, answered, failures)
		}
		if want := fmt.Sprintf("%d of 5000 answered, delay median ", answered); !strings.HasPrefix(w.String(), want) || !strings.Contains(w.String(), "; 10 got the status 503") {
			t.Errorf("got the summary %q", w)
		}
	}
	const refused, closed, late = "the status 503", "no response: the connection was closed", "no response in time"
	check(0, clients/2, map[string]int{refused: clients / 4, closed: clients / 4})
	// The second wave connects some clients again.
	hang.Store(true)
	for _, c := range all {
		c.timeout = 3 * time.Second
	}
	check(10*time.Millisecond, clients/4, map[string]int{refused: clients / 4, closed: clients / 4, late: clients / 4})
}

func TestWaitersRowsSayWhatIsMissing(t *testing.T) {
	whole, half := &wave{delays: make([]time.Duration, waiters), neighbour: []time.Duration{1}}, &wave{delays: make([]time.Duration, waiters/2)}
	for _, test := range []struct {
		waves    []*wave
		exceeded error
		want     string
	}{
		{[]*wave{whole, whole, half}, nil, ""},
		{[]*wave{half, whole}, nil, ""},
		{[]*wave{whole, half}, nil, "2500 of 5000 were answered in the second wave"},
		{[]*wave{{}}, nil, "0 of 5000 were answered in the first wave"},
		{[]*wave{whole, {}}, errNothing, "0 of 5000 were answered in the second wave; " + errNothing.Error()},
	} {
		rows := waitersRows(test.waves, gb, test.exceeded)
		for i, m := range rows {
			if m.missed != test.want {
				t.Errorf("row %d: got %q, want %q", i, m.missed, test.want)
			}
		}
		if len(rows[0].notes) != len(test.waves) {
			t.Errorf("got the notes %q for %d waves", rows[0].notes, len(test.waves))
		}
	}
}

func TestMemoryWatchStopsTheServer(t *testing.T) {
	p, err := testLab(t).start(t.Context(), "", nil, "sleep", "60")
	if err != nil {
		t.Fatal(err)
	}
	defer p.stop()
	w := watchMemory(p, gb*gb)
	if peak := w.stop(); peak <= 0 || w.exceeded() != nil {
		t.Errorf("below the limit: got the peak %d and %v", peak, w.exceeded())
	}
	select {
	case <-p.exited:
		t.Fatal("the server was stopped below the limit")
	default:
	}
	w = watchMemory(p, 1)
	defer w.stop()
	select {
	case <-p.exited:
	case <-time.After(30 * time.Second):
		t.Fatal("the server was not stopped")
	}
	if err := w.exceeded(); err == nil || !strings.Contains(err.Error(), "MB") {
		t.Errorf("got %v", err)
	}
}

// TestImageCode checks the size of the state of the functions with images, by the machine's Python.
func TestImageCode(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("python3 is not installed")
	}
	program := imageCode(7, imageMB) + "import sys\nprint(main({'name': 'user1'}, {})['output'], (sys.getsizeof(TEXT) + sum(map(sys.getsizeof, ROWS))) >> 20)\n"
	text, err := output(t.Context(), "", python, "-I", "-S", "-c", program)
	if want := fmt.Sprintf("row 5045 of 7: %d %d", 5045*5045, imageMB); err != nil || strings.TrimSpace(string(text)) != want {
		t.Errorf("got %q, %v, want %q", text, err, want)
	}
}
