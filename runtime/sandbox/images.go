package sandbox

import (
	"container/list"
	"sync"
)

// imageKey names a function version.
type imageKey struct {
	function string
	version  uint64
}

// images keeps the images used last, up to a bound on what they cost. Those
// dropped are made again when they are asked for.
type images struct {
	limit int64

	mu    sync.Mutex
	cost  int64
	order list.List // of *keptImage, used last first
	byKey map[imageKey]*list.Element
}

type keptImage struct {
	key   imageKey
	image *image
}

func newImages(limit int64) *images {
	return &images{limit: limit, byKey: make(map[imageKey]*list.Element)}
}

// get gives an image that the caller must release, or nil.
func (c *images) get(key imageKey) *image {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.byKey[key]
	if e == nil {
		return nil
	}
	c.order.MoveToFront(e)
	return e.Value.(*keptImage).image.retain()
}

// put keeps an image, instead of one with the same key if there is one.
func (c *images) put(key imageKey, img *image) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.remove(c.byKey[key])
	c.byKey[key] = c.order.PushFront(&keptImage{key, img.retain()})
	c.cost += img.cost()
	// The one just put stays even if it alone is over the limit.
	for c.cost > c.limit && c.order.Len() > 1 {
		c.remove(c.order.Back())
	}
}

// drop forgets an image.
func (c *images) drop(key imageKey) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.remove(c.byKey[key])
}

// clear forgets all images.
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
	k := c.order.Remove(e).(*keptImage)
	delete(c.byKey, k.key)
	c.cost -= k.image.cost()
	k.image.release()
}
