package storage

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	goruntime "runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/storage/backup"
	"github.com/faaspot/faaspot/storage/internal/disk"
	"github.com/faaspot/faaspot/storage/keyset"
	"github.com/faaspot/faaspot/storage/replog/mem"
)

// unpackBackup writes the store in a backup to a new folder.
func unpackBackup(t *testing.T, archive []byte) (dir string) {
	t.Helper()
	dir = t.TempDir()
	must(t, os.Chmod(dir, dirMode))
	_, err := backup.Read(bytes.NewReader(archive), func(name string, _ int64, content io.Reader) error {
		data, err := io.ReadAll(content)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(dir, name), data, 0o600)
	})
	must(t, err)
	return dir
}

func noCheckpoint(t *testing.T, dir string) {
	t.Helper()
	for _, name := range disk.CheckpointNames {
		if _, err := os.Stat(filepath.Join(dir, name)); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("the files of a backup are left: %v", err)
		}
	}
}

// TestBackupUnderWrites makes backups while others write. Each has all that was acknowledged before it
// began, and is a store without contradictions; none has a secret.
func TestBackupUnderWrites(t *testing.T) {
	alone(t, "a backup that is restored elsewhere has no log")
	t.Run("encrypted", func(t *testing.T) { testBackups(t, newKeys(t)) })
	t.Run("plain", func(t *testing.T) { testBackups(t, nil) }) // the invariants are checked without keys
}

func testBackups(t *testing.T, k *keyset.Keyset) {
	dir := t.TempDir() + "/store"
	s, err := openSealed(t, dir, k)
	must(t, err)
	defer s.Close()

	var written atomic.Int64 // functions whose creation was acknowledged
	stop := make(chan struct{})
	var writers sync.WaitGroup
	defer writers.Wait()
	defer close(stop)
	writers.Go(func() {
		for n := int64(0); ; n++ {
			select {
			case <-stop:
				return
			default:
			}
			id := fmt.Sprintf("w%05d", n)
			v := version(id, 1, strings.Repeat("source", 1000))
			v.Context = []byte(canary)
			if err := s.CreateFunction(function("w", id, id, 1), v, by("w")); err != nil {
				t.Error(err)
				return
			}
			written.Store(n + 1)
		}
	})
	for round := range 3 {
		before := written.Load()
		for written.Load() < before+50 {
			if t.Failed() {
				t.FailNow()
			}
			goruntime.Gosched()
		}
		if round == 1 {
			must(t, s.flush()) // tables as well as logs
		}
		least := written.Load()
		var archive bytes.Buffer
		must(t, s.Backup(context.Background(), "v1", &archive))
		noCheckpoint(t, dir)
		restored := unpackBackup(t, archive.Bytes())
		if found := filesWith(t, restored, canary); k != nil && (len(found) > 0 || bytes.Contains(archive.Bytes(), []byte(canary))) {
			t.Errorf("secrets are in %v of a backup", found)
		}
		r, err := openSealed(t, restored, k)
		must(t, err)
		if k == nil {
			checkInvariants(t, r)
		}
		if v, err := r.GetVersion("w", "w00000", 1); err != nil || string(v.Context) != canary {
			t.Errorf("a secret is %q, %v", v.Context, err)
		}
		for n := range least {
			if _, err := r.GetFunctionByName("w", fmt.Sprintf("w%05d", n)); err != nil {
				t.Fatalf("round %d: function %d of %d: %v", round, n, least, err)
			}
		}
		must(t, r.Close())
	}
}

// A backup of a replica has everything that it had acknowledged, and follows the log from there.
func TestBackupOfAReplica(t *testing.T) {
	shared := mem.New()
	s := openReplica(t, vfs.Default, t.TempDir()+"/store", shared.Client(), false)
	for n := range 20 {
		id := fmt.Sprintf("f%05d", n)
		must(t, s.CreateFunction(function("a", id, id, 1), version(id, 1, "source"), by("a")))
		at, _ := s.Applied()
		var archive bytes.Buffer
		must(t, s.Backup(t.Context(), "v1", &archive))
		r, err := Open(onLog(vfs.Default, unpackBackup(t, archive.Bytes()), shared.Client(), true))
		must(t, err)
		if has, _ := r.Applied(); has != at {
			t.Errorf("the backup has the log up to %v, %v was acknowledged", has, at)
		}
		wantSame(t, "the backup", dump(t, r), dump(t, s))
		must(t, s.PutSetting("a", fmt.Append(nil, n)))
		follow(t, r, s)
		wantSame(t, "the backup, in the log", dump(t, r), dump(t, s))
		must(t, r.Close())
	}
}

// TestTwoBackupsAtOnce lets a client of a backup stop to read. Another backup is made meanwhile, and no third.
func TestTwoBackupsAtOnce(t *testing.T) {
	alone(t, "a backup that is restored elsewhere has no log")
	dir := t.TempDir() + "/store"
	s := openOn(t, vfs.Default, dir)
	two(t, s)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	stall := func() {
		began := make(chan struct{})
		go func() {
			once := sync.OnceFunc(func() { close(began) })
			done <- s.Backup(ctx, "v1", writerFunc(func(p []byte) (int, error) {
				once()
				<-ctx.Done() // a client that does not read
				return len(p), nil
			}))
		}()
		<-began
	}
	stall()
	var beside bytes.Buffer
	must(t, s.Backup(context.Background(), "v1", &beside))
	if _, err := openOn(t, vfs.Default, unpackBackup(t, beside.Bytes())).GetFunctionByName("a", "two"); err != nil {
		t.Errorf("the backup beside another one: %v", err)
	}
	stall()
	wantCode(t, s.Backup(context.Background(), "v1", io.Discard), runtime.CodeConflict)
	two2 := version("id1", 2, "source")
	must(t, s.UpdateFunction(function("a", "id1", "one", 2), &two2, by("a"))) // writes go on
	cancel()
	for range 2 {
		wantCode(t, <-done, runtime.CodeUnavailable)
	}
	noCheckpoint(t, dir)
	var archive bytes.Buffer
	must(t, s.Backup(context.Background(), "v1", &archive))

	broken := errors.New("the disk of the client is full")
	if err := s.Backup(context.Background(), "v1", writerFunc(func([]byte) (int, error) { return 0, broken })); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	noCheckpoint(t, dir)
}

// A backup needs little room of its own, but keeps what is deleted meanwhile: it gives up before the disk
// is too full for the server.
func TestBackupGivesUpOnAFullDisk(t *testing.T) {
	free := uint64(1 << 40)
	mem := vfs.NewMem()
	s := openOn(t, sizedFS{mem, &free}, "store")
	two(t, s)
	err := s.Backup(context.Background(), "v1", writerFunc(func(p []byte) (int, error) {
		free = DefaultMinFree - 1
		return len(p), nil
	}))
	wantCode(t, err, runtime.CodeUnavailable)
	wantCode(t, s.Backup(context.Background(), "v1", io.Discard), runtime.CodeUnavailable)
	if _, err := mem.Stat("store/" + disk.CheckpointNames[0]); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the files of a backup are left: %v", err)
	}
	free = 1 << 40
	must(t, s.Backup(context.Background(), "v1", io.Discard))
}

func TestFilesOfAKilledBackupAreRemoved(t *testing.T) {
	dir := t.TempDir() + "/store"
	s := openOn(t, vfs.Default, dir)
	two(t, s)
	for _, name := range disk.CheckpointNames {
		must(t, s.checkpoint(filepath.Join(dir, name)))
	}
	must(t, s.Close())
	for _, name := range disk.CheckpointNames {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	s = openOn(t, vfs.Default, dir)
	noCheckpoint(t, dir)
	if _, err := s.GetFunctionByName("a", "two"); err != nil {
		t.Error(err)
	}
}

func TestInspect(t *testing.T) {
	dir, k := t.TempDir()+"/store", newKeys(t)
	s, err := openSealed(t, dir, nil)
	must(t, err)
	two(t, s) // by an earlier release, without encryption
	must(t, s.Close())
	s, err = openSealed(t, dir, k)
	must(t, err)
	putSecrets(t, s, "three")
	must(t, s.Close())

	inspect := func(k *keyset.Keyset) (Inspection, error) { return Inspect(InspectOptions{Dir: dir, Keys: k}) }
	i, err := inspect(nil)
	if err != nil || i.Tenants != 2 || i.Functions != 3 || i.Plain != 2 || i.Encrypted == 0 || !i.NeedsKeys || i.Keys || i.Records == 0 || i.Bytes == 0 {
		t.Errorf("without keys: %+v, %v", i, err)
	}
	withKeys, err := inspect(k)
	if i.Keys = true; err != nil || withKeys != i {
		t.Errorf("with the keys: %+v, %v", withKeys, err)
	}
	if _, err := inspect(newKeys(t)); err == nil || !strings.Contains(err.Error(), "keys that are not given") {
		t.Errorf("with other keys: %v", err)
	}
	if _, err := Inspect(InspectOptions{Dir: t.TempDir()}); err == nil || !strings.Contains(err.Error(), "not a store") {
		t.Errorf("an empty folder: %v", err)
	}
	s, err = openSealed(t, dir, k)
	must(t, err)
	if _, err := inspect(k); err == nil || !strings.Contains(err.Error(), "another process uses it") {
		t.Errorf("a folder that is used: %v", err)
	}
	must(t, s.Close())

	tables, err := filepath.Glob(dir + "/*.sst")
	must(t, err)
	for _, table := range tables {
		good, err := os.ReadFile(table)
		must(t, err)
		bad := bytes.Clone(good)
		bad[0] ^= 1 // in the first block of records
		must(t, os.WriteFile(table, bad, 0o600))
		if _, err := inspect(k); err == nil || !strings.Contains(err.Error(), "damaged") {
			t.Errorf("%s is damaged: %v", filepath.Base(table), err)
		}
		must(t, os.WriteFile(table, good, 0o600))
	}
	if _, err := inspect(k); err != nil || len(tables) == 0 {
		t.Errorf("%d tables; repaired: %v", len(tables), err)
	}
}

// TestBreakdown checks that what takes room adds up to what counts towards the limits of tenants.
func TestBreakdown(t *testing.T) {
	s := openOn(t, vfs.NewMem(), "store")
	for n, tenant := range []runtime.Tenant{"a", "b", "c"} {
		for i := range 3 * (n + 1) {
			id := fmt.Sprintf("%s%d", tenant, i)
			must(t, s.CreateFunction(function(tenant, id, id, 1), version(id, 1, strings.Repeat("s", 1000)), with(by(tenant), func(c *runtime.Change) {
				c.Execution.FunctionID, c.Execution.Function = id, id
			})))
		}
	}
	b, err := s.Breakdown(100)
	must(t, err)
	if len(b.Tenants) != 3 || b.Tenants[0].Tenant != "c" || b.Tenants[2].Tenant != "a" || len(b.Functions) != 18 {
		t.Fatalf("%+v", b)
	}
	for _, tenant := range b.Tenants {
		stored := s.Stored(tenant.Tenant)
		if tenant.Code+tenant.Bundles != stored.Code || tenant.Unfinished+tenant.Executions != stored.Bytes {
			t.Errorf("%+v, but the limits count %+v", tenant, stored)
		}
		var executions int64
		for _, f := range b.Functions {
			if f.Tenant == tenant.Tenant {
				executions += f.Bytes
			}
		}
		if executions != tenant.Executions {
			t.Errorf("the functions of %s have %d bytes of %d", tenant.Tenant, executions, tenant.Executions)
		}
	}
	if b, err := s.Breakdown(2); err != nil || len(b.Tenants) != 2 || len(b.Functions) != 2 {
		t.Errorf("%+v, %v", b, err)
	}
}
