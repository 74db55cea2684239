package sandbox

import (
	"container/heap"
	"context"
	"time"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/memory"
)

// take takes n bytes, and waits for them at most for patience.
func (b *bundles) take(ctx context.Context, a *memory.Account, n int64) error {
	patient, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	err := a.Take(patient, n)
	if err != nil && ctx.Err() != nil {
		return endOfRun{}
	}
	return err
}

// makeRoom drops bundles on disk that no run uses until another file of size bytes fits, and reports
// whether it does.
func (b *bundles) makeRoom(size int64) bool {
	if size > b.files.diskRoom(time.Now()) {
		return false
	}
	for {
		bytes, files := b.files.lacks(int(size))
		b.drop(func(f *bundleFiles) bool {
			n, count := f.room(true)
			bytes -= n
			files -= count
			return bytes > 0 || files > 0
		}, bytes > 0 || files > 0)
		bytes, files = b.files.lacks(int(size))
		if bytes <= 0 && files <= 0 {
			return true
		}
		if !b.giveWay(true, bytes, files) {
			return false
		}
	}
}

// reclaim drops bundles that no run uses until n bytes of memory are free, and returns the number of
// bytes.
func (b *bundles) reclaim(n int64) (freed int64) {
	for {
		b.drop(func(f *bundleFiles) bool {
			inMemory, _ := f.room(false)
			freed += f.trees + inMemory
			return freed < n
		}, freed < n)
		if freed >= n || !b.giveWay(false, n-freed, 0) {
			return freed
		}
	}
}

// giveWay drops images that no run uses, so that nothing holds their bundles any more: those of bundles
// that together have as many bytes and files, on disk or in memory. It reports whether it dropped any.
func (b *bundles) giveWay(disk bool, bytes int64, files int) bool {
	images := b.images()
	var chosen []cachedImage
	for _, f := range b.choose(disk, bytes, files, images) {
		chosen = append(chosen, images[f]...)
	}
	return b.dropImages(chosen)
}

// choose returns the bundles that give way, of those that only the given images hold: again and again
// the least recently used one of the tenant whose bundles have most bytes. It takes each bundle once.
func (b *bundles) choose(disk bool, bytes int64, files int, images map[*bundleFiles][]cachedImage) (chosen []*bundleFiles) {
	b.mu.Lock()
	defer b.mu.Unlock()
	tenants := make(map[runtime.Tenant]*heldRoom)
	for e := b.order.Back(); e != nil; e = e.Prev() {
		f := e.Value.(*bundleFiles)
		n, count := f.room(disk)
		if count == 0 {
			continue
		}
		t := tenants[f.key.tenant]
		if t == nil {
			t = &heldRoom{}
			tenants[f.key.tenant] = t
		}
		t.bytes += n
		if len(images[f]) > 0 && f.holders == len(images[f]) {
			t.free = append(t.free, f)
		}
	}
	var order roomHeap
	for _, t := range tenants {
		if len(t.free) > 0 {
			order = append(order, t)
		}
	}
	heap.Init(&order)
	for len(order) > 0 && (bytes > 0 || files > 0) {
		most := order[0]
		f := most.free[0]
		chosen = append(chosen, f)
		n, count := f.room(disk)
		bytes, files = bytes-n, files-count
		most.bytes -= n
		if most.free = most.free[1:]; len(most.free) > 0 {
			heap.Fix(&order, 0)
		} else {
			heap.Pop(&order)
		}
	}
	return chosen
}

// heldRoom is the room that the bundles of a tenant take.
type heldRoom struct {
	bytes int64
	free  []*bundleFiles // that can give way, least recently used first
}

// roomHeap is a heap of tenants, of which the first one takes most.
type roomHeap []*heldRoom

func (h roomHeap) Len() int           { return len(h) }
func (h roomHeap) Less(i, j int) bool { return h[i].bytes > h[j].bytes }
func (h roomHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *roomHeap) Push(x any)        { *h = append(*h, x.(*heldRoom)) }
func (h *roomHeap) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}

// drop removes the least recently used bundles that nobody uses, as long as more is true: at first,
// and then what next returns of each that will be dropped.
func (b *bundles) drop(next func(*bundleFiles) (more bool), more bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for e := b.order.Back(); e != nil && more; {
		f, previous := e.Value.(*bundleFiles), e.Prev()
		if f.holders == 0 {
			more = next(f)
			b.remove(f)
		}
		e = previous
	}
}
