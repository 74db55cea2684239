package main

import (
	"strings"
	"testing"

	"github.com/faaspot/faaspot/cmd/fas/internal/environ"
)

// TestBooleansAsInPython checks the flags that FaaSpot's documents write with values.
func TestBooleansAsInPython(t *testing.T) {
	t.Parallel()
	root := newRoot(&app{env: environ.New(nil)})
	for args, want := range map[string]string{
		"functions create hello --file hello.py --wait True":                  "functions create hello --file hello.py --wait=true",
		"functions run hello -p True -w False":                                "functions run hello -p True -w=false",
		"functions run --wait True hello":                                     "functions run --wait=true hello",
		"executions list --include_completed True --function True":            "executions list --include_completed=true --function True",
		"executions list -i True":                                             "executions list -i=true",
		"executions list --include-completed=True":                            "executions list --include-completed=True",
		"functions run hello --wait true":                                     "functions run hello --wait true",
		"functions run True":                                                  "functions run True",
		"functions run hello --wait -- True":                                  "functions run hello --wait -- True",
		"functions run hello -- --wait True":                                  "functions run hello -- --wait True",
		"profiles create --update-if-exist True --set_as_active_profile True": "profiles create --update-if-exist=true --set_as_active_profile=true",
		"nothing --wait True":                                                 "nothing --wait True",
		"":                                                                    "",
	} {
		if got := strings.Join(joinBooleans(root, strings.Fields(args)), " "); got != want {
			t.Errorf("%s: %s", args, got)
		}
	}
}
