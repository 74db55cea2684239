//go:build linux

package server

import (
	"testing"

	"github.com/faaspot/faaspot/test/process"
)

func TestMain(m *testing.M) { process.Main(m) }
