package mesh

import "time"

// MaxStrangers is the number of connections that have not said yet what they want.
const MaxStrangers = maxStrangers

// SetTimes changes the times of a front that does not serve yet.
func (f *Front) SetTimes(client, half time.Duration) { f.times.client, f.times.half = client, half }

// Joined returns the number of connections that lead to another node.
func (f *Front) Joined() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.joined)
}
