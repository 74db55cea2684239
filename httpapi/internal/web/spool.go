package web

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/faaspot/faaspot/runtime"
)

const (
	// MaxSpooled and MaxUploads bound the uploads that are on disk at once, in bytes and in number. A
	// tenant may have as much of each as it leaves free: one alone half, each of two a third, and
	// another always finds a place.
	MaxSpooled = 512 * runtime.MiB
	MaxUploads = 64
	// spoolRetry is the Retry-After of an upload that there is no room for.
	spoolRetry = 5 * time.Second
)

// Spool holds the bodies of requests on disk that are too large for memory. Its methods may be called
// concurrently.
type Spool struct {
	dir string

	mu      sync.Mutex
	all     spooled
	tenants map[runtime.Tenant]spooled
}

// spooled is what uploads take.
type spooled struct {
	bytes int64
	count int
}

// uploadPrefix begins the names of the files, which they have for a moment.
const uploadPrefix = "upload-"

// NewSpool returns a Spool that has its files in a folder, which is created for the first one. It
// removes what a process that was killed has left there. Empty: the folder of the system for temporary
// files.
func NewSpool(dir string) *Spool {
	if dir != "" {
		// What is left takes room, and nothing else.
		_ = runtime.ClearFolder(dir, uploadPrefix)
	}
	return &Spool{dir: dir, tenants: make(map[runtime.Tenant]spooled)}
}

// Open returns an upload of at most some bytes. The caller must remove it. The error is CodeTooBusy if
// too much is on disk.
func (s *Spool) Open(tenant runtime.Tenant, limit int64) (*Upload, error) {
	if err := s.take(tenant, limit); err != nil {
		return nil, err
	}
	file, err := s.create()
	if err != nil {
		s.give(tenant, limit)
		return nil, spoolError(err)
	}
	return &Upload{spool: s, tenant: tenant, limit: limit, file: file, hash: sha256.New()}, nil
}

// create returns a file that has no name, so that it is gone with the process.
func (s *Spool) create() (*os.File, error) {
	if s.dir != "" {
		if err := os.MkdirAll(s.dir, 0o700); err != nil {
			return nil, err
		}
	}
	file, err := os.CreateTemp(s.dir, uploadPrefix)
	if err != nil {
		return nil, err
	}
	if err := os.Remove(file.Name()); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

func (s *Spool) take(tenant runtime.Tenant, n int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	one := s.tenants[tenant]
	if one.count+1 > MaxUploads-(s.all.count+1) || one.bytes+n > MaxSpooled-(s.all.bytes+n) {
		err := runtime.Errorf(runtime.CodeTooBusy, "too many bundles are being uploaded").WithHint("try again in a moment, and deploy fewer bundles at once")
		err.RetryAfter = spoolRetry
		return err
	}
	s.all = spooled{s.all.bytes + n, s.all.count + 1}
	s.tenants[tenant] = spooled{one.bytes + n, one.count + 1}
	return nil
}

func (s *Spool) give(tenant runtime.Tenant, n int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all = spooled{s.all.bytes - n, s.all.count - 1}
	one := s.tenants[tenant]
	if one = (spooled{one.bytes - n, one.count - 1}); one.count == 0 {
		delete(s.tenants, tenant)
	} else {
		s.tenants[tenant] = one
	}
}

// Held returns the bytes that uploads may have now, and their number.
func (s *Spool) Held() (bytes int64, count int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.all.bytes, s.all.count
}

// Upload is the body of one request on disk. Its methods, except for ReadAt, must not be called
// concurrently.
type Upload struct {
	spool  *Spool
	tenant runtime.Tenant
	limit  int64 // bytes that are taken
	file   *os.File
	hash   hash.Hash
	size   int64 // bytes written
}

// Write appends to the upload.
func (u *Upload) Write(p []byte) (int, error) {
	if u.size+int64(len(p)) > u.limit {
		return 0, runtime.Internal("httpapi.spool", fmt.Errorf("an upload of more than its %d bytes", u.limit))
	}
	n, err := u.file.Write(p)
	u.size += int64(n)
	_, _ = u.hash.Write(p[:n])
	if err != nil {
		return n, spoolError(err)
	}
	return n, nil
}

// spoolError returns the error of a disk that does not take an upload.
func spoolError(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		full := runtime.Errorf(runtime.CodeUnavailable, "the disk is full, so the bundle cannot be received").
			WithHint("free some space on the disk of the server's data folder")
		full.RetryAfter = spoolRetry
		return full
	}
	return runtime.Internal("httpapi.spool", err)
}

// ReadAt reads what was written.
func (u *Upload) ReadAt(p []byte, off int64) (int, error) { return u.file.ReadAt(p, off) }

// Bundle returns the id and the size of what was written.
func (u *Upload) Bundle() runtime.Bundle {
	return runtime.Bundle{ID: runtime.BundleID(u.hash.Sum(nil)), Bytes: u.size}
}

// Remove removes the upload, which must not be used afterwards. It is not called Close, because the
// library closes what belongs to a request.
func (u *Upload) Remove() {
	_ = u.file.Close() // nobody reads what was written
	u.spool.give(u.tenant, u.limit)
}

// SetUpload sets the body of a request that is on disk.
func SetUpload(ctx *fasthttp.RequestCtx, u *Upload) { ctx.SetUserValue(keyUpload, u) }

// UploadOf returns the body of a request to a route that [Route.Spools].
func UploadOf(ctx *fasthttp.RequestCtx) *Upload {
	u, _ := ctx.UserValue(keyUpload).(*Upload)
	return u
}

// BodySize returns the size of the body of a request that was read, in bytes.
func BodySize(ctx *fasthttp.RequestCtx) int {
	if u := UploadOf(ctx); u != nil {
		return int(u.size)
	}
	return len(ctx.Request.Body())
}
