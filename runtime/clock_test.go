package runtime

import (
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
)

// TestIDsHaveTheTimeOfTheClock checks that ids are UUIDv7 with the returned time, that they are
// unique, and that they sort in the order in which they were made.
func TestIDsHaveTheTimeOfTheClock(t *testing.T) {
	at := time.Date(2026, 3, 4, 5, 6, 7, 891_011, time.UTC)
	c := NewClock(func() time.Time { return at })
	var all []string
	for _, n := range []int{1, 10_000, 1, 100, 10_000} {
		now, ids := c.Stamps(n)
		if !now.Equal(at) || len(ids) != n {
			t.Fatalf("%d ids at %v", len(ids), now)
		}
		all = append(all, ids...)
		if n == 100 {
			at = at.Add(time.Millisecond)
		}
	}
	if !slices.IsSorted(all) {
		t.Error("ids do not sort in the order in which they were made")
	}
	if n := len(slices.Compact(slices.Clone(all))); n != len(all) {
		t.Errorf("%d of %d ids are different", n, len(all))
	}
	for i, text := range all {
		id, err := uuid.Parse(text)
		if err != nil || id.Version() != 7 || id.Variant() != uuid.RFC4122 || text != strings.ToLower(text) {
			t.Fatalf("%s is no UUIDv7: %v", text, err)
		}
		want := at
		if i < 10_102 {
			want = at.Add(-time.Millisecond)
		}
		if got := IDTime(text); got.UnixMilli() != want.UnixMilli() {
			t.Fatalf("id %d has the time %v, want %v", i, got, want)
		}
	}
}

// TestIDsCannotBeGuessed: 48 bits of each id are random, whatever ids were made before and at the same time.
func TestIDsCannotBeGuessed(t *testing.T) {
	at := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	const many, bits = 20_000, 48
	_, ids := NewClock(func() time.Time { return at }).Stamps(many)
	seen := map[string]bool{}
	var set [bits]int
	for _, text := range ids {
		id := uuid.MustParse(text)
		tail := id[len(id)-bits/8:]
		seen[string(tail)] = true
		for i := range set {
			set[i] += int(tail[i/8] >> (i % 8) & 1)
		}
	}
	if len(seen) != many {
		t.Errorf("of %d ids, %d have other random bits", many, len(seen))
	}
	for i, n := range set {
		if n < many*45/100 || n > many*55/100 {
			t.Errorf("bit %d is set in %d of %d ids", i, n, many)
		}
	}
}

// TestClockSetBack checks that a clock that is set back a little stands still, and that it follows a
// larger step, in its times and its ids alike.
func TestClockSetBack(t *testing.T) {
	began := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	for _, test := range []struct{ back, want time.Duration }{
		{0, 0}, {time.Millisecond, 0}, {time.Second, 0}, {time.Second + 1, -time.Second - 1}, {9 * 24 * time.Hour, -9 * 24 * time.Hour}, {-time.Hour, time.Hour},
	} {
		wall := began
		c := NewClock(func() time.Time { return wall })
		_, before := c.Stamp()
		wall = began.Add(-test.back)
		now, id := c.Stamp()
		want := began.Add(test.want)
		if !now.Equal(want) || !c.Now().Equal(want) || IDTime(id).UnixMilli() != want.UnixMilli() {
			t.Errorf("set back by %v: the time is %v, that of the id %v, want %v", test.back, now, IDTime(id), want)
		}
		if (id > before) != (test.want >= 0) {
			t.Errorf("set back by %v: %s follows %s", test.back, id, before)
		}
		wall = began.Add(time.Minute) // it has caught up
		if now := c.Now(); test.back > 0 && !now.Equal(wall) {
			t.Errorf("set back by %v: a minute later it is %v", test.back, now)
		}
	}
}

// TestConcurrentStamps checks that ids sort by the order of the calls for each of many goroutines.
func TestConcurrentStamps(t *testing.T) {
	c := NewClock(time.Now)
	var group sync.WaitGroup
	var mu sync.Mutex
	seen := map[string]bool{}
	for range 8 {
		group.Go(func() {
			var mine []string
			for n := range 200 {
				_, ids := c.Stamps(n % 5)
				mine = append(mine, ids...)
			}
			mu.Lock()
			defer mu.Unlock()
			if !slices.IsSorted(mine) {
				t.Error("ids of one goroutine are not in order")
			}
			for _, id := range mine {
				if seen[id] {
					t.Errorf("%s exists twice", id)
				}
				seen[id] = true
			}
		})
	}
	group.Wait()
}

func BenchmarkStamp(b *testing.B) {
	c := NewClock(time.Now)
	for b.Loop() {
		c.Stamp()
	}
}

func BenchmarkNewID(b *testing.B) {
	for b.Loop() {
		NewID()
	}
}
