package sandbox

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/memory"
)

// openWithDisk opens a box that stores images on disk, or skips the test where there is none.
func openWithDisk(t *testing.T, o Options) *Sandbox {
	t.Helper()
	o.ImageDir = filepath.Join(t.TempDir(), "images")
	box := openBox(t, o)
	if box.files.store == nil {
		t.Skip("the folder for temporary files is in memory")
	}
	box.images.keep, box.images.moving, box.pool.spare = 0, time.Minute, 0
	dropNewest(t, box)
	return box
}

// named is a program that returns a name which its module body draws, and whether its data is
// intact, to which it then writes.
func named(bytes int) string {
	return fmt.Sprintf(`
import uuid
made = str(uuid.uuid4())
data = bytearray(b"x") * %d
def main(args, context):
    intact = data.count(b"x") == len(data)
    for i in range(0, len(data), 4096): data[i] = 7
    return [made, intact]
`, bytes)
}

// TestImagesMoveToDisk takes the memory of images away: they are moved to disk, and runs use them
// there without another run of the module body.
func TestImagesMoveToDisk(t *testing.T) {
	for name, portable := range map[string]bool{"mapped": false, "copied": true} {
		t.Run(name, func(t *testing.T) {
			box := openWithDisk(t, Options{IdleSlots: 2, Portable: portable})
			var functions []runtime.Program
			var made []string
			for _, size := range []int{0, 100_000, 3 * runtime.MiB, 20 * runtime.MiB, 70 * runtime.MiB} {
				p := deployed(t, box, named(size), runtime.Limits{})
				functions = append(functions, p)
				made = append(made, result(t, box, p, "{}"))
			}
			for range 2 {
				settle(box) // a slot that is being closed holds its image
				box.reclaimSlots(math.MaxInt64)
				box.reclaimImages(math.MaxInt64)
				for i, p := range functions {
					img := box.images.get(keyOf(p))
					if img == nil {
						t.Fatalf("image %d was dropped", i)
					}
					if !img.onDisk() {
						t.Errorf("image %d is in memory", i)
					}
					img.release()
					for range 2 {
						if got := result(t, box, p, "{}"); got != made[i] {
							t.Errorf("a run of function %d returned %s, want %s", i, got, made[i])
						}
						if s := newest(box); s != nil && s.image != nil {
							if at := unequal(s); at >= 0 {
								t.Errorf("a slot of function %d differs from its image at %d", i, at)
							}
						}
					}
				}
			}
			if got := box.accounts.images.mapped.Held(); got != 0 {
				t.Errorf("%d bytes of memory are taken for images on disk", got)
			}
			if box.files.disk < 90*runtime.MiB {
				t.Errorf("%d bytes are on disk", box.files.disk)
			}
			for _, p := range functions {
				box.Forget(p.FunctionID, p.Version)
			}
			settle(box)
			if box.files.disk != 0 || box.files.files != 0 || box.accounts.images.heap.Held() != 0 {
				t.Errorf("%d bytes in %d files are left, and %d bytes of the heap", box.files.disk, box.files.files, box.accounts.images.heap.Held())
			}
		})
	}
}

// TestMovedImageIsNotLost verifies what happens to an image that was used, forgotten or replaced
// while it was moved.
func TestMovedImageIsNotLost(t *testing.T) {
	box := openWithDisk(t, Options{})
	for _, c := range []struct {
		name string
		do   func(p runtime.Program) (release func())
		left bool // the cache still has the image, in memory
	}{
		{"used", func(p runtime.Program) func() { return box.images.get(keyOf(p)).release }, true},
		{"forgotten", func(p runtime.Program) func() { box.Forget(p.FunctionID, p.Version); return func() {} }, false},
		{"deployed again", func(p runtime.Program) func() {
			if _, err := box.Deploy(t.Context(), p); err != nil {
				t.Fatal(err)
			}
			return func() {}
		}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := deployed(t, box, named(3*runtime.MiB), runtime.Limits{})
			found := box.images.unused(math.MaxInt64)
			if len(found) != 1 {
				t.Fatalf("%d images are not used", len(found))
			}
			moved := box.images.move(t.Context(), found[0].image)
			if moved == nil {
				t.Fatal("the image was not moved")
			}
			release := c.do(p)
			if box.images.replace(found[0], moved) || box.images.replace(found[0], nil) {
				t.Error("the image was replaced")
			}
			moved.release()
			found[0].image.release()
			release()
			img := box.images.get(keyOf(p))
			if (img != nil) != c.left {
				t.Fatalf("the cache has the image: %v", img != nil)
			}
			if img != nil {
				if img.onDisk() {
					t.Error("the image is on disk")
				}
				img.release()
			}
			box.Forget(p.FunctionID, p.Version)
			settle(box)
			if box.files.disk != 0 || box.files.files != 0 || box.accounts.images.mapped.Held() != 0 || box.accounts.images.heap.Held() != 0 {
				t.Errorf("%d bytes are on disk, %d files are open", box.files.disk, box.files.files)
			}
		})
	}
}

// TestLargeImagesGoToDisk runs a function for whose image there is no memory beside its own run:
// the image goes to disk at once, and its runs share it.
func TestLargeImagesGoToDisk(t *testing.T) {
	budget := memory.New(200*runtime.MiB, nil)
	box := &reservedBox{budget: budget, runs: budget.Open(memory.Options{Name: "runs"})}
	box.Sandbox = openWithDisk(t, Options{Memory: budget})
	p := box.deploy(t, named(60*runtime.MiB), runtime.Limits{Memory: 128 * runtime.MiB, Tmp: 8 * runtime.MiB})
	made := string(box.call(t, p, "{}").Result)
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for range 3 {
				if got := string(box.call(t, p, "{}").Result); got != made || !strings.HasSuffix(got, ",true]") {
					t.Errorf("got %s, want %s", got, made)
				}
			}
		})
	}
	wg.Wait()
	if box.files.disk < 60*runtime.MiB {
		t.Errorf("%d bytes are on disk", box.files.disk)
	}
}

// TestImagesOnDiskAreBounded verifies that images on disk take at most their share: the least
// recently used are dropped.
func TestImagesOnDiskAreBounded(t *testing.T) {
	const size, fit = 4 * runtime.MiB, 3
	box := openWithDisk(t, Options{ImageDisk: fit*size + size/2})
	var functions []runtime.Program
	made := map[string]string{}
	for range fit + 2 {
		p := deployed(t, box, named(size-size/16), runtime.Limits{})
		functions = append(functions, p)
		made[p.FunctionID] = result(t, box, p, "{}")
		box.reclaimSlots(math.MaxInt64)
		box.reclaimImages(math.MaxInt64)
		if box.files.disk > box.files.mostDisk() {
			t.Errorf("%d bytes are on disk, the limit is %d", box.files.disk, box.files.mostDisk())
		}
	}
	for i := len(functions) - 1; i >= 0; i-- {
		p := functions[i]
		img := box.images.get(keyOf(p))
		if (img != nil) != (i >= 2) {
			t.Errorf("image %d is kept: %v", i, img != nil)
		}
		if img != nil {
			img.release()
		}
	}
	if _, err := box.files.onDisk(size); !errors.Is(err, ErrNoRoom) {
		t.Errorf("a file beyond the share of the disk: %v", err)
	}
	large := deployed(t, box, named(5*size), runtime.Limits{})
	box.reclaimSlots(math.MaxInt64)
	box.reclaimImages(math.MaxInt64)
	if img := box.images.get(keyOf(large)); img != nil {
		t.Error("an image larger than the share of the disk is kept")
	}
	if n := box.images.order.Len(); n != fit {
		t.Errorf("%d images are kept, want %d: others made room in vain", n, fit)
	}
}

// TestDiskThatFails verifies that images which cannot be written are made again for each run, with
// one line in the log, until writing works again.
func TestDiskThatFails(t *testing.T) {
	var log bytes.Buffer
	budget := memory.New(200*runtime.MiB, nil)
	box := &reservedBox{budget: budget, runs: budget.Open(memory.Options{Name: "runs"})}
	box.Sandbox = openWithDisk(t, Options{Memory: budget, Log: slog.New(slog.NewTextHandler(&log, nil))})
	folder := box.files.store.(*Folder)
	dir := folder.dir
	folder.dir = filepath.Join(dir, "absent")
	p := box.deploy(t, named(60*runtime.MiB), runtime.Limits{Memory: 128 * runtime.MiB, Tmp: 8 * runtime.MiB})
	seen := map[string]bool{}
	for range 3 {
		got := string(box.call(t, p, "{}").Result)
		if seen[got] || !strings.HasSuffix(got, ",true]") {
			t.Errorf("got %s, before %v", got, seen)
		}
		seen[got] = true
		// The next run tries to store the image again.
		box.files.retry = time.Time{}
		delete(box.images.unkept, keyOf(p))
	}
	if n := strings.Count(log.String(), "cannot be written to disk"); n != 1 {
		t.Errorf("the log has %d lines about the disk, want 1: %s", n, log.String())
	}
	folder.dir = dir
	made := string(box.call(t, p, "{}").Result)
	if got := string(box.call(t, p, "{}").Result); got != made {
		t.Error("the image is not stored although the disk works again")
	}
}

// TestImagesStayOutOfMemory verifies that a full disk, and a folder in memory, are not written to.
func TestImagesStayOutOfMemory(t *testing.T) {
	if _, err := (&Folder{dir: t.TempDir()}).Create(math.MaxInt64 / 2); err == nil {
		t.Error("a file larger than the disk was created")
	}
	const shm = "/dev/shm"
	if _, err := freeDisk(shm); err == nil {
		t.Skip("the system has no file system in memory")
	}
	dir, err := os.MkdirTemp(shm, "faaspot-test-")
	if err != nil {
		t.Skip(err)
	}
	defer os.RemoveAll(dir)
	if OpenFolder("images", filepath.Join(dir, "images"), 0, 0, slog.Default()) != nil || openImageFiles("images", nil, slog.Default()).diskRoom(time.Now()) != 0 {
		t.Error("images are stored in a folder in memory")
	}
}

// TestImagesLeaveTheFloor verifies that images do not take a disk below the floor that the operator has set.
func TestImagesLeaveTheFloor(t *testing.T) {
	dir := t.TempDir()
	free, err := freeDisk(dir)
	if err != nil || free < 4*storeRoom {
		t.Skip("the folder for temporary files is in memory, or nearly full")
	}
	for _, c := range []struct {
		floor int64
		fits  bool
	}{{0, true}, {free / 2, true}, {free - storeRoom/2, false}, {free, false}, {2 * free, false}} {
		file, err := OpenFolder("images", filepath.Join(dir, "images"), 0, c.floor, slog.Default()).Create(pageSize)
		if (err == nil) != c.fits {
			t.Errorf("with a floor of %d of %d free bytes: %v", c.floor, free, err)
		}
		if err == nil {
			file.Close()
		}
	}
}

// TestImageFolder verifies that nobody can open the files of images by name, and that nothing of an
// earlier or this process is left in their folder, which may be a link to another disk.
func TestImageFolder(t *testing.T) {
	disk, dir := t.TempDir(), filepath.Join(t.TempDir(), "images")
	if err := errors.Join(os.Chmod(disk, 0o755), os.Symlink(disk, dir)); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "image-1"), []byte("left"), 0o644); err != nil {
		t.Fatal(err)
	}
	folder := OpenFolder("images", dir, 0, 0, slog.Default())
	if folder == nil {
		t.Skip("the folder for temporary files is in memory")
	}
	f := openImageFiles("images", folder, slog.Default())
	c, err := f.onDisk(pageSize)
	if err != nil {
		t.Fatal(err)
	}
	defer c.free()
	if err := c.finish(); err != nil {
		t.Fatal(err)
	}
	stat, err := c.file.Stat()
	if err != nil || stat.Mode().Perm() != 0o600 {
		t.Errorf("the file has mode %v, %v", stat.Mode(), err)
	}
	if entries, err := os.ReadDir(dir); len(entries) != 0 || err != nil {
		t.Errorf("the folder has %v, %v", entries, err)
	}
	if stat, err := os.Stat(dir); err != nil || stat.Mode().Perm() != 0o700 {
		t.Errorf("the folder has mode %v, %v", stat.Mode(), err)
	}
	if err := os.WriteFile(filepath.Join(dir, "image-2"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	f.close()
	if entries, err := os.ReadDir(dir); len(entries) != 0 || err != nil {
		t.Errorf("the folder has %v, %v", entries, err)
	}
}

// TestContentOnDiskAscends: a content on disk is written from its start to its end, with zeros where nothing
// was written.
func TestContentOnDiskAscends(t *testing.T) {
	folder := OpenFolder("images", filepath.Join(t.TempDir(), "images"), 0, 0, slog.Default())
	if folder == nil {
		t.Skip("the folder for temporary files is in memory")
	}
	f := openImageFiles("images", folder, slog.Default())
	c, err := f.onDisk(pageSize)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(c.write([]byte("ab"), 1), c.write([]byte("c"), 5)); err != nil {
		t.Error(err)
	}
	if err := c.write([]byte("d"), 2); err == nil {
		t.Error("bytes were written behind others")
	}
	if err := c.finish(); err != nil {
		t.Fatal(err)
	}
	if want := append([]byte("\x00ab\x00\x00c"), make([]byte, pageSize-6)...); !bytes.Equal(c.data, want) {
		t.Errorf("the content is %q", c.data[:10])
	}
	if err := c.write(nil, pageSize); err != nil {
		t.Errorf("nothing was written at the end: %v", err)
	}
	if err := c.write([]byte("e"), pageSize); err == nil {
		t.Error("a complete content was written")
	}
	c.free()
	if f.files != 0 || f.disk != 0 {
		t.Errorf("%d files and %d bytes are left", f.files, f.disk)
	}
}

// TestMemoryFilesAreSealed verifies that nothing can change an image in memory.
func TestMemoryFilesAreSealed(t *testing.T) {
	f := openImageFiles("images", nil, slog.Default())
	c, err := f.open(pageSize, false)
	if err != nil {
		t.Skip(err)
	}
	defer c.free()
	if err := c.write([]byte("x"), 0); err != nil {
		t.Fatal(err)
	}
	if err := c.finish(); err != nil {
		t.Fatal(err)
	}
	if err := c.write([]byte("y"), 0); err == nil || c.data[0] != 'x' {
		t.Errorf("a complete image was changed to %q: %v", c.data[:1], err)
	}
}

// TestImagesWithoutFiles verifies that large images are copied where no file can be created for
// them.
func TestImagesWithoutFiles(t *testing.T) {
	box := openWithDisk(t, Options{IdleSlots: 1})
	box.files.most = 0
	p := deployed(t, box, named(6*runtime.MiB), runtime.Limits{})
	made := result(t, box, p, "{}")
	if got := result(t, box, p, "{}"); got != made {
		t.Errorf("got %s, want %s", got, made)
	}
	s := newest(box)
	if s.image == nil || s.image.stretch.len() > 0 {
		t.Fatal("the image is mapped, or its slot was not restored")
	}
	if at := unequal(s); at >= 0 {
		t.Errorf("the restored memory differs at %d", at)
	}
}
