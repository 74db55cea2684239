package engine

// MaxAhead is how many runs hold a lease and have not begun, at most.
const MaxAhead = maxAhead
