package storage

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/storage/internal/disk"
	"github.com/faaspot/faaspot/storage/internal/storetest"
)

// sizedFS is a disk with a given amount of free space.
type sizedFS struct {
	vfs.FS
	free *uint64
}

func (fs sizedFS) GetDiskUsage(string) (vfs.DiskUsage, error) {
	return vfs.DiskUsage{AvailBytes: *fs.free}, nil
}

// textOfPebble is in its errors and reasons. Clients must not see it.
const textOfPebble = "memtable count limit reached by /data/000123.sst"

// wantRefusedWrites expects that new writes are refused, that reads succeed, and that both the
// writer and Health return why.
func wantRefusedWrites(t *testing.T, s *Store, why string, deletes bool) {
	t.Helper()
	v := version("id1", 2, "source")
	for what, err := range map[string]error{
		"create":  s.CreateFunction(function("a", "id9", "nine", 1), version("id9", 1, "source"), by("a")),
		"update":  s.UpdateFunction(function("a", "id1", "one", 2), &v, by("a")),
		"setting": s.PutSetting("x", nil),
		"health":  s.Health(),
	} {
		e, ok := errors.AsType[*runtime.Error](err)
		if !ok || e.Code != runtime.CodeUnavailable || !strings.Contains(e.Message, why) || e.Hint == "" || e.RetryAfter == 0 || strings.Contains(e.Error()+e.Message+e.Hint, textOfPebble) {
			t.Errorf("%s: %#v, want unavailable because of %q", what, err, why)
		}
	}
	if _, err := s.GetFunctionByName("a", "one"); err != nil {
		t.Errorf("a read: %v", err)
	}
	if err := s.DeleteFunction("a", "id2", by("a")); (err == nil) != deletes {
		t.Errorf("a deletion: %v", err)
	}
	checkInvariants(t, s)
}

func two(t *testing.T, s *Store) {
	t.Helper()
	must(t, s.CreateFunction(function("a", "id1", "one", 1), version("id1", 1, "source"), by("a")))
	must(t, s.CreateFunction(function("a", "id2", "two", 1), version("id2", 1, "source"), by("a")))
	must(t, s.Health())
}

func TestNearlyFullDisk(t *testing.T) {
	free := uint64(1 << 40)
	s := openOn(t, sizedFS{vfs.NewMem(), &free}, "store")
	two(t, s)
	free = DefaultMinFree - 1
	wantRefusedWrites(t, s, "nearly full", true)
	free = DefaultMinFree
	two2 := version("id1", 2, "source")
	must(t, s.UpdateFunction(function("a", "id1", "one", 2), &two2, by("a")))
	must(t, s.Health())
}

// On a disk that is nearly full no new executions are accepted, but accepted ones run to their end,
// and can be cancelled and read.
func TestExecutionsOnANearlyFullDisk(t *testing.T) {
	free := uint64(1 << 40)
	s, c := openOn(t, sizedFS{vfs.NewMem(), &free}, "store"), newClerk()
	running, queued := begin(t, s, c), c.batch(2)
	_, _, err := s.Accept(queued, nil)
	must(t, err)
	free = DefaultMinFree - 1
	for what, err := range map[string]error{
		"accept": second(s.Accept(c.batch(1), nil)),
		"keyed":  second(s.Accept(c.batch(1), &runtime.IdempotencyKey{Key: "k", Now: start})),
		"record": s.Record([]runtime.Execution{c.done()}),
	} {
		if runtime.CodeOf(err) != runtime.CodeUnavailable {
			t.Errorf("%s: %v, want unavailable", what, err)
		}
	}
	settled, err := s.Finish([]runtime.Execution{ended(running)}, c.at)
	must(t, errors.Join(err, settled[0].Err))
	again := startAgain(t, s, queued[0].Execution)
	settled, err = s.Finish([]runtime.Execution{ended(again)}, c.at)
	must(t, errors.Join(err, settled[0].Err))
	if x, changed, err := s.Cancel("default", queued[1].Execution.ID, c.at); err != nil || !changed || x.State != runtime.StateCancelled {
		t.Errorf("cancelled: %+v, %v, %v", x, changed, err)
	}
	if all, err := s.ListExecutions("default", runtime.ExecutionFilter{}, "", 10); err != nil || len(all) != 3 {
		t.Errorf("a list: %v, %v", all, err)
	}
	dropAll(t, s, c.at) // frees room
	free = DefaultMinFree
	_, replayed, err := s.Accept(c.batch(1), &runtime.IdempotencyKey{Key: "k", Now: start})
	if err != nil || replayed {
		t.Errorf("once there is room: %v, %v", replayed, err)
	}
	checkInvariants(t, s)
}

// A disk has the room that flushes have freed, even if nothing was written since.
func TestOutcomesFitAfterAFlush(t *testing.T) {
	free := uint64(1 << 40)
	s, c := openOn(t, sizedFS{vfs.NewMem(), &free}, "store"), newClerk()
	var large []runtime.Execution
	for range 6 {
		x := begin(t, s, c)
		x.State, x.Result = runtime.StateSucceeded, storetest.Noise(3<<20)
		large = append(large, x)
	}
	_, err := s.Finish(large[1:], c.at)
	must(t, err)
	must(t, s.flush())
	free = s.minFree/outcomePart + 2*3<<20 + 12<<20
	_, err = s.Finish(large[:1], c.at)
	must(t, err)
}

func TestStalledWrites(t *testing.T) {
	s := openOn(t, vfs.NewMem(), "store")
	two(t, s)
	l := s.health.Listener()
	l.WriteStallBegin(pebble.WriteStallBeginInfo{Reason: textOfPebble})
	wantRefusedWrites(t, s, "the disk does not keep up with the writes", false)
	l.WriteStallEnd()
	must(t, s.Health())
}

func TestFailedFlushes(t *testing.T) {
	s := openOn(t, vfs.NewMem(), "store")
	two(t, s)
	l := s.health.Listener()
	l.BackgroundError(errors.New(textOfPebble))
	wantRefusedWrites(t, s, "the store cannot compact its files", true)
	l.FlushEnd(pebble.FlushInfo{Err: errors.New("no space left")})
	if s.Health() == nil {
		t.Error("a flush that failed again counts as success")
	}
	l.CompactionEnd(pebble.CompactionInfo{})
	must(t, s.Health())
}

// TestFullMemoryNamesNoFile checks that the errors of writes for which there is no room, while flushes fail,
// have nothing of Pebble's text.
func TestFullMemoryNamesNoFile(t *testing.T) {
	for _, cause := range []error{errors.New(textOfPebble), fmt.Errorf("%s: %w", textOfPebble, syscall.ENOSPC)} {
		h := disk.NewHealth(quiet, time.Now, 0)
		h.Listener().BackgroundError(cause)
		for _, err := range []error{h.Full(), h.Writable(true)} {
			wantCode(t, err, runtime.CodeUnavailable)
			if e, _ := errors.AsType[*runtime.Error](err); strings.Contains(err.Error()+e.Hint, textOfPebble) {
				t.Errorf("after %v the error is %v", cause, err)
			}
		}
	}
}

func TestSlowDisk(t *testing.T) {
	now := start
	o := options(vfs.NewMem(), "store")
	o.Now = func() time.Time { return now }
	s, err := Open(o)
	must(t, err)
	defer s.Close()
	s.health.Listener().DiskSlow(vfs.DiskSlowInfo{Duration: 10 * time.Second})
	wantCode(t, s.Health(), runtime.CodeUnavailable)
	two := version("id1", 1, "source")
	must(t, s.CreateFunction(function("a", "id1", "one", 1), two, by("a"))) // slow, but it succeeds
	now = now.Add(disk.SlowFor)
	must(t, s.Health())
}

// A damaged block ends the process when a read or a compaction meets it, with the reason and with
// what to do. Until then everything that is read is right. This test runs itself as that process.
func TestDamagedBlock(t *testing.T) {
	t.Parallel()
	const versions = 200 // more than a block
	id := func(i int) string { return fmt.Sprint("more", i) }
	source := func(i int) string { return strings.Repeat(id(i), 200) }
	if dir := os.Getenv("FAASPOT_TEST_DAMAGED"); dir != "" {
		s, err := Open(Options{Dir: dir, Log: slog.New(slog.NewTextHandler(os.Stdout, nil))})
		must(t, err)
		if os.Getenv("FAASPOT_TEST_COMPACT") != "" {
			must(t, s.PutSetting("x", nil))
			err := s.db.Compact(context.Background(), []byte{0}, []byte{0xFF}, false)
			t.Fatalf("the compaction returns %v", err)
		}
		for i := range versions {
			v, err := s.GetVersion("a", id(i), 1)
			if err != nil || string(v.Source) != source(i) {
				t.Fatalf("version %d has the source %.40q, %v", i, v.Source, err)
			}
			fmt.Println("right")
		}
		t.Fatal("everything can be read")
	}
	for _, at := range []string{"read", "compact"} {
		dir := filepath.Join(fastDir(t), "store")
		s, err := Open(Options{Dir: dir, Log: quiet})
		must(t, err)
		for i := range versions {
			must(t, s.CreateFunction(function("a", id(i), id(i), 1), version(id(i), 1, source(i)), by("a")))
		}
		must(t, s.Close())
		flip(t, vfs.Default, largestTable(t, vfs.Default, dir))
		env := []string{"FAASPOT_TEST_DAMAGED=" + dir}
		if at == "compact" {
			env = append(env, "FAASPOT_TEST_COMPACT=1")
		}
		out, err := runSelf("TestDamagedBlock", env...)
		exit, ok := errors.AsType[*exec.ExitError](err)
		if !ok || exit.ExitCode() != 1 || at == "read" && !bytes.Contains(out, []byte("right")) {
			t.Errorf("%s: it ended with %v and printed\n%s", at, err, out)
		}
		for _, part := range []string{"cannot read the data folder " + dir + ": it is damaged", ".sst", "restore the folder from a backup"} {
			if !bytes.Contains(out, []byte(part)) {
				t.Errorf("%s: it printed no %q:\n%s", at, part, out)
			}
		}
	}
}

func largestTable(t *testing.T, fs vfs.FS, dir string) (largest string) {
	t.Helper()
	files, err := fs.List(dir)
	must(t, err)
	var size int64
	for _, file := range files {
		info, err := fs.Stat(fs.PathJoin(dir, file))
		must(t, err)
		if strings.HasSuffix(file, ".sst") && info.Size() > size {
			largest, size = fs.PathJoin(dir, file), info.Size()
		}
	}
	return largest
}

// flip damages a byte in the middle of a file.
func flip(t *testing.T, fs vfs.FS, file string) {
	t.Helper()
	f, err := fs.OpenReadWrite(file, vfs.WriteCategoryUnspecified)
	must(t, err)
	info, err := f.Stat()
	must(t, err)
	var b [1]byte
	_, err = f.ReadAt(b[:], info.Size()/2)
	must(t, err)
	b[0] ^= 0xFF
	_, err = f.WriteAt(b[:], info.Size()/2)
	must(t, err)
	must(t, f.Close())
}

// On a disk that results would fill, their ends are refused before the log or a flush could fail.
// Small ends, reads, cancellations and deletions continue; with room again, the ends are accepted.
func TestOutcomesOnAFullDisk(t *testing.T) {
	free := uint64(1 << 40)
	s, c := openOn(t, sizedFS{vfs.NewMem(), &free}, "store"), newClerk()
	two(t, s)
	large, small, cancelled := begin(t, s, c), begin(t, s, c), begin(t, s, c)
	finish := func(x runtime.Execution, size int) error {
		x = ended(x)
		x.State, x.Failure, x.Result = runtime.StateSucceeded, nil, storetest.Noise(size)
		settled, err := s.Finish([]runtime.Execution{x}, c.at)
		if err == nil {
			err = settled[0].Err
		}
		return err
	}
	free = DefaultMinFree / 2
	wantCode(t, finish(large, 6*runtime.MiB+DefaultMinFree/8), runtime.CodeUnavailable)
	must(t, finish(small, 100))
	if x, err := s.GetExecution(large.Tenant, large.ID); err != nil || x.State != runtime.StateRunning {
		t.Errorf("it is read as %s, %v", x.State, err)
	}
	free = 3 << 20
	wantCode(t, finish(large, 100), runtime.CodeUnavailable)
	if _, changed, err := s.Cancel(cancelled.Tenant, cancelled.ID, c.at); err != nil || !changed {
		t.Errorf("cancelled: %v, %v", changed, err)
	}
	must(t, s.DeleteFunction("a", "id2", by("a")))
	free = 0
	_, _, err := s.Cancel(large.Tenant, large.ID, c.at)
	wantCode(t, err, runtime.CodeUnavailable)
	if _, err := s.ListExecutions(large.Tenant, runtime.ExecutionFilter{}, "", 10); err != nil {
		t.Error(err)
	}
	free = 1 << 40
	must(t, finish(large, 6*runtime.MiB))
	checkInvariants(t, s)
}

// A log that cannot be written because the disk is full does not end the process: the write waits,
// others are refused meanwhile, and it succeeds when there is room.
func TestLogOnAFullDisk(t *testing.T) {
	alone(t, "it waits for syncs of Pebble, of which there are none behind a log")
	t.Parallel()
	var full atomic.Bool
	fs := errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind == errorfs.OpFileWrite && strings.HasSuffix(op.Path, ".log") && full.Load() {
			return syscall.ENOSPC
		}
		return nil
	}))
	s := openOn(t, fs, "store")
	two(t, s)
	full.Store(true)
	wrote := make(chan error, 1)
	go func() { wrote <- s.PutSetting("x", []byte("y")) }()
	for s.Health() == nil {
		time.Sleep(time.Millisecond)
	}
	wantCode(t, s.PutSetting("z", nil), runtime.CodeUnavailable)
	wantCode(t, s.DeleteFunction("a", "id2", by("a")), runtime.CodeUnavailable)
	if _, err := s.GetFunctionByName("a", "one"); err != nil {
		t.Errorf("a read: %v", err)
	}
	select {
	case err := <-wrote:
		t.Fatalf("the write returned %v", err)
	default:
	}
	full.Store(false)
	must(t, <-wrote)
	must(t, s.Health())
	if value, err := s.Setting("x"); err != nil || string(value) != "y" {
		t.Errorf("stored is %q, %v", value, err)
	}
	checkInvariants(t, s)
}

// A server restarts on a full disk that has no ballast: it binds the jobs of an earlier release and
// ends the attempts that its predecessor lost, so that it can free room.
func TestRestartOnAFullDisk(t *testing.T) {
	free, mem := uint64(1<<40), vfs.NewMem()
	s, c := openOn(t, sizedFS{mem, &free}, "store"), newClerk()
	two(t, s)
	job := runtime.Job{ID: runtime.NewID(), Tenant: "a", Name: "job", Revision: 1, Created: start, Updated: start, Spec: runtime.JobSpec{Function: "one"}}
	must(t, s.CreateJob(job))
	again, cause := begin(t, s, c), begin(t, s, c)
	_, _, err := s.Accept(c.batch(1), nil)
	must(t, err)
	must(t, s.Close())
	free = 8 << 20
	s = openOn(t, sizedFS{mem, &free}, "store")
	if j, err := s.GetJobByID("a", job.ID); err != nil || j.Spec.FunctionID != "id1" {
		t.Errorf("the job is bound to %q, %v", j.Spec.FunctionID, err)
	}
	must(t, s.SetSuspicion([]runtime.SuspicionChange{{
		Tenant: again.Tenant, ID: again.ID, Attempt: again.Attempt, Suspicion: runtime.Suspicion{Charges: 1, Probation: runtime.ProbationAlone},
	}}))
	again.State, again.Outcome, again.LostAttempts = runtime.StateQueued, runtime.Outcome{}, 1
	cause.State, cause.Finished, cause.LostAttempts = runtime.StateFailed, c.at, 3
	cause.Outcome = runtime.Outcome{Failure: &runtime.Failure{Class: runtime.ClassCrashed, Message: strings.Repeat("it ended. ", 16)}}
	settled, err := s.Finish([]runtime.Execution{again, cause}, c.at)
	must(t, errors.Join(err, settled[0].Err, settled[1].Err))
	if x, err := s.GetExecution(cause.Tenant, cause.ID); err != nil || x.State != runtime.StateFailed {
		t.Errorf("the cause is %s, %v", x.State, err)
	}
	dropAll(t, s, c.at)
	checkInvariants(t, s)
}

// totalFS is a disk with given sizes.
type totalFS struct {
	vfs.FS
	free, total *uint64
}

func (fs totalFS) GetDiskUsage(string) (vfs.DiskUsage, error) {
	return vfs.DiskUsage{AvailBytes: *fs.free, TotalBytes: *fs.total}, nil
}

// The ballast has the size that is set, else a part of the disk. It is given up for a deletion on a full
// disk, written again when there is room for it twice besides the floor, and not at all if it is off.
func TestBallast(t *testing.T) {
	mem, free, total := vfs.NewMem(), uint64(1<<40), uint64(64<<20)
	open := func(size int64) *Store {
		o := options(totalFS{mem, &free, &total}, "store")
		o.Ballast = size
		s, err := Open(o)
		must(t, err)
		return s
	}
	for _, c := range []struct{ size, want int64 }{{0, 4 << 20}, {3 << 20, 3 << 20}, {-1, 0}, {2 << 20, 2 << 20}} {
		s := open(c.size)
		if got := s.Disk().Ballast; got != c.want {
			t.Errorf("a ballast of %d has %d bytes", c.size, got)
		}
		info, err := mem.Stat(mem.PathJoin("store", disk.BallastName))
		if c.want == 0 != (err != nil) || err == nil && info.Size() != c.want {
			t.Errorf("the file of %d is %v, %v", c.size, info, err)
		}
		must(t, s.Close())
	}
	s := open(2 << 20)
	defer s.Close()
	two(t, s)
	d := s.Disk()
	if d.Problem != nil || d.Floor != 8<<20 || d.Total != total || d.Free != free {
		t.Errorf("the state is %+v", d)
	}
	free = 0
	_ = s.DeleteFunction("a", "id1", by("a")) // this disk has no room without its ballast either
	if d := s.Disk(); d.Ballast != 0 || d.Problem == nil {
		t.Errorf("on a full disk the state is %+v", d)
	}
	free = d.Floor + 2*2<<20 - 1
	must(t, s.Expire(start, runtime.Retention{}))
	if got := s.Disk().Ballast; got != 0 {
		t.Errorf("without room for it, the ballast has %d bytes", got)
	}
	free++
	must(t, s.Expire(start, runtime.Retention{}))
	if got := s.Disk().Ballast; got != 2<<20 {
		t.Errorf("with room again, the ballast has %d bytes", got)
	}
}

// A ballast that a killed process has not written completely gets its size at the next start.
func TestBallastIsCompleted(t *testing.T) {
	mem, free, total := vfs.NewMem(), uint64(1<<40), uint64(64<<20)
	for _, left := range []int{0, 1 << 20, 4 << 20} {
		must(t, mem.MkdirAll("store", 0o755))
		f, err := mem.Create(mem.PathJoin("store", disk.BallastName), vfs.WriteCategoryUnspecified)
		must(t, err)
		_, err = f.Write(make([]byte, left))
		must(t, errors.Join(err, f.Close()))
		s, err := Open(options(totalFS{mem, &free, &total}, "store"))
		must(t, err)
		info, err := mem.Stat(mem.PathJoin("store", disk.BallastName))
		must(t, err)
		if held := s.Disk().Ballast; held != 4<<20 || info.Size() != held {
			t.Errorf("of %d bytes, the ballast has become %d, and the file %d", left, held, info.Size())
		}
		must(t, s.Close())
	}
}

// The floor of a small disk is an eighth of it; the log says once when it is crossed.
func TestDefaultFloor(t *testing.T) {
	for total, want := range map[uint64]uint64{0: DefaultMinFree, 1 << 20: 8 << 20, 100 << 20: 100 << 20 / 8, 1 << 40: DefaultMinFree} {
		if got := DefaultFloor(total); got != want {
			t.Errorf("of %d bytes it is %d, want %d", total, got, want)
		}
	}
	var log bytes.Buffer
	free, total := uint64(1<<40), uint64(256<<20)
	o := options(totalFS{vfs.NewMem(), &free, &total}, "store")
	o.Log, o.MinFree = slog.New(slog.NewTextHandler(&log, nil)), 24<<20
	s, err := Open(o)
	must(t, err)
	defer s.Close()
	if d := s.Disk(); d.Floor != 24<<20 {
		t.Errorf("the floor that was set is %d", d.Floor)
	}
	for _, free = range []uint64{23 << 20, 25 << 20, 23 << 20, 26 << 20, 1 << 40, 23 << 20, 27 << 20} {
		_ = s.Health()
	}
	if full, room := strings.Count(log.String(), "nothing new is accepted"), strings.Count(log.String(), "new work is accepted"); full != 2 || room != 2 {
		t.Errorf("the log has %d and %d lines: %s", full, room, log.String())
	}
}
