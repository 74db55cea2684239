package runtime

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
)

// Bounds of a bundle.
const (
	MaxBundle         = 50 * MiB  // bytes of the zip
	MaxBundleUnpacked = 250 * MiB // bytes of all of its files
	MaxBundleFiles    = 25_000    // its files and folders

	// MaxBundleDeploy is the longest time that the deployment of a bundle may take.
	MaxBundleDeploy = DefaultTimeout
)

// BundleMain is the file of a bundle that defines main(args, context), at its root.
const BundleMain = "main.py"

// BundleID identifies the content of a bundle: the SHA-256 of its zip.
type BundleID [sha256.Size]byte

// String returns the id as 64 hexadecimal digits.
func (id BundleID) String() string { return hex.EncodeToString(id[:]) }

// Bundle is a zip with a function's files: [BundleMain], its modules, packages and data. The zero
// Bundle means that the function is a single file.
type Bundle struct {
	ID    BundleID
	Bytes int64 // of the zip, at most [MaxBundle]
}

// IsZero reports whether there is no bundle.
func (b Bundle) IsZero() bool { return b.Bytes == 0 }

// BundleUpload is a bundle to deploy. The content must not change until the request is answered.
type BundleUpload struct {
	Bundle
	Content io.ReaderAt
}

// BundleSource returns the content of bundles that a tenant has stored.
type BundleSource interface {
	// ReadBundle writes the zip of a bundle to w. The error is CodeNotFound if the tenant has no such
	// bundle.
	ReadBundle(ctx context.Context, tenant Tenant, id BundleID, w io.Writer) error
}

// GuestBuild identifies the interpreter that compiles bundles to bytecode: a hash of all that it
// consists of.
type GuestBuild [sha256.Size]byte

// BytecodeStore keeps the bytecode of stored bundles, which the same build of the guest would make
// again. The bytecode of a bundle is deleted with the bundle. Methods may be called concurrently.
type BytecodeStore interface {
	// FindBytecode returns the size of the bytecode of a bundle for a build, in bytes; 0 if there is none.
	FindBytecode(tenant Tenant, id BundleID, build GuestBuild) (size int64, err error)
	// ReadBytecode writes the bytecode of a bundle to w. It is an error if it is not what was stored.
	ReadBytecode(ctx context.Context, tenant Tenant, id BundleID, build GuestBuild, w io.Writer) error
	// StoreBytecode stores size bytes of bytecode of a bundle, in place of that of another build. The
	// bundle must be stored, and used by a version or held.
	StoreBytecode(ctx context.Context, tenant Tenant, id BundleID, build GuestBuild, size int64, content io.Reader) error
}

// BundleStore stores bundles, each once per tenant however many versions use it.
type BundleStore interface {
	BundleSource
	// StageBundle stores a bundle durably, unless the tenant has it already. A bundle that no version
	// uses is deleted after release was called, or at the next start.
	StageBundle(ctx context.Context, tenant Tenant, b Bundle, content io.Reader) (release func(), err error)
	// HoldBundle keeps a stored bundle, which a version uses or which is held already, until release
	// is called, whatever happens to its versions.
	HoldBundle(tenant Tenant, id BundleID) (release func())
}
