package main

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestProposalIsApplied verifies that the parts of the patch in docs/wazero, which are written for
// wazero's maintainers, fit the release one after another, and that the patched copy has all of them.
func TestProposalIsApplied(t *testing.T) {
	dir, _ := source(t)
	released, err := readTree(dir)
	must(t, err)
	proposed, patched := maps.Clone(released), maps.Clone(released)
	must(t, apply(patched, wazeroPatch))
	parts, err := filepath.Glob(filepath.Join(root(t), "docs", "wazero", "*.patch"))
	must(t, err)
	if len(parts) == 0 {
		t.Fatal("there are no parts")
	}
	slices.Sort(parts)
	for _, part := range parts {
		text, err := os.ReadFile(part)
		must(t, err)
		if err := apply(proposed, text); err != nil {
			t.Fatalf("%s: %v", part, err)
		}
	}
	for name, content := range proposed {
		if string(content) == string(released[name]) || strings.HasSuffix(name, "_test.go") {
			continue
		}
		lines := strings.Split(string(patched[name]), "\n")
		for _, line := range strings.Split(string(content), "\n") {
			if !slices.Contains(lines, line) {
				t.Errorf("the patch of %s has no line %q, which a part in docs/wazero adds", name, line)
			}
		}
	}
}
