//go:build !linux

package sandbox

import (
	"errors"
	"os"
)

type platform struct{}

type mappedMemory struct{ copiedMemory }

var errNoMapping = errors.New("this system does not report written pages")

func newMappedMemory(*baseImage, int) (*mappedMemory, error) { return nil, errNoMapping }

func (b *baseImage) prepareMapping([]byte) error { return errNoMapping }

func (b *baseImage) closeMapping() {}

func newPages(n int) ([]byte, error) { return make([]byte, n*pageSize), nil }

func freePages([]byte) {}

func newMemoryFile(int) (*os.File, error) { return nil, errNoMapping }

func sealFile(*os.File) error { return errNoMapping }

func viewFile(*os.File, int) ([]byte, error) { return nil, errNoMapping }

func freeDisk(string) (int64, error) { return 0, errNoMapping }

func openFileLimit() int { return 0 }
