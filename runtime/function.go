package runtime

import (
	"bytes"
	"encoding/json"
	"time"
)

// Tenant names the owner of functions, executions and jobs. A tenant sees nothing of other
// tenants.
type Tenant string

// DefaultTenant owns everything on a server that defines no tenants.
const DefaultTenant Tenant = "default"

// Function is a name under which code can be run. A run executes its current [Version].
type Function struct {
	ID      string // UUID; stays the same when the function is renamed
	Tenant  Tenant
	Name    string
	Version uint64 // number of the current version, from 1
	Created time.Time
	Updated time.Time
	// Paused says that no background run of the function begins, tasks of jobs included. They are accepted, and
	// queued until it is resumed. Blocking runs go on.
	Paused bool
}

// Version is one state of a function's code, context and limits. A version never changes; the
// store holds the last [KeptVersions].
type Version struct {
	FunctionID string
	Number     uint64 // from 1, without gaps, per function
	Name       string // name of the function when the version was deployed; the file name in tracebacks
	Source     []byte // Python, UTF-8; of a bundle its [BundleMain]
	Bundle     Bundle // zero: the source is all there is
	Context    []byte // JSON object, including secrets; nil means {}
	Limits     Limits
	Retries    int      // further attempts of background runs after failures of the function, 0 to [MaxRetries]
	Allow      []string // what runs may reach, as [NormalAllow] returns it; empty: nothing
	KeepArgs   *bool    // whether args of up to [MaxKeptArgs] are stored with executions; nil: as the server does
	Created    time.Time
	By         string // user who deployed it, see [Caller]; empty: an earlier release did not record that
}

// CodeBytes returns the size of the source and the context, in bytes.
func (v *Version) CodeBytes() int64 { return int64(len(v.Source) + len(v.Context)) }

// KeptVersions is the number of versions of a function that are stored, including the current
// one.
const KeptVersions = 10

// FunctionSpec is a request to create a function.
type FunctionSpec struct {
	Tenant  Tenant
	Name    string
	Source  []byte
	Bundle  Bundle          // whose main file Source is; zero: none
	Context json.RawMessage // JSON object; empty means {}
	Limits  Limits
	Retries int      // see [Version]
	Allow   []string // see [Version]; in any form that [ParseAllow] accepts
	// KeepArgs: see [Version].
	KeepArgs *bool
	UserID   string // see [Caller]
	// IdempotencyKey: see [SubmitRequest].
	IdempotencyKey string
}

// FunctionUpdate is a request to change a function. Nil fields stay unchanged.
type FunctionUpdate struct {
	Tenant  Tenant
	Name    string // current name
	NewName *string
	Source  []byte        // replaces a bundle, too
	Bundle  *BundleUpload // a new bundle; Source is then its main file
	Context json.RawMessage
	// ContextPatch changes single values of the context, see [PatchContext]. It excludes Context and Create.
	ContextPatch json.RawMessage
	Timeout      *time.Duration
	Memory       *int64   // bytes
	Retries      *int     // see [Version]
	Allow        []string // see [FunctionSpec]; replaces the whole list, an empty one is not nil
	// KeepArgs: see [Version].
	KeepArgs *bool
	Create   bool // create the function if there is none of this name; needs Source, and excludes NewName
	// Restore is the number of a stored version that the new one is equal to. It excludes all other
	// changes. Zero: none.
	Restore     uint64
	KeepContext bool         // with Restore: keep the context of the current version
	If          Precondition // what the function must be
	UserID      string       // see [Caller]
	// IdempotencyKey: see [SubmitRequest].
	IdempotencyKey string
}

// FunctionPause is a request to pause a function or to resume it.
type FunctionPause struct {
	Tenant Tenant
	Name   string
	Paused bool
	UserID string // see [Caller]
}

// FunctionDeletion is a request to delete a function.
type FunctionDeletion struct {
	Tenant Tenant
	Name   string
	UserID string // see [Caller]
	// IdempotencyKey: see [SubmitRequest].
	IdempotencyKey string
}

// MaxName is the maximum length of a function name, in bytes.
const MaxName = 128

// ValidateName checks a function name: 1 to [MaxName] characters of A-Z a-z 0-9 - _ . that do not
// start with a dot or a dash.
func ValidateName(name string) error {
	ok := name != "" && len(name) <= MaxName && name[0] != '.' && name[0] != '-'
	for i := 0; ok && i < len(name); i++ {
		c := name[i]
		ok = c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_' || c == '.'
	}
	if !ok {
		return Errorf(CodeInvalidArgument, "the function name is not valid").
			WithHint("use 1 to 128 of the characters A-Z a-z 0-9 - _ . and do not start with a dot or a dash")
	}
	return nil
}

// OnlyRenames reports whether the update changes nothing that is part of a version.
func (u FunctionUpdate) OnlyRenames() bool {
	return u.Restore == 0 && u.changesNothing()
}

// changesNothing reports whether no part of a version is set.
func (u FunctionUpdate) changesNothing() bool {
	return u.Source == nil && u.Bundle == nil && u.Context == nil && u.ContextPatch == nil && u.Timeout == nil && u.Memory == nil && u.Retries == nil && u.Allow == nil && u.KeepArgs == nil
}

// NextVersion returns the version after the update, where f is the updated function and old is
// its version before, or the one to restore.
func (u FunctionUpdate) NextVersion(f Function, old Version) Version {
	v := old
	v.Number, v.Name, v.Created, v.By = f.Version, f.Name, f.Updated, u.UserID
	if u.Source != nil {
		v.Source, v.Bundle = bytes.Clone(u.Source), Bundle{}
	}
	if u.Bundle != nil {
		v.Bundle = u.Bundle.Bundle
	}
	if u.Context != nil {
		v.Context = bytes.Clone(u.Context)
	}
	if u.Timeout != nil {
		v.Limits.Timeout = *u.Timeout
	}
	if u.Memory != nil {
		v.Limits.Memory = *u.Memory
	}
	if u.Retries != nil {
		v.Retries = *u.Retries
	}
	if u.Allow != nil {
		v.Allow = storedAllow(u.Allow)
	}
	if u.KeepArgs != nil {
		v.KeepArgs = u.KeepArgs
	}
	return v
}

// FirstVersion returns the first version of the function, where f is the function.
func (s FunctionSpec) FirstVersion(f Function) Version {
	return Version{
		FunctionID: f.ID,
		Number:     f.Version,
		Name:       f.Name,
		Source:     bytes.Clone(s.Source),
		Bundle:     s.Bundle,
		Context:    bytes.Clone(s.Context),
		Limits:     s.Limits,
		Retries:    s.Retries,
		Allow:      storedAllow(s.Allow),
		KeepArgs:   s.KeepArgs,
		Created:    f.Created,
		By:         s.UserID,
	}
}

// storedAllow returns the form of a valid allow list that a version has: nil if it is empty.
func storedAllow(texts []string) []string {
	normal, err := NormalAllow(texts)
	if err != nil || len(normal) == 0 { // what is not valid allows nothing
		return nil
	}
	return normal
}

// Spec returns the function to create if there is none to update. Nil fields have their defaults.
func (u FunctionUpdate) Spec() FunctionSpec {
	v := u.NextVersion(Function{}, Version{})
	return FunctionSpec{
		Tenant: u.Tenant, Name: u.Name, Source: v.Source, Bundle: v.Bundle, Context: v.Context, Limits: v.Limits, Retries: v.Retries,
		Allow: v.Allow, KeepArgs: v.KeepArgs, UserID: u.UserID, IdempotencyKey: u.IdempotencyKey,
	}
}

// Validate checks all of the request that can be checked without running the code.
func (s FunctionSpec) Validate() error {
	if s.Tenant == "" {
		return Errorf(CodeInvalidArgument, "the tenant is missing")
	}
	if err := ValidateName(s.Name); err != nil {
		return err
	}
	if err := checkSource(s.Source); err != nil {
		return err
	}
	if err := ValidateObject("context", s.Context, MaxContext); err != nil {
		return err
	}
	if err := checkRetries(s.Retries); err != nil {
		return err
	}
	if _, err := ParseAllow(s.Allow); err != nil {
		return err
	}
	return s.Limits.Validate()
}

// Validate checks all of the request that can be checked without running the code.
func (u FunctionUpdate) Validate() error {
	if err := ValidateName(u.Name); err != nil {
		return err
	}
	if u.Create && (u.Source == nil || u.NewName != nil) {
		return Errorf(CodeInvalidArgument, "to create or update a function needs its code, and no new name")
	}
	if u.ContextPatch != nil && (u.Create || u.Context != nil) {
		return Errorf(CodeInvalidArgument, "a context is either replaced or patched, and only that of a function that exists is patched")
	}
	if u.Restore != 0 && (u.Create || u.NewName != nil || !u.changesNothing()) {
		return Errorf(CodeInvalidArgument, "to restore a version excludes all other changes")
	}
	if u.NewName == nil && u.OnlyRenames() {
		return Errorf(CodeInvalidArgument, "the update changes nothing").
			WithHint("set at least one of code, context, timeout, memory, retries, allow, keep_args and a new name")
	}
	if u.NewName != nil {
		if err := ValidateName(*u.NewName); err != nil {
			return err
		}
	}
	if u.Source != nil {
		if err := checkSource(u.Source); err != nil {
			return err
		}
	}
	if u.Retries != nil {
		if err := checkRetries(*u.Retries); err != nil {
			return err
		}
	}
	if _, err := ParseAllow(u.Allow); err != nil {
		return err
	}
	if err := ValidateObject("context patch", u.ContextPatch, MaxContext); err != nil {
		return err
	}
	return ValidateObject("context", u.Context, MaxContext)
}

// FunctionDetail is a function with its current version.
type FunctionDetail struct {
	Function   Function
	Version    Version
	RunImports []string // modules that runs import, see [Sandbox]
	KeepsArgs  bool     // whether args are stored with executions, see [Version]
}
