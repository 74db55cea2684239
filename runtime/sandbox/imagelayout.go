package sandbox

import (
	"bytes"
	"math/bits"
	"unsafe"
)

// byteRange is a part of a memory, as offsets.
type byteRange struct{ start, end int }

func (r byteRange) len() int { return r.end - r.start }

func (r byteRange) contains(at int) bool { return r.start <= at && at < r.end }

// and returns the part of r that is in o.
func (r byteRange) and(o byteRange) byteRange {
	start, end := max(r.start, o.start), min(r.end, o.end)
	return byteRange{start, max(start, end)}
}

// without returns the parts of r that are not in o: before and after it. Either may be empty.
func (r byteRange) without(o byteRange) [2]byteRange {
	if r.and(o).len() == 0 {
		return [2]byteRange{r}
	}
	return [2]byteRange{{r.start, max(r.start, o.start)}, {min(r.end, o.end), r.end}}
}

// layout says how the pages of an image that differ from the base image are loaded. Of a small
// image, loading copies the lines that differ: usually a few in each page. Most pages of a large
// one are mapped. An image has one stretch at most: the number of mappings that a process may have
// is limited.
type layout struct {
	pages   []ownPage // the pages of which loads copy lines, ascending
	lines   int       // number of these lines
	stretch byteRange // the part that loads map, copy-on-write; empty: none
}

// ownPage is a page of an image that differs from the base image.
type ownPage struct {
	number uint32
	first  uint32 // index of its first line among those of the image
	lines  uint64 // bit i: its line number i differs
}

func (p *ownPage) at() int { return int(p.number) * pageSize }

const (
	// lineSize is the unit in bytes in which pages are stored: a page has as many lines as a word
	// has bits.
	lineSize = pageSize / 64
	// minStretch is the smallest number of pages by which the own pages must become fewer for a
	// stretch to be mapped. To load another image costs as much with a stretch as with some hundred
	// pages of which all lines are copied.
	minStretch = 128
	// maxCopied is the number of own pages outside of the stretch, of which each slot has a copy, from
	// which on a stretch may skip maxSkipped pages for each that it has.
	maxCopied  = 192
	maxSkipped = 8
)

// layoutOf returns the layout of the image of a memory, of which the given pages differ from the
// base image, in ascending order. Without maps it has no stretch.
func layoutOf(base *baseImage, mem []byte, pages []uint32, maps bool, p pauser) (layout, error) {
	steps := meter{pauser: p}
	var l layout
	from, to := 0, 0
	if maps {
		from, to = findStretch(pages, uint32(base.start/pageSize))
	}
	if from < to {
		l.stretch = byteRange{int(pages[from]) * pageSize, (int(pages[to-1]) + 1) * pageSize}
	}
	l.pages = make([]ownPage, 0, len(pages)-(to-from))
	for _, part := range [][]uint32{pages[:from], pages[to:]} {
		for _, number := range part {
			own := ownPage{number: number, first: uint32(l.lines)}
			own.lines = differingLines(mem[own.at():own.at()+pageSize], base.page(own.at()))
			l.pages = append(l.pages, own)
			l.lines += bits.OnesCount64(own.lines)
			if err := steps.spend(pageSize); err != nil {
				return layout{}, err
			}
		}
	}
	return l, nil
}

// findStretch returns the part pages[from:to] that is to be mapped as one stretch, or an empty one.
// Pages before first, the C stack, are never part of it.
//
// A page outside of the stretch takes memory in each slot, and a page that the stretch skips takes it
// once. At first both count the same; if slots would then hold many pages each, more of the others may
// be skipped.
func findStretch(pages []uint32, first uint32) (from, to int) {
	from, to = densest(pages, first, 1)
	if len(pages)-(to-from) > maxCopied {
		if i, j := densest(pages, first, maxSkipped); j-i >= to-from+minStretch {
			return i, j
		}
	}
	return from, to
}

// densest returns the part with the largest difference between the number of its pages, times a
// weight, and the number of those that are skipped, or an empty part if that is below minStretch.
func densest(pages []uint32, first uint32, weight int) (from, to int) {
	gain, best, begin := 0, 0, 0
	for i, page := range pages {
		if page < first {
			begin = i + 1
			continue
		}
		if i > begin {
			gain -= int(page - pages[i-1] - 1)
		}
		if gain <= 0 {
			gain, begin = 0, i
		}
		if gain += weight; gain > best {
			best, from, to = gain, begin, i+1
		}
	}
	if best < minStretch {
		return 0, 0
	}
	return from, to
}

// differingLines returns a bit for each line in which two pages differ.
func differingLines(a, b []byte) (lines uint64) {
	const block = 8 // lines: most blocks of a page do not differ
	for i := 0; i < pageSize/lineSize; i += block {
		if at, end := i*lineSize, (i+block)*lineSize; bytes.Equal(a[at:end], b[at:end]) {
			continue
		}
		for j := i; j < i+block; j++ {
			if at := j * lineSize; !bytes.Equal(a[at:at+lineSize], b[at:at+lineSize]) {
				lines |= 1 << j
			}
		}
	}
	return lines
}

// eachRun calls f with the start of each group of lines that follow each other, and with their
// bytes.
func (p *ownPage) eachRun(f func(at, n int)) {
	for left := p.lines; left != 0; {
		first := bits.TrailingZeros64(left)
		n := bits.TrailingZeros64(^(left >> first))
		f(first*lineSize, n*lineSize)
		left &^= (1<<n - 1) << first
	}
}

// bytes returns the size of the content of an image with this layout: the lines, and from the next
// page on the stretch.
func (l *layout) bytes() int { return l.stretchAt() + l.stretch.len() }

// stretchAt returns the offset of the stretch in the content.
func (l *layout) stretchAt() int { return (l.lines*lineSize + pageSize - 1) / pageSize * pageSize }

// heap returns the memory in bytes that the layout takes on Go's heap.
func (l *layout) heap() int64 { return int64(len(l.pages)) * int64(unsafe.Sizeof(ownPage{})) }
