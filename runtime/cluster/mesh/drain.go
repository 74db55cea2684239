package mesh

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/faaspot/faaspot/runtime/cluster"
)

// order asks a node to give up the data, or takes that back.
type order struct {
	Undo  bool          `json:"undo,omitempty"`
	To    string        `json:"to,omitempty"`
	Grace time.Duration `json:"grace,omitempty"`
}

// answer says what has become of an order.
type answer struct {
	Done    bool             `json:"done"`
	Refused *cluster.Refusal `json:"refused,omitempty"` // nil: the other side has failed
}

// drain does what another process asks for.
func (l *Listener) drain(t *tunnel, line string) {
	var o order
	if json.Unmarshal([]byte(line), &o) != nil {
		return
	}
	a := answer{Done: true}
	if o.Undo {
		l.Undrain()
	} else if err := l.Drain(o.To, o.Grace); err != nil {
		a.Done = false
		a.Refused, _ = errors.AsType[*cluster.Refusal](err)
	}
	if text, err := json.Marshal(a); err == nil {
		_, _ = t.Write(text) // the other side asks for the status
	}
}

// Drain asks the node at an address to give up the data to another node, empty: any, and to let its runs end for a while.
// It returns before that is done. The error may be a [cluster.Refusal].
func (d Dialer) Drain(ctx context.Context, address, to string, grace time.Duration) error {
	return d.order(ctx, address, order{To: to, Grace: grace})
}

// Undrain asks the node at an address to become the owner of the data again if there is none.
func (d Dialer) Undrain(ctx context.Context, address string) error {
	return d.order(ctx, address, order{Undo: true})
}

func (d Dialer) order(ctx context.Context, address string, o order) error {
	text, err := json.Marshal(o)
	if err != nil {
		return err
	}
	var a answer
	err = d.question(ctx, address, drainLine+string(text)+"\n", &a)
	switch {
	case err != nil:
		return fmt.Errorf("ask a node to be drained: %w", err)
	case a.Refused != nil:
		return a.Refused
	case !a.Done:
		return errors.New("the node cannot be drained: see its log")
	}
	return nil
}
