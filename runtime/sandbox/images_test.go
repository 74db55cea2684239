package sandbox

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/faaspot/faaspot/runtime"
)

// testImage returns an image that costs about n pages.
func testImage(t *testing.T, n int) *image {
	t.Helper()
	data, err := newPages(n)
	if err != nil {
		t.Fatal(err)
	}
	img := &image{pages: make([]uint32, n), data: data}
	img.holders.Store(1)
	return img
}

func TestImagesDropLeastRecentlyUsed(t *testing.T) {
	const size = 10
	one := testImage(t, size)
	c := newImages(3 * one.cost())
	one.release()
	keys := make([]imageKey, 5)
	for i := range keys {
		keys[i] = imageKey{fmt.Sprint(i), 1}
	}
	all := map[imageKey]*image{}
	put := func(key imageKey) {
		all[key] = testImage(t, size)
		c.put(key, all[key])
		all[key].release()
	}
	cached := func() (which string) {
		for e := c.order.Front(); e != nil; e = e.Next() {
			which += e.Value.(*cachedImage).key.function
		}
		return which
	}
	put(keys[0])
	put(keys[1])
	put(keys[2])
	if img := c.get(keys[0]); img != all[keys[0]] {
		t.Fatal("an image is not found")
	} else {
		img.release()
	}
	put(keys[3])
	if got := cached(); got != "302" {
		t.Errorf("cached %s", got)
	}
	if all[keys[1]].data != nil || all[keys[0]].data == nil {
		t.Error("the wrong image was freed")
	}
	// An image in use stays valid after it is dropped from the cache.
	held := c.get(keys[2])
	put(keys[4])
	put(keys[1])
	put(keys[0])
	if c.get(keys[2]) != nil || held.data == nil {
		t.Error("an image in use is still cached or was freed")
	}
	if held.release(); held.data != nil {
		t.Error("an image without holders was not freed")
	}
	// An image that is put again replaces the previous one.
	before := all[keys[1]]
	put(keys[1])
	if before.data != nil || c.order.Len() != 3 {
		t.Error("the previous image is still cached")
	}
	c.drop(keys[1])
	c.drop(keys[1])
	c.clear()
	if c.cost != 0 || len(c.byKey) != 0 || c.order.Len() != 0 {
		t.Errorf("the empty cache costs %d", c.cost)
	}
	for key, img := range all {
		if img.data != nil {
			t.Errorf("image %v was not freed", key)
		}
	}
}

// TestLargestImageStaysCached verifies that an image over the limit stays for the run that it was
// built for.
func TestLargestImageStaysCached(t *testing.T) {
	c := newImages(1)
	for i := range 3 {
		img := testImage(t, 5)
		c.put(imageKey{"f", uint64(i)}, img)
		img.release()
		if c.order.Len() != 1 {
			t.Fatalf("%d images are cached", c.order.Len())
		}
	}
	c.clear()
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
	if img.cost() < size {
		t.Errorf("an image with a file of %d bytes costs %d", size, img.cost())
	}
}

func TestImagesAreRebuilt(t *testing.T) {
	for name, portable := range map[string]bool{"mapped": false, "copied": true} {
		t.Run(name, func(t *testing.T) {
			box := openBox(t, Options{ImageBytes: 1, IdleSlots: 2, Portable: portable})
			var functions []runtime.Program
			for i := range 3 {
				functions = append(functions, deployed(t, box, fmt.Sprintf("def main(args, context): return %d\n", i), runtime.Limits{}))
			}
			for range 4 {
				for i, p := range functions {
					if got := result(t, box, p, "{}"); got != fmt.Sprint(i) {
						t.Fatalf("function %d returned %s", i, got)
					}
					if box.images.order.Len() > 1 {
						t.Fatalf("%d images are cached, none fits", box.images.order.Len())
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
		box.pool.unload(img)
		if img.release(); img.data != nil {
			t.Errorf("the image still has %d holders", img.holders.Load())
		}
	})
}
