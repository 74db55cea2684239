package nats

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// State is what the servers of a log say about it.
type State struct {
	Generation  uint64 // 0: there is no log
	First, Last uint64 // sequences of its records
	Bytes       int64
	MaxBytes    int64
	Servers     []Server // in the order of their names
	Former      []Former // the logs of earlier generations, the latest first
}

// Former is the log of an earlier generation, which is not used any more.
type Former struct {
	Generation      uint64
	Bytes, MaxBytes int64 // that it has, and that its servers reserve for it; 0: they do not answer
}

// Server is a server of a log.
type Server struct {
	Name    string
	Running bool   // it answers
	Leader  bool   // of the log
	Current bool   // it has what the leader has
	Lag     uint64 // records that it lacks
}

// Latest returns the latest generation of the log that the options name but for that; 0: there is none. It waits for the
// servers until ctx ends.
func Latest(ctx context.Context, o Options) (generation uint64, err error) {
	conn, js, err := o.ask(ctx)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	for {
		if generation, err = o.latest(ctx, js); err == nil {
			return generation, nil
		}
		if wait(ctx) != nil {
			return 0, fmt.Errorf("look for the log of the cluster: %w", errors.Join(ctx.Err(), err))
		}
	}
}

// Look returns what the servers of the latest generation of a log say about it. It returns what it knows with an error, too:
// servers without a majority say little.
func Look(ctx context.Context, o Options) (s State, err error) {
	conn, js, err := o.ask(ctx)
	if err != nil {
		return s, err
	}
	defer conn.Close()
	servers := make(map[string]Server)
	for one, err := range askAll(ctx, conn) {
		if err != nil {
			break // the question for the log fails, too
		}
		servers[one.Server.Name] = Server{Name: one.Server.Name, Running: true}
	}
	err = o.look(ctx, js, &s, servers)
	for _, one := range servers {
		s.Servers = append(s.Servers, one)
	}
	slices.SortFunc(s.Servers, func(a, b Server) int { return cmp.Compare(a.Name, b.Name) })
	return s, err
}

// look asks for all generations of a log.
func (o Options) look(ctx context.Context, js jetstream.JetStream, s *State, servers map[string]Server) (err error) {
	all, err := o.generations(ctx, js)
	if err != nil || len(all) == 0 {
		return err
	}
	s.Generation, o.Generation = all[0], all[0]
	err = o.lookAtLatest(ctx, js, s, servers)
	for _, generation := range all[1:] {
		f, err := o.former(ctx, js, generation)
		if err != nil { // such as one without a majority
			f = &Former{Generation: generation}
		}
		if f != nil {
			s.Former = append(s.Former, *f)
		}
	}
	return err
}

// lookAtLatest asks the leader of the latest generation of a log.
func (o Options) lookAtLatest(ctx context.Context, js jetstream.JetStream, s *State, servers map[string]Server) error {
	ctx, cancel := context.WithTimeout(ctx, 2*askTime)
	defer cancel()
	stream, err := js.Stream(ctx, o.name())
	if err != nil {
		return fmt.Errorf("ask for the state of the log: %w", err)
	}
	info := stream.CachedInfo()
	s.First, s.Last, s.Bytes, s.MaxBytes = info.State.FirstSeq, info.State.LastSeq, int64(info.State.Bytes), info.Config.MaxBytes
	if info.Cluster == nil { // one server alone
		return nil
	}
	members := make(map[string]bool)
	add := func(name string, change func(*Server)) {
		one := servers[name]
		one.Name = name
		members[name] = true
		change(&one)
		servers[name] = one
	}
	if info.Cluster.Leader != "" {
		add(info.Cluster.Leader, func(one *Server) { one.Leader, one.Current = true, true })
	}
	for _, peer := range info.Cluster.Replicas {
		add(peer.Name, func(one *Server) { one.Current, one.Lag = peer.Current && !peer.Offline, peer.Lag })
	}
	maps.DeleteFunc(servers, func(name string, _ Server) bool { return !members[name] }) // they have nothing of the log
	return nil
}

// ask connects to one of the servers.
func (o *Options) ask(ctx context.Context) (*nats.Conn, jetstream.JetStream, error) {
	if err := o.Check(); err != nil {
		return nil, nil, err
	}
	conn, err := dial(ctx, o, o.Auth)
	if err != nil {
		return nil, nil, err
	}
	js, err := jetstream.New(conn, jetstream.WithDefaultTimeout(askTime))
	if err != nil {
		conn.Close()
		return nil, nil, fmt.Errorf("use JetStream: %w", err)
	}
	return conn, js, nil
}

// latest asks once for the latest generation.
func (o *Options) latest(ctx context.Context, js jetstream.JetStream) (uint64, error) {
	all, err := o.generations(ctx, js)
	if err != nil || len(all) == 0 {
		return 0, err
	}
	return all[0], nil
}

// generations asks once for all generations, and returns them in descending order.
func (o *Options) generations(ctx context.Context, js jetstream.JetStream) (all []uint64, err error) {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	prefix := strings.TrimSuffix(o.name(), strconv.FormatUint(o.Generation, 10))
	names := js.StreamNames(ctx)
	for name := range names.Name() {
		if number, ok := strings.CutPrefix(name, prefix); ok {
			if n, err := strconv.ParseUint(number, 10, 64); err == nil {
				all = append(all, n)
			}
		}
	}
	if err := names.Err(); err != nil {
		return nil, fmt.Errorf("ask for the logs: %w", err)
	}
	slices.SortFunc(all, func(a, b uint64) int { return cmp.Compare(b, a) })
	return all, nil
}

// former returns what the servers have of an earlier generation, nil if there is none.
func (o Options) former(ctx context.Context, js jetstream.JetStream, generation uint64) (*Former, error) {
	o.Generation = generation
	ctx, cancel := context.WithTimeout(ctx, 2*askTime)
	defer cancel()
	stream, err := js.Stream(ctx, o.name())
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("ask for the log of generation %d: %w", generation, err)
	}
	info := stream.CachedInfo()
	return &Former{generation, int64(info.State.Bytes), info.Config.MaxBytes}, nil
}

// RemoveFormer removes the logs of all generations before one, also those whose servers do not answer, and returns them, the latest
// first. What it returns with an error is removed.
func RemoveFormer(ctx context.Context, o Options, before uint64) (removed []Former, err error) {
	conn, js, err := o.ask(ctx)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	all, err := o.generations(ctx, js)
	if err != nil {
		return nil, err
	}
	failed := make(map[uint64]error)
	for _, generation := range all {
		if generation >= before {
			continue
		}
		f, err := o.former(ctx, js, generation)
		if err != nil { // all servers that have it may be gone: the others can remove it
			f = &Former{Generation: generation}
		}
		if f == nil { // somebody else removes it
			continue
		}
		if err := o.remove(ctx, js, generation); err != nil {
			failed[generation] = fmt.Errorf("remove the log of generation %d: %w", generation, err)
		}
		removed = append(removed, *f)
	}
	if len(failed) == 0 {
		return removed, nil
	}
	// A log whose servers are gone is removed without an answer.
	left, err := o.generations(ctx, js)
	errs := []error{err}
	removed = slices.DeleteFunc(removed, func(f Former) bool {
		is := failed[f.Generation] != nil && (err != nil || slices.Contains(left, f.Generation))
		if is {
			errs = append(errs, failed[f.Generation])
		}
		return is
	})
	return removed, errors.Join(errs...)
}

// remove removes the log of a generation.
func (o Options) remove(ctx context.Context, js jetstream.JetStream, generation uint64) error {
	o.Generation = generation
	ctx, cancel := context.WithTimeout(ctx, 2*askTime)
	defer cancel()
	if err := js.DeleteStream(ctx, o.name()); !errors.Is(err, jetstream.ErrStreamNotFound) {
		return err
	}
	return nil
}
