package main

import (
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"github.com/faaspot/faaspot/cmd/fas/internal/ui"
	"github.com/faaspot/faaspot/runtime"
)

// limitVar defines a flag for a limit of a tenant: a size if the limit is one, else a number.
func limitVar(f *pflag.FlagSet, to *int, bytes bool, name, usage string) {
	if bytes {
		f.Var((*sizeLimit)(to), name, usage)
		return
	}
	f.IntVar(to, name, 0, usage)
}

// limitFlag returns the flag of `fas tenants update` for a limit.
func limitFlag(n *runtime.TenantNumber) string { return strings.ReplaceAll(n.Name, "_", "-") }

// limitText returns a limit for people.
func limitText(n *runtime.TenantNumber, value int) string {
	if n.Bytes {
		return ui.SizeText(int64(value)) + " " + n.Text
	}
	return strconv.Itoa(value) + " " + n.Text
}

// sizeLimit is a flag value: a size such as 512MB, or 0 for the limit of the server.
type sizeLimit int

// Set implements [pflag.Value].
func (s *sizeLimit) Set(text string) error {
	var b ui.ByteSize
	if text != "0" {
		if err := b.Set(text); err != nil {
			return err
		}
	}
	*s = sizeLimit(b)
	return nil
}

// String implements [pflag.Value].
func (s *sizeLimit) String() string { return (*ui.ByteSize)(new(int64(*s))).String() }

// Type implements [pflag.Value].
func (s *sizeLimit) Type() string { return "SIZE" }
