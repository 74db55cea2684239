package record

import (
	"bytes"
	"testing"

	"github.com/faaspot/faaspot/storage/replog"
)

// A position is stored in a fixed form, and only in that.
func TestPosition(t *testing.T) {
	p := replog.Position{Generation: 1, Epoch: 2, Seq: 3, Hash: replog.Hash{4, 5}}
	value := EncodePosition(p)
	want := append([]byte{EncodingRaw, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 3, 4, 5}, make([]byte, 30)...)
	if !bytes.Equal(value, want) {
		t.Errorf("got %x, want %x", value, want)
	}
	got, err := DecodePosition(value)
	if err != nil || got != p {
		t.Errorf("got %v, %v", got, err)
	}
	for _, wrong := range [][]byte{nil, {}, value[:len(value)-1], append(bytes.Clone(value), 0), append([]byte{EncodingJSON}, value[1:]...)} {
		if got, err := DecodePosition(wrong); err == nil {
			t.Errorf("%x is %v", wrong, got)
		}
	}
}
