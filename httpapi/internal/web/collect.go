package web

import (
	"math"

	"github.com/valyala/fasthttp"

	"github.com/faaspot/faaspot/runtime"
)

const (
	// maxPageBytes is the size of the items on a page, in bytes, after which the page ends early: a
	// page of a thousand items, each as large as it may be, would take gigabytes.
	maxPageBytes = 8 * runtime.MiB
	// firstStep is the number of items that are read at first. Later steps are larger if the items
	// are small.
	firstStep = 8
	// stepBytes is the size of the items of one step, in bytes, if they are as large as the ones
	// before.
	stepBytes = 2 * runtime.MiB
	// maxStepBytes bounds the items of one step, in bytes.
	maxStepBytes = 4 * runtime.MiB

	// ListedBytes bounds an execution without its result in memory, in bytes: the sandbox accepts a
	// failure of at most 256 KiB, and what it has connected to takes at most 12 KiB.
	ListedBytes = 270 * runtime.KiB
)

// StepBytes returns how many bytes of items one step of a request may read.
func (m *Memory) StepBytes() int { return min(maxStepBytes, m.LargestAnswer(math.MaxInt)/4) }

// Collect reads a page in steps, and renders its items. worst is the size of the largest item in
// bytes, 0 if fetch itself reads no more than a step may. read is the size of an item in bytes, and
// kept the part of it that the answer has. The page ends early, with a Next, when the answer would
// be too large. The error is CodeTooBusy if there is no memory for a step, before it is read, or
// for the answer.
func Collect[E, T any](h *Host, ctx *fasthttp.RequestCtx, r runtime.PageRequest, worst int,
	fetch func(runtime.PageRequest) (runtime.Page[E], error), size func(*E) (read, kept int), render func(*E) T,
) (page runtime.Page[T], err error) {
	m := MemoryOf(ctx)
	limit, bytes, largest := r.Limit, 0, 0
	for r.Limit = min(firstStep, limit); ; {
		step := m.StepBytes()
		if worst > 0 {
			r.Limit = max(1, min(r.Limit, step/worst))
			step = r.Limit * worst
		}
		if err := h.Reserve(ctx, 2*bytes+step); err != nil {
			return page, err
		}
		some, err := fetch(r)
		if err != nil {
			return page, err
		}
		for i := range some.Items {
			read, kept := size(&some.Items[i])
			largest = max(largest, read)
			bytes += kept
			page.Items = append(page.Items, render(&some.Items[i]))
		}
		page.Next, page.Total = some.Next, some.Total
		// The items are in memory, and once more as JSON.
		if err := m.Reserve(h.Context(), 2*int64(bytes)); err != nil {
			return page, err
		}
		left := limit - len(page.Items)
		if page.Next == "" || left <= 0 || bytes >= maxPageBytes || len(some.Items) < r.Limit {
			return page, nil
		}
		r.After, r.Offset = page.Next, 0
		r.Limit = min(left, max(firstStep, stepBytes/(largest+1)))
	}
}
