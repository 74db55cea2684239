package sandbox

import (
	"container/list"
	"sync"
)

// imageKey identifies a function version.
type imageKey struct {
	function string
	version  uint64
}

// images is a cache of the most recently used images, bounded by their cost. An image that was
// dropped is rebuilt on the next use.
type images struct {
	limit int64

	mu    sync.Mutex
	cost  int64
	order list.List // of *cachedImage, most recently used first
	byKey map[imageKey]*list.Element
}

type cachedImage struct {
	key   imageKey
	image *image
}

func newImages(limit int64) *images {
	return &images{limit: limit, byKey: make(map[imageKey]*list.Element)}
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
	return e.Value.(*cachedImage).image.retain()
}

// put stores an image and replaces the one with the same key, if any.
func (c *images) put(key imageKey, img *image) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.remove(c.byKey[key])
	c.byKey[key] = c.order.PushFront(&cachedImage{key, img.retain()})
	c.cost += img.cost()
	// The new image stays even if it alone is over the limit.
	for c.cost > c.limit && c.order.Len() > 1 {
		c.remove(c.order.Back())
	}
}

// drop removes an image.
func (c *images) drop(key imageKey) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.remove(c.byKey[key])
}

// clear removes all images.
func (c *images) clear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.order.Len() > 0 {
		c.remove(c.order.Back())
	}
}

func (c *images) remove(e *list.Element) {
	if e == nil {
		return
	}
	k := c.order.Remove(e).(*cachedImage)
	delete(c.byKey, k.key)
	c.cost -= k.image.cost()
	k.image.release()
}
