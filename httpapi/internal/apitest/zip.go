package apitest

import (
	"archive/zip"
	"bytes"
	"errors"
	"io"
	"testing"

	"github.com/faaspot/faaspot/runtime"
)

// Zip returns a bundle whose main file has a source.
func Zip(t testing.TB, source string) []byte {
	t.Helper()
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	f, err := w.Create(runtime.BundleMain)
	if err == nil {
		_, err = io.WriteString(f, source)
	}
	if err := errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}
