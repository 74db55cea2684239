package nats

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// deafTime is the time without an answer after which a log connects to another server: the present one may be cut off from
// the others, and go on to answer pings. It is longer than servers commonly take to elect a leader, which a connection to
// another one does not make faster.
const deafTime = 12 * time.Second

// silence notes for how long questions of one kind have had no answers.
type silence struct {
	mu    sync.Mutex
	since time.Time // when the first question was sent that has no answer, after all that have one; zero: none was
}

// note notes whether a question has an answer, and reports whether none has had one for deafTime.
func (s *silence) note(sent time.Time, answered bool) (deaf bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case answered:
		s.since = time.Time{}
		return false
	case s.since.IsZero():
		s.since = sent
	}
	if deaf = time.Since(s.since) >= deafTime; deaf {
		s.since = time.Time{}
	}
	return deaf
}

// hear notes the result of a question to the servers, and connects to another server if the present one does not bring any
// answers. A server that has lost the others still answers some questions: so each kind has a silence of its own.
func (l *log) hear(of *silence, sent time.Time, err error) {
	api, isAnswer := errors.AsType[*jetstream.APIError](err)
	isAnswer = isAnswer && api.Code < http.StatusInternalServerError || errors.Is(err, jetstream.ErrMsgNotFound)
	if errors.Is(err, context.Canceled) {
		return // nobody has waited for the answer
	}
	if of.note(sent, err == nil || isAnswer) && l.conn.IsConnected() {
		l.o.Log.Warn("the log does not answer: connecting to another of its servers", "server", l.conn.ConnectedServerName())
		_ = l.conn.ForceReconnect() // it fails if the connection is closed
	}
}
