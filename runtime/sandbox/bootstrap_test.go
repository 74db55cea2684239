package sandbox

import (
	"embed"
	"encoding/json"
	"path"
	"testing"

	"github.com/faaspot/faaspot/runtime"
)

// bootstrapTests are tests of the guest's own Python, one file for each of its
// modules.
//
//go:embed testdata/bootstrap/*.py
var bootstrapTests embed.FS

// testMainSource makes a file of tests a function that runs one of them, each
// in an interpreter that the others have not touched.
const testMainSource = `
def main(args, context):
    if not args:
        return [name for name in globals() if name.startswith("test_")]
    globals()[args["test"]]()
`

func TestBootstrap(t *testing.T) {
	box := boxes["mapped"]
	files, err := bootstrapTests.ReadDir("testdata/bootstrap")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		source, err := bootstrapTests.ReadFile(path.Join("testdata/bootstrap", file.Name()))
		if err != nil {
			t.Fatal(err)
		}
		p := deployed(t, box, string(source)+testMainSource, runtime.Limits{})
		var names []string
		if err := json.Unmarshal([]byte(result(t, box, p, "{}")), &names); err != nil || len(names) == 0 {
			t.Fatalf("%s: tests %v, %v", file.Name(), names, err)
		}
		for _, name := range names {
			t.Run(file.Name()+"/"+name, func(t *testing.T) {
				outcome := runInTime(t, box, p, `{"test":"`+name+`"}`)
				if f := outcome.Failure; f != nil {
					t.Errorf("%s: %s\n%s", f.Type, f.Message, f.Traceback)
				}
			})
		}
	}
}
