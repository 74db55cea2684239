package sandbox

import (
	"container/list"
	"sync"
	"time"
)

// imageKey identifies a function version.
type imageKey struct {
	function string
	version  uint64
}

// images is a cache of images. When memory is needed, the least recently used images that nobody
// uses are dropped; they are built again on the next use. So an image that is in use is always
// found, unless it was forgotten.
type images struct {
	mu     sync.Mutex
	order  list.List // of *cachedImage, most recently used first
	byKey  map[imageKey]*list.Element
	unkept map[imageKey]unkeptImage
	keep   time.Duration // see recently
}

type cachedImage struct {
	key   imageKey
	image *image
	used  time.Time // last
}

// An image that costs less than smallImage, in bytes, is not dropped within recently after a use: the
// next run would only build it again.
const (
	smallImage = 4 << 20
	recently   = 2 * time.Second
)

// unkeptImage describes an image that was not kept, because there was no memory for it.
type unkeptImage struct {
	cost  int64
	retry time.Time // when it may be tried again
}

const (
	// keepPause is the time between two attempts to keep an image.
	keepPause = time.Second
	// maxUnkept bounds the number of images that are known not to be kept.
	maxUnkept = 10_000
)

func newImages() *images {
	return &images{byKey: make(map[imageKey]*list.Element), unkept: make(map[imageKey]unkeptImage), keep: recently}
}

// get returns the image, which the caller must release, or nil.
func (c *images) get(key imageKey) *image {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.byKey[key]
	if e == nil {
		return nil
	}
	c.order.MoveToFront(e)
	cached := e.Value.(*cachedImage)
	cached.used = time.Now()
	return cached.image.retain()
}

// put stores an image, and returns the previous one with the same key, or nil, which the caller
// must forget.
func (c *images) put(key imageKey, img *image) (previous *image) {
	c.mu.Lock()
	defer c.mu.Unlock()
	previous = c.remove(c.byKey[key])
	delete(c.unkept, key)
	c.byKey[key] = c.order.PushFront(&cachedImage{key, img.retain(), time.Now()})
	return previous
}

// drop removes an image and returns it, or nil. The caller must release it.
func (c *images) drop(key imageKey) *image {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.unkept, key)
	return c.remove(c.byKey[key])
}

// reclaim removes the least recently used images that nobody uses, until they cost n bytes, and
// returns their cost.
func (c *images) reclaim(n int64) (freed int64) {
	for _, img := range c.unused(n) {
		freed += img.cost()
		img.release()
	}
	return freed
}

func (c *images) unused(n int64) (removed []*image) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	for e := c.order.Back(); e != nil && n > 0; {
		previous := e.Prev()
		cached := e.Value.(*cachedImage)
		needed := cached.image.cost() < smallImage && now.Sub(cached.used) < c.keep
		// Others become holders only through the cache.
		if img := cached.image; img.holders.Load() == 1 && !needed {
			n -= img.cost()
			removed = append(removed, c.remove(e))
		}
		e = previous
	}
	return removed
}

// clear removes all images.
func (c *images) clear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.order.Len() > 0 {
		c.remove(c.order.Back()).release()
	}
}

func (c *images) remove(e *list.Element) *image {
	if e == nil {
		return nil
	}
	k := c.order.Remove(e).(*cachedImage)
	delete(c.byKey, k.key)
	return k.image
}

// noteUnkept records that there was no memory for an image that costs this many bytes.
func (c *images) noteUnkept(key imageKey, cost int64, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.unkept) >= maxUnkept {
		clear(c.unkept)
	}
	c.unkept[key] = unkeptImage{cost, now.Add(keepPause)}
}

// worthBuilding reports whether an image may be kept if it is built now: unless it is known to be
// too large for the memory that room returns.
func (c *images) worthBuilding(key imageKey, now time.Time, room func() int64) bool {
	c.mu.Lock()
	u, known := c.unkept[key]
	c.mu.Unlock()
	return !known || now.After(u.retry) && room() >= u.cost
}
