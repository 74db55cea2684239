package main

import (
	"runtime/debug"
	"testing"
)

func TestWazeroOfBinaries(t *testing.T) {
	other := &debug.Module{Path: "github.com/spf13/cobra", Version: "v1.10.2"}
	for name, c := range map[string]struct {
		replace        *debug.Module
		release, patch string
	}{
		"as released": {nil, "v1.12.0", ""},
		"patched":     {&debug.Module{Path: "./.cache/wazero/v1.12.0-0123456789ab"}, "v1.12.0", "0123456789ab"},
		"replaced":    {&debug.Module{Path: "../wazero"}, "v1.12.0", "unknown: ../wazero"},
	} {
		t.Run(name, func(t *testing.T) {
			info := &debug.BuildInfo{Deps: []*debug.Module{other, {Path: wazeroModule, Version: "v1.12.0", Replace: c.replace}}}
			if release, patch := wazeroOf(info); release != c.release || patch != c.patch {
				t.Errorf("wazero %q, patch %q, want %q, %q", release, patch, c.release, c.patch)
			}
		})
	}
	if release, patch := wazeroOf(&debug.BuildInfo{}); release != "unknown" || patch != "" {
		t.Errorf("without modules: wazero %q, patch %q", release, patch)
	}
}
