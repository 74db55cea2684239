package sandbox

import (
	"sync"
	"testing"
	"time"
)

// BenchmarkProcessors measures what a run that computes nothing takes to get a permit and give it back:
// alone, and while many others wait for the only one.
func BenchmarkProcessors(b *testing.B) {
	b.Run("alone", func(b *testing.B) {
		p := newProcessors(1, time.Now)
		b.ReportAllocs()
		for b.Loop() {
			var c claim
			p.acquire(&c)
			p.checkpoint(&c)
			p.release(&c)
		}
	})
	b.Run("contended", func(b *testing.B) {
		p := newProcessors(1, time.Now)
		b.ReportAllocs()
		var all sync.WaitGroup
		for range 16 {
			all.Go(func() {
				for range b.N / 16 {
					var c claim
					p.acquire(&c)
					p.checkpoint(&c)
					p.release(&c)
				}
			})
		}
		all.Wait()
	})
}
