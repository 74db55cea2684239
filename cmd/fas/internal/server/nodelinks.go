package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/cluster"
	"github.com/faaspot/faaspot/runtime/cluster/mesh"
)

// The kinds of links between nodes: on the first a node that follows reports what it has applied, and on the second it sends
// the runs that have ended on it. On the third, see lendLink, it runs functions for the owner.
const (
	reportsLink = "reports"
	recordsLink = "records"
)

const (
	// linkTime bounds how long a node may take to answer a message, and linkIdle how long a link may be idle.
	linkTime = 10 * time.Second
	linkIdle = time.Minute
	// reportTime bounds how long the owner may take to answer a report.
	reportTime = 2 * time.Second
	// reportPause is the time between two reports while the log grows.
	reportPause = 5 * time.Millisecond
	// linkPause is the time after a link that has failed.
	linkPause = 200 * time.Millisecond
	// maxSilent is the number of attempts in a row to reach the owner after which the requests that were forwarded to it end.
	maxSilent = 2
)

// recorded is the answer to runs that have ended.
type recorded struct {
	Code    runtime.Code // of an error; empty: none
	Message string
}

// ended is a batch of runs that have ended.
type ended struct{ Runs []runtime.Execution }

// answerLink answers the messages of another node until it has no more, or this node stops.
func (n *node) answerLink(kind, name string, conn net.Conn) {
	if l := n.life.Load(); kind == lendLink && l != nil {
		l.serveLender(conn)
		return
	}
	link := mesh.NewLink(conn)
	defer func() { _ = link.Close() }()
	defer context.AfterFunc(n.running, func() { _ = conn.Close() })()
	for {
		l := n.life.Load()
		var err error
		switch {
		case l == nil:
			return
		case kind == reportsLink:
			err = l.answerReport(link, name)
		case kind == recordsLink:
			err = l.answerRecords(link)
		default:
			return
		}
		if err != nil {
			n.log.Debug("a link to a node has ended", "kind", kind, "node", name, "reason", err)
			return
		}
	}
}

// answerReport answers a report of a node. It fails if this life is not the owner, which alone may answer.
func (l *life) answerReport(link *mesh.Link, name string) error {
	var report cluster.Report
	if err := link.Receive(&report, linkIdle); err != nil {
		return err
	}
	report.Node = name
	roll := l.roll.Load()
	if roll == nil {
		return noOwnerError()
	}
	granted := roll.Report(report, func() uint64 {
		_, seq := l.Applied()
		return seq
	})
	if err := l.node.cluster.Current(); err != nil {
		return err
	}
	if l.node.life.Load() != l { // the node owns the data again since, and others may have changed them meanwhile
		return noOwnerError()
	}
	return link.Send(granted, reportTime)
}

// answerRecords records runs that have ended on another node.
func (l *life) answerRecords(link *mesh.Link) error {
	var batch ended
	if err := link.Receive(&batch, linkIdle); err != nil {
		return err
	}
	if l.roll.Load() == nil || l.node.life.Load() != l {
		return noOwnerError()
	}
	var answer recorded
	if err := l.recordForeign(batch.Runs); err != nil {
		answer.Code, answer.Message = runtime.CodeOf(err), err.Error() // if unavailable, the other node sends them again
	}
	return link.Send(answer, linkTime)
}

// recordForeign records runs of another node.
func (l *life) recordForeign(runs []runtime.Execution) error {
	return l.still(runs, l.engine.RecordForeign)
}

// still calls record with runs, without those of tenants that are deleted, also if others have their names.
func (l *life) still(runs []runtime.Execution, record func([]runtime.Execution) error) error {
	kept := make([]runtime.Execution, 0, len(runs))
	for i := range runs {
		use := l.access.Use(runs[i].Tenant)
		if use == nil || !use.Enter() {
			continue
		}
		defer use.Leave()
		if t, err := l.access.GetTenant(runs[i].Tenant); err != nil || !l.engine.IsOf(&runs[i], t.Created) {
			continue
		}
		kept = append(kept, runs[i])
	}
	if len(kept) == 0 {
		return nil
	}
	return record(kept)
}

// reportAll reports what a life has applied to the owner until ctx ends.
func (n *node) reportAll(ctx context.Context, s *cluster.Standing) {
	silent := 0 // attempts in a row to reach the owner
	for ctx.Err() == nil {
		if owner, ok := n.cluster.Owner(); ok {
			err := n.reportTo(ctx, owner, s)
			if err != nil && ctx.Err() == nil {
				n.log.Debug("cannot report to the owner", "owner", owner.Node, "error", err)
			}
			if !errors.Is(err, errUnreached) {
				silent = 0
			} else if silent++; silent == maxSilent && ctx.Err() == nil {
				n.log.Warn("the owner of the data cannot be reached: the requests that were forwarded to it end", "owner", owner.Node, "error", err)
				n.forwarder.End(owner.Node)
			}
		}
		select {
		case <-time.After(linkPause):
		case <-ctx.Done():
		}
	}
}

// errUnreached reports that no connection to a node could be opened.
var errUnreached = errors.New("the node cannot be reached")

// isDial reports whether an error is that of opening a connection.
func isDial(err error) bool {
	op, ok := errors.AsType[*net.OpError](err)
	return ok && op.Op == "dial"
}

// reportTo reports what a life has applied to a node until that does not own the data.
func (n *node) reportTo(ctx context.Context, owner cluster.Status, s *cluster.Standing) error {
	defer s.Unanswered()
	conn, err := n.dialer.Link(ctx, owner.Address, reportsLink, n.Node)
	if failed, ok := errors.AsType[net.Error](err); ok && (failed.Timeout() || isDial(failed)) {
		return fmt.Errorf("%w: %w", errUnreached, err)
	}
	if err != nil {
		return err
	}
	link := mesh.NewLink(conn)
	defer func() { _ = link.Close() }()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	ticker := time.NewTicker(cluster.ReportTime)
	defer ticker.Stop()
	for {
		if now, ok := n.cluster.Owner(); ok && now.Node != owner.Node {
			return nil
		}
		var granted cluster.Granted
		sent := time.Now()
		if err := link.Send(cluster.Report{Seq: s.Seq()}, reportTime); err != nil {
			return err
		}
		if err := link.Receive(&granted, reportTime); err != nil {
			return err
		}
		s.Answered(sent, granted)
		select {
		case <-s.Changed():
			time.Sleep(reportPause)
		case <-ticker.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// recordLink is the link on which a node sends runs that have ended.
type recordLink struct {
	mu    sync.Mutex
	link  *mesh.Link // nil: none
	owner string
	used  time.Time

	state sync.Mutex         // guards what follows; it is never held for long
	halts context.CancelFunc // ends the send that is under way; nil: none is
	halt  bool               // nothing is sent
}

// begin begins to send: what it returns ends when the node owns the data itself. done must be called.
func (r *recordLink) begin() (ctx context.Context, done func(), ok bool) {
	r.state.Lock()
	defer r.state.Unlock()
	if r.halt {
		return nil, nil, false
	}
	ctx, cancel := context.WithCancel(context.Background())
	r.halts = cancel
	return ctx, func() {
		r.state.Lock()
		defer r.state.Unlock()
		cancel()
		r.halts = nil
	}, true
}

// permit says whether runs are sent, and ends a send that is under way if they are not.
func (r *recordLink) permit(sends bool) {
	r.state.Lock()
	defer r.state.Unlock()
	if r.halt = !sends; r.halt && r.halts != nil {
		r.halts()
	}
}

// send sends runs that have ended on this node to the owner, which records them.
func (r *recordLink) send(n *node, runs []runtime.Execution) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	running, done, ok := r.begin()
	if !ok {
		return noOwnerError()
	}
	defer done()
	owner, ok := n.cluster.Owner()
	if !ok {
		return noOwnerError()
	}
	if r.link != nil && (r.owner != owner.Node || time.Since(r.used) > linkIdle/2) {
		r.end()
	}
	if r.link == nil {
		ctx, cancel := context.WithTimeout(running, linkTime)
		defer cancel()
		conn, err := n.dialer.Link(ctx, owner.Address, recordsLink, n.Node)
		if err != nil {
			return unsent(err)
		}
		r.link, r.owner = mesh.NewLink(conn), owner.Node
	}
	batch := ended{Runs: make([]runtime.Execution, len(runs))}
	for i := range runs {
		batch.Runs[i] = runs[i]
		batch.Runs[i].Timeline = nil // this node exports it
	}
	link := r.link
	defer context.AfterFunc(running, func() { _ = link.Close() })()
	var answer recorded
	err := r.link.Send(batch, linkTime)
	if err == nil {
		err = r.link.Receive(&answer, linkTime)
	}
	if err != nil {
		r.end()
		return unsent(err)
	}
	r.used = time.Now()
	if answer.Code != "" {
		return runtime.Errorf(answer.Code, "the owner of the data did not record the run: %s", answer.Message)
	}
	return nil
}

// unsent is the error of runs of which it is not known whether they are recorded.
func unsent(err error) error {
	return &runtime.Error{Code: runtime.CodeUnavailable, Message: "the owner of the data does not record runs", Err: err}
}

func (r *recordLink) end() {
	_ = r.link.Close()
	r.link = nil
}

// close closes the link.
func (r *recordLink) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.link != nil {
		r.end()
	}
}
