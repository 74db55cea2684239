package nats

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/faaspot/faaspot/storage/replog"
)

const (
	// replicas is the number of servers that have each record.
	replicas = 3
	// settingsSubject is where all servers answer how they store data.
	settingsSubject = "$SYS.REQ.SERVER.PING.JSZ"
	// settingsTime is the time within which they answer.
	settingsTime = 2 * time.Second
	// originName is the name of the metadata of a stream that say what the log was made from.
	originName = "faaspot-origin"
	// baseName is the name of those that say behind which sequence its records begin.
	baseName = "faaspot-base"
	// maxReaders bounds the readers of a log.
	maxReaders = 1024
)

// refusal is an error that does not go away by itself.
type refusal struct{ what, hint string }

func (r *refusal) Error() string { return r.what + ": " + r.hint }

func refuse(hint, format string, args ...any) error {
	return &refusal{fmt.Sprintf(format, args...), hint}
}

// stream returns the configuration of a new stream.
func (o *Options) stream() jetstream.StreamConfig {
	c := jetstream.StreamConfig{
		Name: o.name(), Subjects: []string{o.subject()}, Storage: jetstream.FileStorage, Replicas: replicas,
		Retention: jetstream.LimitsPolicy, Discard: jetstream.DiscardNew, DenyDelete: true,
		MaxBytes: o.MaxBytes, MaxMsgSize: replog.MaxRecord + 4<<10, MaxConsumers: maxReaders, MaxMsgs: -1, MaxMsgsPerSubject: -1,
		Metadata: map[string]string{"faaspot-log": "1"},
	}
	if o.Base > 0 {
		c.FirstSeq = o.Base + 1
		c.Metadata[baseName] = strconv.FormatUint(o.Base, 10)
	}
	if o.Origin != "" {
		c.Metadata[originName] = o.Origin
	}
	if c.MaxBytes == 0 {
		c.MaxBytes = DefaultMaxBytes
	}
	if o.OneReplica {
		c.Replicas = 1
	}
	return c
}

// checkStream returns an error if a stream may lose, change or reorder records.
func (o *Options) checkStream(c jetstream.StreamConfig) error {
	var wrong []string
	must := func(ok bool, what string) {
		if !ok {
			wrong = append(wrong, what)
		}
	}
	must(c.Replicas >= replicas || o.OneReplica, fmt.Sprintf("%d replicas instead of %d", c.Replicas, replicas))
	must(c.Storage == jetstream.FileStorage, "memory instead of files")
	must(c.Retention == jetstream.LimitsPolicy && c.MaxAge == 0 && c.MaxMsgs < 0 && c.MaxMsgsPerSubject < 0 && !c.AllowMsgTTL, "records expire")
	must(c.Discard == jetstream.DiscardNew, "old records are dropped for new ones")
	must(c.DenyDelete && !c.AllowRollup, "records can be deleted")
	must(!c.NoAck && c.PersistMode == jetstream.DefaultPersistMode, "records are acknowledged before they are stored")
	must(!c.AllowDirect && !c.MirrorDirect, "replicas that are behind answer")
	must(c.Mirror == nil && len(c.Sources) == 0 && c.SubjectTransform == nil, "other streams flow into it")
	must(len(c.Subjects) == 1 && c.Subjects[0] == o.subject(), "other subjects")
	must(c.MaxMsgSize < 0 || c.MaxMsgSize >= replog.MaxRecord, "records are too large for it")
	if len(wrong) == 0 {
		return nil
	}
	return refuse("a stream that was made by hand is not a log of a cluster; let the cluster make it",
		"the stream %s is not safe (%s)", c.Name, strings.Join(wrong, "; "))
}

// settings are how a server stores data.
type settings struct {
	Server struct {
		Name string `json:"name"`
	} `json:"server"`
	Data struct {
		Disabled bool `json:"disabled"`
		Config   struct {
			SyncAlways bool `json:"sync_always"`
		} `json:"config"`
	} `json:"data"`
}

// checkSync returns an error unless the servers of the stream sync each record to disk before they
// acknowledge it. Servers that do not run are not asked; a majority must run.
func (l *log) checkSync(ctx context.Context) error {
	err := l.syncs(ctx)
	if err == nil || ctx.Err() != nil {
		return errors.Join(err, ctx.Err())
	}
	if l.o.UnsafeSync {
		l.o.Log.Warn("records of the log may be lost after they were acknowledged, if machines fail", "reason", err)
		return nil
	}
	return err
}

func (l *log) syncs(ctx context.Context) error {
	conn := l.conn
	if (l.o.System != Auth{}) {
		var err error
		if conn, err = dial(ctx, &l.o, l.o.System); err != nil {
			return err
		}
		defer conn.Close()
	}
	members := l.members()
	answered := map[string]bool{}
	var lazy []string
	for s, err := range askAll(ctx, conn) {
		if err != nil {
			return err
		}
		if s.Data.Disabled || len(members) > 0 && !members[s.Server.Name] || answered[s.Server.Name] {
			continue
		}
		answered[s.Server.Name] = true
		if !s.Data.Config.SyncAlways {
			lazy = append(lazy, s.Server.Name)
		}
		if len(answered) >= max(len(members), 1) {
			break
		}
	}
	switch n := max(len(members), 1); {
	case len(lazy) > 0:
		return refuse("set sync_interval: always in the section jetstream of its configuration, or use `fas engine`",
			"the server %s of the log acknowledges records that are not on its disk yet", strings.Join(lazy, ", "))
	case len(answered) == 0:
		return refuse("give credentials of the system account, or import the service "+settingsSubject+" from it into the account of this client",
			"the settings of the log's servers cannot be read, so that it is not known whether they sync records to disk")
	case len(answered) <= n/2:
		return refuse("start the others first", "only %d of the %d servers of the log answer how they store records", len(answered), n)
	}
	return nil
}

// members returns the names of the servers of the stream, none if there is one server alone.
func (l *log) members() map[string]bool {
	c := l.stream.CachedInfo().Cluster
	if c == nil {
		return nil
	}
	names := map[string]bool{}
	if c.Leader != "" {
		names[c.Leader] = true
	}
	for _, r := range c.Replicas {
		names[r.Name] = true
	}
	return names
}

// askAll asks all servers for their settings, and yields the answers until their time is over.
func askAll(ctx context.Context, conn *nats.Conn) func(yield func(settings, error) bool) {
	return func(yield func(settings, error) bool) {
		inbox := conn.NewInbox()
		answers, err := conn.SubscribeSync(inbox)
		if err == nil {
			defer func() { _ = answers.Unsubscribe() }()
			err = conn.PublishRequest(settingsSubject, inbox, nil)
		}
		if err != nil {
			yield(settings{}, fmt.Errorf("ask the servers of the log for their settings: %w", err))
			return
		}
		limited, cancel := context.WithTimeout(ctx, settingsTime)
		defer cancel()
		for {
			m, err := answers.NextMsgWithContext(limited)
			if err != nil {
				return // no more of them
			}
			var s settings
			if json.Unmarshal(m.Data, &s) == nil && s.Server.Name != "" && !yield(s, nil) {
				return
			}
		}
	}
}
