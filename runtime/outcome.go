package runtime

import (
	"fmt"
	"time"

	"github.com/faaspot/faaspot/runtime/strictjson"
)

// Finish carries an execution to its terminal state. It is the one place that
// does. The sandbox is not trusted with the promise that a result is JSON
// within bounds.
func (x *Execution) Finish(o Outcome, now time.Time) {
	if o.Failure == nil {
		o.Failure = checkResult(o.Result)
	}
	x.Outcome = o
	x.Finished = now
	if o.Failure == nil {
		x.State = StateSucceeded
		return
	}
	x.Result = nil
	if o.Failure.Class == "" {
		failure := *o.Failure
		failure.Class = ClassInternal
		x.Failure = &failure
	}
	x.State = x.Failure.Class.State()
}

// checkResult tells what is wrong with a result, if anything.
func checkResult(result []byte) *Failure {
	if len(result) > MaxResult {
		return &Failure{
			Class:   ClassResultTooLarge,
			Message: fmt.Sprintf("the result has %d bytes as JSON, %d are allowed", len(result), MaxResult),
		}
	}
	if err := strictjson.Check(result, strictjson.Options{}); err != nil {
		return &Failure{Class: ClassResultInvalid, Message: "the result is not JSON: " + err.Error()}
	}
	return nil
}
