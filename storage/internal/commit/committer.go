package commit

import (
	"errors"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2"
)

// retainedBatch is the largest memory of a batch, in bytes, that the next batch may use. The engine
// records blocking runs in batches of 1 MiB and one result more; without memory that has the size, a
// batch grows to it in steps, and copies what it has at each.
const retainedBatch = 4 << 20

// countedBatch is the size in bytes from which on a batch is reported to Held.
const countedBatch = 64 << 10

// hold reports n bytes of batches until release is called.
func (c *Committer) hold(n int) (release func()) {
	if c.Held == nil || n < countedBatch {
		return func() {}
	}
	c.Held(int64(n))
	return func() { c.Held(-int64(n)) }
}

// errFollows is the error of commits that no log gets.
var errFollows = errors.New("the store follows a log, and cannot write to it")

// Committer commits batches to a database.
type Committer struct {
	db         *pebble.DB
	gate       Gate
	group      group
	durability *durability
	pipeline   *Pipeline // nil: batches are durable when the database has synced them
	follows    bool      // nothing but the log may change the database before there is a pipeline

	apart sync.RWMutex // read-held by Write and WriteSoon, from fill on until the commit has ended

	// Held is called with the bytes that a large batch takes on Go's heap, and with their negative
	// once it is written. It is set before the first write. Nil: nobody counts them.
	Held func(n int64)
}

// New returns a committer for a database. Other durable writes to the database must not be visible
// to readers that call Wait.
func New(db *pebble.DB, gate Gate) *Committer {
	return &Committer{db: db, gate: gate, durability: newDurability()}
}

// Follow makes all commits fail until Replicate is called: the database has what a log says, and nothing
// else.
func (c *Committer) Follow() { c.follows = true }

// Replicate makes all batches that are committed from now on pass a log first. Nothing may be committed
// meanwhile.
func (c *Committer) Replicate(p *Pipeline) { c.pipeline = p }

// Write commits what fill puts into a batch, if anything, and returns when it is durable. A write is
// refused if it would make a bad state of the disk worse.
func (c *Committer) Write(need Need, fill func(b *pebble.Batch) error) error {
	c.apart.RLock()
	defer c.apart.RUnlock()
	return c.apply(need, func(b *pebble.Batch) error { return c.Commit(b, need) }, fill)
}

// WriteSoon is like Write, but returns when the batch can be read. The batch is on disk when the
// next durable batch is, or when the log is written. Behind a replicated log it is durable: nothing can be
// read before.
func (c *Committer) WriteSoon(need Need, fill func(b *pebble.Batch) error) error {
	c.apart.RLock()
	defer c.apart.RUnlock()
	return c.apply(need, func(b *pebble.Batch) error {
		if c.pipeline != nil || c.follows {
			return c.Commit(b, need)
		}
		room := c.gate.Room()
		if err := room.Admit(need, b.Len()); err != nil {
			return err
		}
		leave, err := room.Enter()
		if err != nil {
			return err
		}
		defer leave()
		return c.db.Apply(b, pebble.NoSync)
	}, fill)
}

// WriteBeside is like Write, but does not wait for Apart, and Apart does not wait for it: the batch changes nothing that the
// function of Apart reads or writes.
func (c *Committer) WriteBeside(need Need, fill func(b *pebble.Batch) error) error {
	return c.apply(need, func(b *pebble.Batch) error { return c.Commit(b, need) }, fill)
}

// Apart calls f, which may use Commit alone, while no Write or WriteSoon is under way: those that have begun end before.
func (c *Committer) Apart(f func() error) error {
	c.apart.Lock()
	defer c.apart.Unlock()
	return f()
}

func (c *Committer) apply(need Need, commit func(b *pebble.Batch) error, fill func(b *pebble.Batch) error) error {
	if err := c.gate.Writable(need); err != nil {
		return err
	}
	b := c.db.NewBatch(pebble.WithMaxRetainedSizeBytes(retainedBatch))
	err := fill(b)
	defer c.hold(b.Len())()
	if err == nil && !b.Empty() {
		err = commit(b)
	}
	return errors.Join(err, b.Close())
}

// Commit makes a batch durable, unless the disk has no room for it.
func (c *Committer) Commit(b *pebble.Batch, need Need) error {
	m := &member{batch: b, need: need}
	if c.pipeline == nil && c.follows {
		if err := c.gate.Writable(need); err != nil {
			return err
		}
		return errFollows
	}
	if c.pipeline != nil {
		return c.group.pass(m, c.sendAll)
	}
	return c.group.write(m, c.commitAll)
}

// commitAll makes the batches of members durable: all as one, or none. It leaves out members that
// the disk has no room for.
func (c *Committer) commitAll(members []*member) {
	room := c.gate.Room()
	if members = admit(room, members); len(members) > 0 {
		settle(members, c.commitAsOne(room, members))
	}
}

// admit returns the members that the disk has room for, whose result is not known yet.
func admit(room Room, members []*member) []*member {
	admitted := members[:0:0]
	for _, m := range members {
		if m.err = room.Admit(m.need, m.batch.Len()); m.err == nil {
			admitted = append(admitted, m)
		}
	}
	for _, m := range admitted {
		m.err = errUnwritten
	}
	return admitted
}

func settle(members []*member, err error) {
	for _, m := range members {
		m.err = err
	}
}

// join adds all batches to that of the first member. release is called when it is written.
func (c *Committer) join(members []*member) (all *pebble.Batch, release func(), err error) {
	all = members[0].batch
	copied := 0
	for _, m := range members[1:] {
		copied += m.batch.Len()
	}
	release = c.hold(copied)
	for _, m := range members[1:] {
		if err := all.Apply(m.batch, nil); err != nil {
			release()
			return nil, nil, err
		}
	}
	return all, release, nil
}

func (c *Committer) commitAsOne(room Room, members []*member) error {
	all, release, err := c.join(members)
	if err != nil {
		return err
	}
	defer release()
	leave, err := room.Enter()
	if err != nil {
		return err
	}
	defer leave()
	defer c.durability.end(c.durability.begin())
	return c.db.Apply(all, pebble.Sync)
}

// sendAll is like commitAll, but sends the batches to the log, and returns when they are under way.
func (c *Committer) sendAll(members []*member) (wait func()) {
	room := c.gate.Room()
	if members = admit(room, members); len(members) == 0 {
		return func() {}
	}
	all, release, err := c.join(members)
	if err != nil {
		settle(members, err)
		return func() {}
	}
	leave, err := room.Enter()
	if err != nil {
		release()
		settle(members, err)
		return func() {}
	}
	result := c.pipeline.Send(all)
	return func() {
		settle(members, result())
		leave()
		release()
	}
}

// Visible returns the number of the last commit that a reader that begins now can see.
func (c *Committer) Visible() uint64 { return c.durability.begun() }

// Wait returns true when all commits up to a number are durable. After patience it returns false.
func (c *Committer) Wait(number uint64, patience time.Duration) bool {
	return c.durability.wait(number, patience)
}

// Hold keeps grouped batches from being written until release is called. Tests use it to decide
// which batches are written together.
func (c *Committer) Hold() (release func()) {
	c.group.turn.Lock()
	return c.group.turn.Unlock
}

// Waiting returns how many batches the open group has. Tests use it with Hold.
func (c *Committer) Waiting() int { return c.group.waiting() }
