package sandbox

import (
	"context"
	"fmt"
	"math"
	"sync"
	"testing"
	"time"

	"github.com/faaspot/faaspot/runtime"
)

// testImage returns an image that costs about n pages.
func testImage(t *testing.T, n int) *image {
	t.Helper()
	data, err := newPages(n)
	if err != nil {
		t.Fatal(err)
	}
	img := &image{layout: layout{pages: make([]ownPage, n), lines: n * pageSize / lineSize}, content: content{data: data, size: len(data)}}
	img.holders.Store(1)
	return img
}

// total returns the memory that an image takes, in bytes.
func total(img *image) int64 {
	mapped, heap := img.cost()
	return mapped + heap
}

func TestImagesDropLeastRecentlyUsed(t *testing.T) {
	const size = 10
	one := testImage(t, size)
	cost := total(one)
	one.release()
	c := newImages(nil)
	keys := make([]imageKey, 4)
	last := c.put(imageKey{"last", 1}, testImage(t, size))
	if freed := c.reclaim(cost); last != nil || freed != 0 {
		t.Errorf("%d bytes of a small image were freed just after its use", freed)
	}
	c.drop(imageKey{"last", 1}).release()
	c.keep = 0
	all := map[imageKey]*image{}
	for i := range keys {
		keys[i] = imageKey{fmt.Sprint(i), 1}
		all[keys[i]] = testImage(t, size)
		if c.put(keys[i], all[keys[i]]) != nil {
			t.Fatal("a new image replaces another")
		}
		all[keys[i]].release()
	}
	held := c.get(keys[0])
	c.get(keys[1]).release()
	// Image 0 is in use, and 1 was used last: the oldest of the others go.
	if freed := c.reclaim(cost + 1); freed != 2*cost {
		t.Errorf("%d bytes were freed, want %d", freed, 2*cost)
	}
	if all[keys[2]].data != nil || all[keys[3]].data != nil || held.data == nil || c.get(keys[2]) != nil {
		t.Error("the wrong images were freed")
	}
	if freed := c.reclaim(10 * cost); freed != cost || all[keys[1]].data != nil {
		t.Errorf("%d bytes were freed, want %d: only one image is not in use", freed, cost)
	}
	// An image in use stays valid after it is dropped from the cache.
	c.drop(keys[0]).release()
	if c.drop(keys[0]) != nil || held.data == nil {
		t.Error("an image in use was freed, or is still cached")
	}
	if held.release(); held.data != nil {
		t.Error("an image without holders was not freed")
	}
	// An image that is put again replaces the previous one.
	old, fresh := testImage(t, size), testImage(t, size)
	c.put(keys[0], old)
	if got := c.put(keys[0], fresh); got != old {
		t.Error("the previous image was not returned")
	}
	if got := c.get(keys[0]); got != fresh {
		t.Error("the new image is not cached")
	}
	c.clear()
	if len(c.byKey) != 0 || c.order.Len() != 0 {
		t.Error("the cleared cache is not empty")
	}
}

// TestUnkeptImages verifies when an image is built again after there was no memory for it.
func TestUnkeptImages(t *testing.T) {
	c := newImages(nil)
	key := imageKey{"f", 1}
	now := time.Now()
	room := func(n int64) func() int64 { return func() int64 { return n } }
	if !c.worthBuilding(key, now, room(0)) {
		t.Error("an image of unknown size is not built")
	}
	c.noteUnkept(key, 100, now)
	if c.worthBuilding(key, now, room(100)) || c.worthBuilding(key, now.Add(2*keepPause), room(99)) {
		t.Error("an image is built at once, or without room for it")
	}
	if !c.worthBuilding(key, now.Add(2*keepPause), room(100)) {
		t.Error("an image is not built although there is room for it")
	}
	c.drop(key)
	if len(c.unkept) != 0 {
		t.Error("a forgotten function is still known")
	}
	for i := range maxUnkept + 1 {
		c.noteUnkept(imageKey{"f", uint64(i)}, 1, now)
	}
	if len(c.unkept) > maxUnkept {
		t.Errorf("%d functions are known", len(c.unkept))
	}
}

// TestImageCostCountsFiles verifies that files of the module body in /tmp count, because they take
// memory as long as the image does.
func TestImageCostCountsFiles(t *testing.T) {
	box := boxes["mapped"]
	const size = 8 * runtime.MiB
	p := deployed(t, box, fmt.Sprintf("open('/tmp/f', 'wb').write(bytes(%d))\n", size)+fine, runtime.Limits{})
	defer box.Forget(p.FunctionID, p.Version)
	img := box.images.get(keyOf(p))
	defer img.release()
	if total(img) < size {
		t.Errorf("an image with a file of %d bytes costs %d", size, total(img))
	}
}

func TestImagesAreRebuilt(t *testing.T) {
	for name, portable := range map[string]bool{"mapped": false, "copied": true} {
		t.Run(name, func(t *testing.T) {
			box := openBox(t, Options{IdleSlots: 2, Portable: portable})
			box.images.keep, box.pool.spare = 0, 0
			var functions []runtime.Program
			for i := range 3 {
				functions = append(functions, deployed(t, box, fmt.Sprintf("def main(args, context): return %d\n", i), runtime.Limits{}))
			}
			for range 4 {
				for i, p := range functions {
					if got := result(t, box, p, "{}"); got != fmt.Sprint(i) {
						t.Fatalf("function %d returned %s", i, got)
					}
					box.reclaimSlots(math.MaxInt64)
					box.reclaimImages(math.MaxInt64)
					if n := box.images.order.Len(); n > 0 {
						t.Fatalf("%d images are cached", n)
					}
				}
			}
		})
	}
}

// TestImageIsBuiltOnce requests one image from many goroutines at once; it must be built once.
func TestImageIsBuiltOnce(t *testing.T) {
	box := openBox(t, Options{})
	const callers = 12
	p := program("import uuid\nmade = str(uuid.uuid4())\ndef main(args, context): return made\n", runtime.Limits{})
	results := make([]string, callers)
	start := make(chan struct{})
	var wg sync.WaitGroup
	for i := range callers {
		wg.Go(func() {
			<-start
			outcome, err := box.Run(context.Background(), runtime.RunCall{Program: p, Args: []byte("{}"), Context: []byte("{}")})
			if err != nil || outcome.Failure != nil {
				t.Errorf("%+v, %v", outcome.Failure, err)
			}
			results[i] = string(outcome.Result)
		})
	}
	close(start)
	wg.Wait()
	for _, r := range results {
		if r != results[0] {
			t.Errorf("built more than once: %v", results)
			break
		}
	}
	box.Forget(p.FunctionID, p.Version)
	if got := result(t, box, p, "{}"); got == results[0] {
		t.Error("a forgotten image is still cached")
	}
}

// TestForgetWhileRunning forgets an image during a run: the run continues, and the image is freed
// after it.
func TestForgetWhileRunning(t *testing.T) {
	eachBox(t, func(t *testing.T, box *Sandbox) {
		p := deployed(t, box, "import time\ndef main(args, context):\n    time.sleep(0.05)\n    return 1\n", runtime.Limits{})
		img := box.images.get(keyOf(p))
		done := make(chan runtime.Outcome)
		go func() {
			outcome, _ := box.Run(context.Background(), runtime.RunCall{Program: p, Args: []byte("{}"), Context: []byte("{}")})
			done <- outcome
		}()
		for img.holders.Load() < 3 { // the cache, this test, and the run
			select {
			case <-done:
				t.Skip("the run was over before it could be seen")
			default:
			}
		}
		box.Forget(p.FunctionID, p.Version)
		outcome := <-done
		checkClass(t, outcome, "")
		if string(outcome.Result) != "1" {
			t.Errorf("got %s", outcome.Result)
		}
		settle(box)
		if img.release(); img.data != nil {
			t.Errorf("the image still has %d holders", img.holders.Load())
		}
	})
}
