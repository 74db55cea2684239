package redact

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
)

// plainKeys are the keys of attributes that name who and what a line is about. They have names and ids,
// and are not compared with secrets: a tenant whose secret is its own name would otherwise vanish from the log.
var plainKeys = []string{
	"tenant", "function", "execution", "job", "trigger", "user", "token", "trace", "remote", "error_id", "method", "operation", "outcome", "id", "name",
}

// handler is a handler of a log that hides the secrets of a registry.
type handler struct {
	slog.Handler
	secrets *Registry
}

// NewHandler returns a handler that passes on to h what is logged, with [Mask] in place of secrets of r
// and of tokens. Messages are constants of the program and stay as they are, and so do attributes whose
// keys say that they are names or ids.
func NewHandler(h slog.Handler, r *Registry) slog.Handler { return handler{h, r} }

// Handle implements [slog.Handler].
func (h handler) Handle(ctx context.Context, r slog.Record) error {
	hidden := slog.NewRecord(r.Time, r.Level, r.Message, r.PC)
	r.Attrs(func(a slog.Attr) bool {
		hidden.AddAttrs(h.hide(a))
		return true
	})
	return h.Handler.Handle(ctx, hidden)
}

// WithAttrs implements [slog.Handler].
func (h handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	hidden := make([]slog.Attr, len(attrs))
	for i, a := range attrs {
		hidden[i] = h.hide(a)
	}
	return handler{h.Handler.WithAttrs(hidden), h.secrets}
}

// WithGroup implements [slog.Handler].
func (h handler) WithGroup(name string) slog.Handler {
	return handler{h.Handler.WithGroup(name), h.secrets}
}

func (h handler) hide(a slog.Attr) slog.Attr {
	secrets := h.secrets
	if slices.Contains(plainKeys, a.Key) {
		secrets = nil // tokens are hidden all the same
	}
	v := a.Value.Resolve()
	switch v.Kind() {
	case slog.KindGroup:
		members := v.Group()
		hidden := make([]slog.Attr, len(members))
		for i, m := range members {
			hidden[i] = h.hide(m)
		}
		return slog.Attr{Key: a.Key, Value: slog.GroupValue(hidden...)}
	case slog.KindString:
		return slog.String(a.Key, secrets.Hide(v.String()))
	case slog.KindAny:
		before := fmt.Sprint(v.Any())
		if b, ok := v.Any().([]byte); ok {
			before = string(b)
		}
		if after := secrets.Hide(before); after != before {
			return slog.String(a.Key, after)
		}
	}
	return slog.Attr{Key: a.Key, Value: v}
}
