package mesh

// MaxStrangers is the number of connections that have not said yet what they want.
const MaxStrangers = maxStrangers

// Forwarded returns the number of requests that are under way.
func (f *Forwarder) Forwarded() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.all)
}

// Bound bounds the requests that are under way.
func (f *Forwarder) Bound(all int) { f.places = newPlaces(all) }
