package confine

import (
	"log/slog"
	"strconv"
)

// Options say what the process keeps.
type Options struct {
	// Write has the folders below which the process reads, writes, creates and removes files.
	Write []string
	// Create has folders in which the process creates and replaces files, until [Report.Narrow].
	Create []string
	// Read has further files and folders that the process reads. Those that do not exist, or that
	// the process cannot read anyway, are ignored.
	Read []string
}

// Report says which walls stand.
type Report struct {
	NoNewPrivs  bool
	NoCoreDumps bool
	// NoCapabilities says that the process has no capabilities. Only a [Worker] gives them up.
	NoCapabilities bool
	Landlock       int // version of the kernel's interface; 0: there is none
	Seccomp        bool
	Missing        []Missing
}

// Missing is a wall that does not stand.
type Missing struct {
	What   string // what the process therefore keeps
	Reason error
}

// Log writes the report: what stands as one line, and a warning for each wall that does not.
func (r Report) Log(log *slog.Logger) {
	landlock := "none"
	if r.Landlock > 0 {
		landlock = "ABI " + strconv.Itoa(r.Landlock)
	}
	log.Info("confined", "landlock", landlock, "seccomp", r.Seccomp, "no_new_privs", r.NoNewPrivs,
		"capabilities", !r.NoCapabilities, "core_dumps", !r.NoCoreDumps)
	for _, m := range r.Missing {
		log.Warn("the process is confined less than on a newer system: "+m.What, "reason", m.Reason,
			"hint", "use Linux 5.19 or later with Landlock and seccomp, or run the server in a container that restricts it")
	}
}

// stand records whether a wall stands, and returns that.
func (r *Report) stand(err error, what string) bool {
	if err != nil {
		r.Missing = append(r.Missing, Missing{What: what, Reason: err})
	}
	return err == nil
}
