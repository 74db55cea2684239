package sandbox

import (
	"container/list"
	"context"
	"sync"
	"time"

	"github.com/faaspot/faaspot/runtime"
)

// imageKey identifies a function version.
type imageKey struct {
	function string
	version  uint64
}

// images is a cache of images. When memory is needed, the least recently used images that nobody
// uses are moved to disk. Where they cannot be, or when the share of the disk is needed for others,
// they are dropped; they are built again on the next use. So an image that is in use is always
// found, unless it was forgotten.
type images struct {
	files *imageFiles
	mu    sync.Mutex
	order list.List // of *cachedImage, most recently used first
	byKey map[imageKey]*list.Element
	// byTenant has the images in memory of each tenant, most recently used first: lists of *cachedImage.
	byTenant map[runtime.Tenant]*list.List
	unkept   map[imageKey]unkeptImage
	keep     time.Duration // see recently
	moving   time.Duration // see moveTime
}

type cachedImage struct {
	key   imageKey
	image *image
	used  time.Time // last

	siblings *list.List    // of byTenant; nil: it is on disk
	sibling  *list.Element // its place there
}

const (
	// An image that costs less than smallImage, in bytes, is not dropped within recently after a
	// use: the next run would only build it again.
	smallImage = 4 << 20
	recently   = 2 * time.Second

	// moveTime is the longest time that images are moved to disk for when memory is needed. With a
	// disk that is too slow, the others are dropped.
	moveTime = time.Second
	// maxMovedFiles is the largest size in bytes of the files in /tmp of an image that is moved to
	// disk: they stay in memory.
	maxMovedFiles = 64 << 10
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

func newImages(files *imageFiles) *images {
	return &images{files: files, byKey: make(map[imageKey]*list.Element), byTenant: make(map[runtime.Tenant]*list.List), unkept: make(map[imageKey]unkeptImage), keep: recently, moving: moveTime}
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
	if cached.siblings != nil {
		cached.siblings.MoveToFront(cached.sibling)
	}
	return cached.image.retain()
}

// put stores an image, and returns the previous one with the same key, or nil, which the caller
// must forget.
func (c *images) put(key imageKey, img *image) (previous *image) {
	c.mu.Lock()
	defer c.mu.Unlock()
	previous = c.remove(c.byKey[key])
	delete(c.unkept, key)
	cached := &cachedImage{key: key, image: img.retain(), used: time.Now()}
	c.byKey[key] = c.order.PushFront(cached)
	if !img.onDisk() {
		c.join(cached)
	}
	return previous
}

// join adds an image in memory to those of its tenant. It is called with mu held.
func (c *images) join(cached *cachedImage) {
	tenant := cached.image.tenant
	if c.byTenant[tenant] == nil {
		c.byTenant[tenant] = list.New()
	}
	cached.siblings = c.byTenant[tenant]
	cached.sibling = cached.siblings.PushFront(cached)
}

// part ends join. It is called with mu held.
func (c *images) part(cached *cachedImage) {
	if cached.siblings == nil {
		return
	}
	if cached.siblings.Remove(cached.sibling); cached.siblings.Len() == 0 {
		delete(c.byTenant, cached.image.tenant)
	}
	cached.siblings, cached.sibling = nil, nil
}

// drop removes an image and returns it, or nil. The caller must release it.
func (c *images) drop(key imageKey) *image {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.unkept, key)
	return c.remove(c.byKey[key])
}

// reclaim moves the least recently used images that nobody uses to disk, or drops them, until n
// bytes of memory are free, and returns the number of bytes.
func (c *images) reclaim(n int64) (freed int64) {
	ctx, cancel := context.WithTimeout(context.Background(), c.moving)
	defer cancel()
	for _, cached := range c.unused(n) {
		freed += c.giveUp(ctx, cached)
	}
	return freed
}

// giveUp moves an image, which the caller holds, to disk, or drops it, unless it was used or removed
// meanwhile. It releases the image, and returns the bytes of memory that are free then.
func (c *images) giveUp(ctx context.Context, cached cachedImage) (freed int64) {
	defer cached.image.release()
	moved := c.move(ctx, cached.image)
	if !c.replace(cached, moved) {
		if moved != nil {
			moved.release()
		}
		return 0
	}
	mapped, heap := cached.image.cost()
	if moved == nil {
		mapped += heap
	}
	return mapped
}

// ofTenant returns the least recently used images in memory of a tenant that no run uses, until they keep
// n bytes. The caller must release them. idle returns the numbers of the other holders of images that
// are no runs.
func (c *images) ofTenant(tenant runtime.Tenant, n int64, idle func() map[*image]int32) (found []cachedImage) {
	c.mu.Lock()
	defer c.mu.Unlock()
	siblings := c.byTenant[tenant]
	if siblings == nil {
		return nil
	}
	others := idle()
	for e := siblings.Back(); e != nil && n > 0; e = e.Prev() {
		cached := e.Value.(*cachedImage)
		if img := cached.image; unusedBut(img, others[img]) {
			n -= img.kept()
			found = append(found, cachedImage{key: cached.key, image: img.retain(), used: cached.used})
		}
	}
	return found
}

// eachTenant calls visit for each tenant with images in memory.
func (c *images) eachTenant(visit func(runtime.Tenant)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for tenant := range c.byTenant {
		visit(tenant)
	}
}

// unused returns the least recently used images in memory that nobody uses, until they cost n
// bytes. The caller must release them.
func (c *images) unused(n int64) (found []cachedImage) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	for e := c.order.Back(); e != nil && n > 0; e = e.Prev() {
		cached := e.Value.(*cachedImage)
		mapped, heap := cached.image.cost()
		needed := mapped+heap < smallImage && now.Sub(cached.used) < c.keep
		if img := cached.image; !img.onDisk() && unusedBut(img, 0) && !needed {
			n -= mapped + heap
			found = append(found, cachedImage{key: cached.key, image: img.retain(), used: cached.used})
		}
	}
	return found
}

// unusedBut reports whether an image has no holders but the cache and some others. It is called
// with mu held, so that it stays so: others become holders only through the cache.
func unusedBut(img *image, others int32) bool { return img.holders.Load() == 1+others }

// replace replaces an image, which the caller holds, by a copy of it on disk, or removes it if
// moved is nil. It does nothing and reports false if the image was used or removed meanwhile.
func (c *images) replace(cached cachedImage, moved *image) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.byKey[cached.key]
	if e == nil || e.Value.(*cachedImage).image != cached.image || !unusedBut(cached.image, 1) {
		return false
	}
	if moved == nil {
		c.remove(e)
	} else {
		kept := e.Value.(*cachedImage)
		c.part(kept)
		kept.image = moved
	}
	cached.image.release() // for the cache
	return true
}

// move returns a copy of an image on disk, or nil if there cannot be one before ctx ends.
func (c *images) move(ctx context.Context, img *image) *image {
	if c.files == nil || img.files != nil && img.files.Size() > maxMovedFiles || !c.files.beginWrite(ctx) {
		return nil
	}
	defer c.files.endWrite()
	if !c.makeRoom(img.bytes()) {
		return nil
	}
	onDisk, err := c.files.onDisk(img.bytes())
	if err != nil {
		return nil
	}
	moved, err := img.copyInto(ctx, onDisk)
	if ctx.Err() == nil {
		c.files.wrote(err)
	}
	return moved
}

// makeRoom drops the least recently used images on disk that nobody uses until another one of size
// bytes fits, and reports whether it does. Its caller has begun to write.
func (c *images) makeRoom(size int) bool {
	if int64(size) > c.files.diskRoom(time.Now()) {
		return false
	}
	bytes, files := c.files.lacks(size)
	for _, img := range c.removeOnDisk(bytes, files) {
		img.release()
	}
	bytes, files = c.files.lacks(size)
	return bytes <= 0 && files <= 0
}

// removeOnDisk removes and returns the least recently used images on disk that nobody uses, until
// they have as many bytes and as many files.
func (c *images) removeOnDisk(bytes int64, files int) (removed []*image) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for e := c.order.Back(); e != nil && (bytes > 0 || files > 0); {
		previous := e.Prev()
		if img := e.Value.(*cachedImage).image; img.onDisk() && unusedBut(img, 0) {
			bytes -= int64(img.bytes())
			files--
			removed = append(removed, c.remove(e))
		}
		e = previous
	}
	return removed
}

// ofBundles returns the images that no run uses, by their bundles. idle returns the numbers of the
// other holders of images that are no runs.
func (c *images) ofBundles(idle func() map[*image]int32) map[*bundleFiles][]cachedImage {
	c.mu.Lock()
	defer c.mu.Unlock()
	others := idle()
	found := make(map[*bundleFiles][]cachedImage)
	for e := c.order.Back(); e != nil; e = e.Prev() {
		cached := e.Value.(*cachedImage)
		if img := cached.image; img.bundle != nil && unusedBut(img, others[img]) {
			found[img.bundle] = append(found[img.bundle], *cached)
		}
	}
	return found
}

// removeUnused removes images that ofBundles has returned and that no run uses yet, and returns them.
// The caller must forget them.
func (c *images) removeUnused(chosen []cachedImage, idle func() map[*image]int32) (removed []*image) {
	c.mu.Lock()
	defer c.mu.Unlock()
	others := idle()
	for _, cached := range chosen {
		if e := c.byKey[cached.key]; e != nil && e.Value.(*cachedImage).image == cached.image && unusedBut(cached.image, others[cached.image]) {
			removed = append(removed, c.remove(e))
		}
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
	cached := c.order.Remove(e).(*cachedImage)
	delete(c.byKey, cached.key)
	c.part(cached)
	return cached.image
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
