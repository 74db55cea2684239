package sandbox

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestFindStretch(t *testing.T) {
	sequence := func(from, to, step uint32) (pages []uint32) {
		for ; from < to; from += step {
			pages = append(pages, from)
		}
		return pages
	}
	const first = 100 // pages before are the stack's
	for name, c := range map[string]struct {
		pages    []uint32
		from, to uint32 // numbers of the pages at the ends; 0: none
	}{
		"nothing":             {nil, 0, 0},
		"few":                 {sequence(200, 200+minStretch-1, 1), 0, 0},
		"enough":              {sequence(200, 200+minStretch, 1), 200, 200 + minStretch - 1},
		"every other":         {sequence(200, 20_000, 2), 200, 19_998},
		"one of eight":        {sequence(200, 4000, 8), 200, 3992},
		"one of ten":          {sequence(200, 4000, 10), 0, 0},
		"few of eight":        {sequence(200, 200+8*maxCopied, 8), 0, 0},
		"sparse, then dense":  {slices.Concat(sequence(200, 3000, 5), sequence(3000, 3500, 1)), 200, 3499},
		"few, then dense":     {slices.Concat(sequence(200, 3000, 28), sequence(3000, 3500, 1)), 3000, 3499},
		"two of three":        {slices.DeleteFunc(sequence(200, 1100, 1), func(p uint32) bool { return p%3 == 0 }), 202, 1097},
		"stray pages":         {slices.Concat([]uint32{150}, sequence(1000, 1300, 1), []uint32{9000}), 1000, 1299},
		"the longer part":     {slices.Concat(sequence(1000, 1200, 1), sequence(9000, 9300, 1)), 9000, 9299},
		"two with little gap": {slices.Concat(sequence(1000, 1300, 1), sequence(1350, 1500, 1)), 1000, 1499},
		"stack":               {sequence(0, first, 1), 0, 0},
		"stack and more":      {slices.Concat(sequence(0, first, 1), sequence(first, 600, 1)), first, 599},
	} {
		from, to := findStretch(c.pages, first)
		switch {
		case from == to && c.to == 0:
		case from == to || c.to == 0:
			t.Errorf("%s: the stretch has %d pages", name, to-from)
		case c.pages[from] != c.from || c.pages[to-1] != c.to:
			t.Errorf("%s: the stretch is from %d to %d, want %d to %d", name, c.pages[from], c.pages[to-1], c.from, c.to)
		}
	}
}

// TestImagesEqualTheirMemory makes images of random memories and verifies that copies of any part
// of them equal the memory.
func TestImagesEqualTheirMemory(t *testing.T) {
	box := boxes["mapped"]
	base := box.guest.base
	rng := rand.New(rand.NewPCG(1, 5))
	for round := range times(8) {
		m := newCopiedMemory(base.size+round%2*(3<<20), base.size*2)
		if err := box.guest.bare.copyTo(m.buf, 0, base.size, &meter{pauser: noPause{}}); err != nil {
			t.Fatal(err)
		}
		pages := map[uint32]bool{}
		for _, own := range box.guest.bare.pages {
			pages[own.number] = true
		}
		for range 1 + rng.IntN(6) {
			// Some bytes of some pages from a place on, or nearly all.
			at, n, step := rng.IntN(len(m.buf)/pageSize), rng.IntN(600), 1+rng.IntN(3)
			for ; n > 0 && at < len(m.buf)/pageSize; at += 1 + rng.IntN(step) {
				for range 1 + rng.IntN(4)*rng.IntN(100) {
					m.buf[at*pageSize+rng.IntN(pageSize)]++
				}
				pages[uint32(at)] = true
				n--
			}
		}
		var sorted []uint32
		for page := range pages {
			sorted = append(sorted, page)
		}
		slices.Sort(sorted)
		mapping := &mappingMemory{*m, box.guest.mapped}
		l, c, err := box.files.inMemory(base, mapping, sorted, noPause{})
		if err != nil {
			t.Fatal(err)
		}
		img, err := newImage(base, mapping, l, c, nil, noPause{})
		if err != nil {
			t.Fatal(err)
		}
		for range 20 {
			start := rng.IntN(len(m.buf) / pageSize)
			end := start + 1 + rng.IntN(len(m.buf)/pageSize-start)
			got := make([]byte, len(m.buf))
			if err := img.copyTo(got, start*pageSize, end*pageSize, &meter{pauser: noPause{}}); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got[start*pageSize:end*pageSize], m.buf[start*pageSize:end*pageSize]) {
				t.Fatalf("round %d: pages %d to %d of an image differ from the memory", round, start, end)
			}
		}
		img.release()
	}
}

// mappingMemory is a memory of which images with stretches are made.
type mappingMemory struct {
	copiedMemory
	mapping bool
}

func (m *mappingMemory) maps() bool { return m.mapping }

func TestByteRange(t *testing.T) {
	for start := range 7 {
		for end := start; end < 7; end++ {
			for from := range 7 {
				for to := from; to < 7; to++ {
					r, o := byteRange{start, end}, byteRange{from, to}
					in := func(ranges ...byteRange) (mask int) {
						for _, r := range ranges {
							for i := r.start; i < r.end; i++ {
								mask |= 1 << i
							}
						}
						return mask
					}
					parts := r.without(o)
					if got, want := in(parts[:]...), in(r)&^in(o); got != want {
						t.Errorf("%v without %v is %v", r, o, parts)
					}
					if got, want := in(r.and(o)), in(r)&in(o); got != want {
						t.Errorf("%v and %v is %v", r, o, r.and(o))
					}
				}
			}
		}
	}
}
