//go:build !linux

package sandbox

import "errors"

type platform struct{}

type mappedMemory struct{ copiedMemory }

var errNoMapping = errors.New("this system does not report written pages")

func newMappedMemory(*baseImage, int) (*mappedMemory, error) { return nil, errNoMapping }

func (b *baseImage) prepareMapping([]byte) error { return errNoMapping }

func (b *baseImage) closeMapping() {}

func (b *baseImage) allocate(int) int64 { panic("no memory maps images on this system") }

func (b *baseImage) store([]byte, int64) error { return errNoMapping }

func (b *baseImage) free(int64, int) {}

func newPages(n int) ([]byte, error) { return make([]byte, n*pageSize), nil }

func freePages([]byte) {}
