//go:build linux

package disk

import (
	"testing"

	"github.com/faaspot/faaspot/test/process"
)

func TestMain(m *testing.M) { process.Main(m) }
