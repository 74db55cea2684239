package cluster

import (
	"context"
	"log/slog"
	"math"
	"time"
)

const (
	// BeatTime is the time between two records by which an owner shows that it is alive.
	BeatTime = time.Second
	// LeaseTime is the time from the sending of the last acknowledged record for which an owner may answer
	// reads. It is shorter than SilenceTime: another node becomes the owner after that at the earliest.
	LeaseTime = 3 * time.Second
	// SilenceTime is the time without a record after which a follower suspects that there is no owner. A lease that the owner
	// may still have begins before the record comes, so it has ended then.
	SilenceTime = LeaseTime + 200*time.Millisecond
	// StuckTime is the time for which an owner that answers may have failed to write to a log that others
	// can read. After it, the owner counts as silent.
	StuckTime = 15 * time.Second
	// AbsentTime is the time for which the log keeps the records that a node lacks which is away, unless the log is
	// filled to FullPart.
	AbsentTime = time.Hour
	FullPart   = 0.75
	// NoRecords says in Status.Copies that a node needs no records at present: it waits for a copy.
	NoRecords = math.MaxUint64

	// announceTime is the time between two announcements of a node.
	announceTime = time.Second
	// memberTime is the time after its last announcement for which a node counts as a member.
	memberTime = 5 * time.Second
	// lookTime is the time between two looks for the owner.
	lookTime = 200 * time.Millisecond
	// askTime bounds a question to a node or to the log.
	askTime = time.Second
	// successorTime is how long the others wait for the node to which the owner has handed over.
	successorTime = 2 * time.Second
	// successionTime is how long requests wait for the next owner after one has given up the shard.
	successionTime = 10 * time.Second
	// stepBackTime is the time without a record after which a node that is drained, or lacks keys, tries to become the owner
	// although others are there, which have not.
	stepBackTime = 15 * time.Second
	// rankTime is how much longer a follower waits than the one before it, in the order of their names, so
	// that two rarely try to become the owner at once.
	rankTime = 300 * time.Millisecond
	// ownTime bounds one attempt to become the owner.
	ownTime = 30 * time.Second
	// warnTime is the time between two warnings that another node has the same name.
	warnTime = time.Minute
	// maxMembers bounds the nodes that a node remembers; an announcement of a further one is ignored.
	maxMembers = 256
	// maxMessage bounds the size of an announcement that is read, in bytes.
	maxMessage = 4 << 10
)

// Options are the options of a Node. All must be set, but Version and Generation.
type Options struct {
	Name    string // of the node, which no other node has
	Address string // at which the other nodes reach this one
	Bus     Bus
	// Ask asks the node at an address for its status.
	Ask func(ctx context.Context, address string) (Status, error)
	Log *slog.Logger
	// Version is the release of the node, for people.
	Version string
	// Generation is that of the log. Nodes of another one are not heard.
	Generation uint64
}

// Bus sends messages to all nodes. Messages may be lost, delayed and repeated: nothing is safe because of
// them.
type Bus interface {
	// Publish sends a message, without waiting for an answer.
	Publish(message []byte) error
	// Subscribe calls each with the messages of all nodes, one after the other, until ctx ends, whose error
	// it returns.
	Subscribe(ctx context.Context, each func(message []byte)) error
}

// Replica is the store of a node: a replica of the log of the shard.
type Replica interface {
	// Follow applies records as they come, until ctx ends, and calls seen with each.
	Follow(ctx context.Context, seen func(Record)) error
	// Applied returns the epoch and the sequence of the last record that is applied.
	Applied() (epoch, seq uint64)
	// End asks the log for the sequence of its last record.
	End(ctx context.Context) (uint64, error)
	// Own begins an epoch behind the record seq, if that is the last one of the log and applied. After an
	// error, the replica still follows, unless Problem returns one.
	Own(ctx context.Context, seq uint64) error
	// Beat writes a record that changes nothing. It returns when the log has it. An error is final: the
	// replica does not own the log any more.
	Beat() error
	// Problem returns why the replica can neither follow nor own, or nil.
	Problem() error
}

// Record is a record of the log.
type Record struct {
	Epoch, Seq uint64
	Owner      string // the name of the owner, if the record begins an epoch
}

// Status is what a node says about itself.
type Status struct {
	Node    string `json:"node"`
	Address string `json:"address"`
	// Generation is that of the log that the node uses.
	Generation uint64 `json:"generation,omitempty"`
	// Owns says that the node owns the shard, or is trying to.
	Owns bool `json:"owns"`
	// Epoch is the epoch of the last record that the node has applied.
	Epoch uint64 `json:"epoch"`
	// Applied is the sequence of that record.
	Applied uint64 `json:"applied,omitempty"`
	// Durable is the sequence up to which the records are on the disk of the node; 0: it is not known.
	Durable uint64 `json:"durable,omitempty"`
	// Copies is the sequence up to which the node gets the records with a copy, so that it needs those behind it alone, or
	// NoRecords; 0: it gets no copy.
	Copies uint64 `json:"copies,omitempty"`
	// Released is the last epoch that the node has owned and given up; 0: none.
	Released uint64 `json:"released,omitempty"`
	// Successor is the node to which it has given up that epoch; empty: to any.
	Successor string `json:"successor,omitempty"`
	// Leaves says that the node owns the shard, and is about to give it up.
	Leaves bool `json:"leaves,omitempty"`
	// Drained says that the node does not become the owner while others can.
	Drained bool `json:"drained,omitempty"`
	// Ready says that requests to the node are answered: by itself, or by the owner that it knows.
	Ready bool `json:"ready,omitempty"`
	// Version is the release of the node.
	Version string `json:"version,omitempty"`
	// SecretsKey is the name of the newest key of secrets that the node has.
	SecretsKey string `json:"secrets_key,omitempty"`
	// Secrets is the state of the secrets for that key, as an owner knows it, such as SecretsCurrent; empty: it is not known.
	Secrets string `json:"secrets,omitempty"`
	// Keyless says that the node lacks keys of secrets that are used: it runs nothing, and cannot become the owner.
	Keyless bool `json:"keyless,omitempty"`
	// Stuck is the time for which an owner has waited for the log to acknowledge a record.
	Stuck time.Duration `json:"stuck,omitempty"`
}
