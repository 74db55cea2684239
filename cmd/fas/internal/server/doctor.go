package server

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	goruntime "runtime"
	"strconv"

	"github.com/faaspot/faaspot/cmd/fas/internal/clierror"
	"github.com/faaspot/faaspot/cmd/fas/internal/environ"
	"github.com/faaspot/faaspot/cmd/fas/internal/shell"
	"github.com/faaspot/faaspot/cmd/fas/internal/ui"
	"github.com/faaspot/faaspot/pyguest"
	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/memory"
	"github.com/faaspot/faaspot/storage"
)

// States of a Finding.
const (
	FindingOK      = "ok"
	FindingWarning = "warning" // the server works, but not as well as it could
	FindingProblem = "problem"
	FindingSkipped = "skipped" // it could not be checked
)

// Finding is the result of a check. Names and meanings of the JSON fields stay.
type Finding struct {
	Check  string `json:"check"`
	State  string `json:"state"`
	Detail string `json:"detail"`
	Fix    string `json:"fix"` // what to do; empty: nothing
}

// Ok returns the finding of a check that found nothing wrong.
func Ok(check, format string, args ...any) Finding {
	return Finding{Check: check, State: FindingOK, Detail: fmt.Sprintf(format, args...)}
}

// Failed returns the finding of a check that failed with err, or of one that found nothing wrong.
func Failed(check, state string, err error) Finding {
	f := Finding{Check: check, State: state, Detail: clierror.Message(err)}
	if e, ok := errors.AsType[*runtime.Error](err); ok {
		f.Fix = e.Hint
	}
	return f
}

const (
	// enoughFiles is the number of open files with which a server reaches its own limits first: half are
	// for connections.
	enoughFiles = 4096
	// enoughMemory is the memory with which a server has room for some functions, in bytes.
	enoughMemory = 512 * runtime.MiB
	// enoughProcessors is the number of processors with which a function that computes leaves one to others.
	enoughProcessors = 2
)

// Diagnose checks this machine and the data folder of a server on it, and changes nothing. cache is the folder that the server
// is given for the compiled guest; empty: none.
func Diagnose(o Secrets, cache string) []Finding {
	return []Finding{
		checkGuest(), checkFiles(), checkMachineMemory(), checkProcessors(), checkWalls(), o.checkFolder(), o.checkKeys(), o.checkRoom(), checkCache(cacheFolder(cache, o.Data)),
	}
}

// checkGuest checks that the interpreter in this binary is whole.
func checkGuest() Finding {
	module, err := pyguest.Module()
	if err == nil {
		_, err = pyguest.Files()
	}
	if err != nil {
		f := Failed("interpreter", FindingProblem, err)
		f.Fix = "install the binary again, and compare it with SHA256SUMS"
		return f
	}
	sum := sha256.Sum256(module)
	return Ok("interpreter", "its checksums are right; SHA-256 %s", hex.EncodeToString(sum[:8]))
}

func checkFiles() Finding {
	soft, hard, known := openFiles()
	switch {
	case !known:
		return Finding{Check: "open files", State: FindingSkipped, Detail: "this system does not report its limit"}
	case soft < enoughFiles && hard < enoughFiles:
		return Finding{
			Check: "open files", State: FindingWarning, Detail: fmt.Sprintf("at most %d; half are for connections", hard),
			Fix: fmt.Sprintf("raise the limit: LimitNOFILE=%d in a unit, --ulimit nofile=%d of a container, or ulimit -n", 16*enoughFiles, 16*enoughFiles),
		}
	}
	return Ok("open files", "at most %d", hard)
}

func checkMachineMemory() Finding {
	size := memory.Machine()
	if size < enoughMemory {
		return Finding{
			Check: "memory", State: FindingWarning, Detail: fmt.Sprintf("this machine or its control group has %s", ui.AboutSize(size)),
			Fix: "give it at least " + ui.SizeText(enoughMemory) + ", such as by MemoryMax= of the unit; a function with the default limits takes " + ui.SizeText(usualMemory),
		}
	}
	return Ok("memory", "%s, of which a server takes half without --memory-budget", ui.AboutSize(size))
}

func checkProcessors() Finding {
	n := float64(goruntime.GOMAXPROCS(0))
	if quota := memory.Processors(); quota > 0 { // Go takes at least 2
		n = min(n, quota)
	}
	if n < enoughProcessors {
		return Finding{
			Check: "processors", State: FindingWarning, Detail: processorsText(n),
			Fix: "give the server at least 2, such as by CPUQuota=200% of the unit: a function that computes takes one",
		}
	}
	return Ok("processors", "%s", processorsText(n))
}

// processorsText returns a number of processors, or a part of one, as text.
func processorsText(n float64) string {
	return strconv.FormatFloat(math.Round(100*n)/100, 'f', -1, 64)
}

// checkFolder checks that the data folder is private and can be written.
func (o Secrets) checkFolder() Finding {
	const check = "data folder"
	info, err := os.Stat(o.Data)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return Ok(check, "%s does not exist yet; the first start makes it", o.Data)
	case err != nil:
		return Finding{Check: check, State: FindingProblem, Detail: err.Error(), Fix: "let the user that runs the server own the folder"}
	case !info.IsDir():
		return Finding{Check: check, State: FindingProblem, Detail: o.Data + " is not a folder", Fix: "name another one with --data"}
	case info.Mode().Perm()&0o077 != 0:
		return Finding{
			Check: check, State: FindingWarning, Detail: fmt.Sprintf("other users have access to %s (%v)", o.Data, info.Mode().Perm()),
			Fix: "chmod 700 " + shell.Quote(o.Data),
		}
	}
	f, err := os.CreateTemp(o.Data, ".doctor-*")
	switch {
	case errors.Is(err, fs.ErrPermission):
		return Finding{Check: check, State: FindingProblem, Detail: err.Error(), Fix: "let the user that runs the server own the folder"}
	case err != nil:
		return Finding{Check: check, State: FindingProblem, Detail: err.Error(), Fix: "let the folder be on a disk that can be written and has room"}
	}
	f.Close()
	os.Remove(f.Name())
	return Ok(check, "%s", o.Data)
}

// checkKeys checks that the keys of secrets are there and private, if the folder has data.
func (o Secrets) checkKeys() Finding {
	const check = "keys of secrets"
	if info, err := os.Stat(o.Data); err == nil && !info.IsDir() {
		return Finding{Check: check, State: FindingSkipped, Detail: "there is no data folder"}
	}
	k, err := o.given()
	if err != nil {
		f := Failed(check, FindingProblem, err)
		if o.Environ[environ.SecretsVar] == "" {
			f.Fix = "let the user that runs the server alone read the keys, and copy them back if they are damaged"
		}
		return f
	}
	if _, err := os.Stat(filepath.Join(o.Data, storeName)); err != nil {
		return Ok(check, "there are no data yet")
	}
	if k == nil {
		return Finding{
			Check: check, State: FindingProblem, Detail: "there are data, but no keys in " + o.path(),
			Fix: "copy the keys back, or name them with --secrets-file",
		}
	}
	if info, err := os.Stat(o.path()); err == nil && info.Mode().Perm()&0o077 != 0 {
		return Finding{
			Check: check, State: FindingWarning, Detail: fmt.Sprintf("other users have access to %s (%v)", o.path(), info.Mode().Perm()),
			Fix: "chmod 600 " + shell.Quote(o.path()),
		}
	}
	return Ok(check, "%d in %s; keep a copy apart from backups", k.Len(), o.path())
}

// checkRoom checks the disk of the data folder.
func (o Secrets) checkRoom() Finding {
	const check = "disk"
	free, total, err := storage.Room(existing(o.Data))
	if err != nil {
		return Finding{Check: check, State: FindingSkipped, Detail: err.Error()}
	}
	floor := storage.DefaultFloor(total)
	detail := fmt.Sprintf("%s of %s free", ui.AboutSize(int64(free)), ui.AboutSize(int64(total)))
	switch {
	case free < floor:
		return Finding{Check: check, State: FindingProblem, Detail: detail + ": nothing new is accepted", Fix: "free some room; `fas admin df` shows what takes it"}
	case free < 4*floor:
		return Finding{Check: check, State: FindingWarning, Detail: detail, Fix: "free some room; `fas admin df` shows what takes it"}
	}
	return Ok(check, "%s", detail)
}

// existing returns the nearest folder above a path that exists.
func existing(path string) string {
	for path != filepath.Dir(path) {
		if _, err := os.Stat(path); err == nil {
			break
		}
		path = filepath.Dir(path)
	}
	return path
}

// checkCache checks that the interpreter is compiled.
func checkCache(folder string) Finding {
	all, err := filepath.Glob(filepath.Join(folder, "*"))
	if err != nil || len(all) == 0 {
		return Ok("compiled interpreter", "none yet: the first start compiles it, which takes some seconds")
	}
	return Ok("compiled interpreter", "%s", folder)
}
