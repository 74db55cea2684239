package callback

// Figures counts callbacks since the Deliverer was made.
type Figures struct {
	Waiting   int    // callbacks that are not delivered, those in progress included
	Delivered uint64 // posts that the receiver has accepted
	Failed    uint64 // posts that it has not
	Dead      uint64 // callbacks that became dead letters
}

// Figures returns the present figures.
func (d *Deliverer) Figures() Figures {
	d.mu.Lock()
	waiting := len(d.plan.known)
	d.mu.Unlock()
	return Figures{Waiting: waiting, Delivered: d.delivered.Load(), Failed: d.failed.Load(), Dead: d.dead.Load()}
}
