package commit

import (
	"errors"
	"slices"

	"github.com/cockroachdb/pebble/v2"
)

// Gate decides which writes are taken.
type Gate interface {
	// Writable returns why writes are refused now, regardless of the free space, or nil.
	Writable(takesRoom bool) error
	// Roomy returns why a write that takes space is refused now, or nil.
	Roomy() error
}

// Committer commits batches to a database.
type Committer struct {
	db         *pebble.DB
	gate       Gate
	group      group
	durability *durability
}

// New returns a committer for a database. Other durable writes to the database must not be visible
// to readers that call Wait.
func New(db *pebble.DB, gate Gate) *Committer {
	return &Committer{db: db, gate: gate, durability: newDurability()}
}

// Write commits what fill puts into a batch, if anything, and returns when it is durable. A write
// that takes space is refused if it would make a bad state of the disk worse.
func (c *Committer) Write(takesRoom bool, fill func(b *pebble.Batch) error) error {
	return c.apply(takesRoom, func(b *pebble.Batch) error { return c.Commit(b, takesRoom) }, fill)
}

// WriteSoon is like Write, but returns when the batch can be read. The batch is on disk when the
// next durable batch is, or when the log is written.
func (c *Committer) WriteSoon(takesRoom bool, fill func(b *pebble.Batch) error) error {
	return c.apply(takesRoom, func(b *pebble.Batch) error {
		if takesRoom {
			if err := c.gate.Roomy(); err != nil {
				return err
			}
		}
		return c.db.Apply(b, pebble.NoSync)
	}, fill)
}

func (c *Committer) apply(takesRoom bool, commit func(b *pebble.Batch) error, fill func(b *pebble.Batch) error) error {
	if err := c.gate.Writable(takesRoom); err != nil {
		return err
	}
	b := c.db.NewBatch()
	err := fill(b)
	if err == nil && !b.Empty() {
		err = commit(b)
	}
	return errors.Join(err, b.Close())
}

// Commit makes a batch durable, unless it takes space and the disk has none.
func (c *Committer) Commit(b *pebble.Batch, takesRoom bool) error {
	return c.group.write(&member{batch: b, takesRoom: takesRoom}, c.commitAll)
}

// commitAll makes the batches of members durable: all as one, or none.
func (c *Committer) commitAll(members []*member) {
	members = c.withRoom(members)
	if len(members) == 0 {
		return
	}
	err := c.commitAsOne(members)
	for _, m := range members {
		m.err = err
	}
}

func (c *Committer) commitAsOne(members []*member) error {
	all := members[0].batch
	for _, m := range members[1:] {
		if err := all.Apply(m.batch, nil); err != nil {
			return err
		}
	}
	defer c.durability.end(c.durability.begin())
	return c.db.Apply(all, pebble.Sync)
}

// withRoom returns the members that may be written. If the disk is nearly full, it refuses those
// that take room.
func (c *Committer) withRoom(members []*member) []*member {
	takesRoom := func(m *member) bool { return m.takesRoom }
	if !slices.ContainsFunc(members, takesRoom) {
		return members
	}
	refusal := c.gate.Roomy()
	if refusal == nil {
		return members
	}
	var others []*member
	for _, m := range members {
		if m.takesRoom {
			m.err = refusal
		} else {
			others = append(others, m)
		}
	}
	return others
}

// Visible returns the number of the last commit that a reader that begins now can see.
func (c *Committer) Visible() uint64 { return c.durability.begun() }

// Wait returns when all commits up to a number are durable.
func (c *Committer) Wait(number uint64) { c.durability.wait(number) }

// Hold keeps grouped batches from being written until release is called. Tests use it to decide
// which batches are written together.
func (c *Committer) Hold() (release func()) {
	c.group.turn.Lock()
	return c.group.turn.Unlock
}

// Waiting returns how many batches the open group has. Tests use it with Hold.
func (c *Committer) Waiting() int { return c.group.waiting() }
