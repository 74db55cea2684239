package runtime

// Suspicion is what the deaths of the server process say against an execution that was under way
// when it died. Its zero value says nothing. Package dispatch explains how it grows.
type Suspicion struct {
	// Losses is the number of attempts that were lost before they outlived a probation, at most
	// 255. These losses are recorded, not charged: other runs were under way too.
	Losses uint8
	// Stretch is the number of times that an attempt was lost after it had outlived its probation.
	// The next probation is longer each time.
	Stretch uint8
	// Charges grow with each attempt that was lost while the run was the only suspect. They fail it.
	Charges uint8
	// Probation is the state of the attempt that has the lease; none while the execution is queued.
	Probation Probation
}

// Probation is the state of an attempt of a run that is suspected of killing the process. Its
// values are part of the stored format.
type Probation uint8

// The states of an attempt.
const (
	ProbationNone     Probation = iota // the run is no suspect
	ProbationGroup                     // on probation with other suspects
	ProbationAlone                     // on probation while nothing else runs
	ProbationOutlived                  // the process has outlived the probation
	ProbationBeside                    // on probation as the only suspect, beside other runs
)

// SuspicionChange changes the Suspicion of an execution that is not done.
type SuspicionChange struct {
	Tenant    Tenant
	ID        string
	Attempt   int // of the execution; for another attempt nothing changes
	Suspicion Suspicion
}
