package environ

import (
	"path/filepath"
	"testing"

	"github.com/faaspot/faaspot/runtime"
)

func TestConfigPath(t *testing.T) {
	for _, tc := range []struct {
		env  Environment
		want string
	}{
		{Environment{"HOME": "/h"}, "/h/.faaspot/fasconf.yaml"},
		{Environment{"HOME": "/h", "FAASPOT_DIR": "/d"}, "/d/fasconf.yaml"},
		{Environment{"HOME": "/h", "FAASPOT_DIR": "/d", "FAASPOT_CONFIG": "/c/x.yaml"}, "/c/x.yaml"},
		{Environment{"FAASPOT_CONFIG": "/c/x.yaml"}, "/c/x.yaml"},
	} {
		if got, err := tc.env.ConfigPath(); err != nil || got != filepath.FromSlash(tc.want) {
			t.Errorf("%v: %s, %v, want %s", tc.env, got, err, tc.want)
		}
	}
	if _, err := (Environment{}).ConfigPath(); runtime.CodeOf(err) != runtime.CodeInvalidArgument {
		t.Errorf("without a home: %v", err)
	}
}
