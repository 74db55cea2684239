package nats

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"

	"github.com/nats-io/nats.go/jetstream"
)

// Generation is what is known of one generation of a log.
type Generation struct {
	Base   uint64 // the sequence behind which its records begin
	Origin string // what it was made from; empty: it began empty
	Last   uint64 // the sequence of its last record
}

// Empty reports whether there was no record yet.
func (g Generation) Empty() bool { return g.Last <= g.Base }

// Find returns the generation of a log that the options name, nil if there is none. It waits for the servers until ctx ends.
func Find(ctx context.Context, o Options) (*Generation, error) {
	return o.onStream(ctx, func(ctx context.Context, _ jetstream.JetStream, s jetstream.Stream) (*Generation, error) {
		return generationOf(s.CachedInfo()), nil
	})
}

// Seal closes the generation of a log that the options name, if there is one: it takes no records any more, for ever, and can
// be read. The result has its last record.
func Seal(ctx context.Context, o Options) (*Generation, error) {
	return o.onStream(ctx, func(ctx context.Context, js jetstream.JetStream, s jetstream.Stream) (*Generation, error) {
		config := s.CachedInfo().Config
		if !config.Sealed {
			config.Sealed = true
			if _, err := js.UpdateStream(ctx, config); err != nil {
				return nil, fmt.Errorf("close the log: %w", err)
			}
		}
		info, err := s.Info(ctx)
		if err != nil {
			return nil, fmt.Errorf("ask for the end of the log: %w", err)
		}
		return generationOf(info), nil
	})
}

// Remove removes the generation of a log that the options name, if it has no records.
func Remove(ctx context.Context, o Options) error {
	_, err := o.onStream(ctx, func(ctx context.Context, js jetstream.JetStream, s jetstream.Stream) (*Generation, error) {
		if g := generationOf(s.CachedInfo()); !g.Empty() {
			return g, nil
		}
		if err := js.DeleteStream(ctx, o.name()); err != nil {
			return nil, fmt.Errorf("remove a log that was made: %w", err)
		}
		return nil, nil
	})
	return err
}

// onStream calls f with the stream that the options name, until that succeeds or ctx ends. The result is nil if there is none.
func (o Options) onStream(ctx context.Context, f func(context.Context, jetstream.JetStream, jetstream.Stream) (*Generation, error)) (*Generation, error) {
	conn, js, err := o.ask(ctx)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	once := func() (*Generation, error) {
		ctx, cancel := context.WithTimeout(ctx, 2*askTime)
		defer cancel()
		stream, err := js.Stream(ctx, o.name())
		if errors.Is(err, jetstream.ErrStreamNotFound) {
			return nil, nil
		}
		if err != nil {
			return nil, fmt.Errorf("ask for the state of the log: %w", err)
		}
		return f(ctx, js, stream)
	}
	for {
		g, err := once()
		if err == nil {
			return g, nil
		}
		if wait(ctx) != nil {
			return nil, errors.Join(ctx.Err(), err)
		}
	}
}

func generationOf(info *jetstream.StreamInfo) *Generation {
	base, _ := strconv.ParseUint(info.Config.Metadata[baseName], 10, 64) // it begins with record 1 without one
	return &Generation{Base: base, Origin: info.Config.Metadata[originName], Last: info.State.LastSeq}
}

// Origin implements [replog.Founded].
func (l *log) Origin() (base uint64, hash []byte) {
	g := generationOf(l.stream.CachedInfo())
	hash, err := hex.DecodeString(g.Origin)
	if err != nil || len(hash) == 0 {
		return g.Base, nil
	}
	return g.Base, hash
}
