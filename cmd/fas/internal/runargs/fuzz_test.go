package runargs

import (
	"testing"

	"github.com/faaspot/faaspot/runtime"
	"github.com/faaspot/faaspot/runtime/strictjson"
)

// FuzzArgs reads parameters, lines and tasks of the command line. What is accepted is strict JSON.
func FuzzArgs(f *testing.F) {
	for _, text := range []string{
		"k1=v1, k2=v2", "a=b=c", "=x", "text=hello, world", "a=1,a=2", "a=\xff", `{"a":1}`, "{}\n\n{\"b\":2}\r\n", `[{},{"a":[1]}]`, `{"tasks":[{}]}`, `{"tasks":[null]}`, "[]", "", " ", "null", `{"a":1,"a":2}`,
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		check := func(object []byte) {
			if err := strictjson.Check(object, strictjson.Options{Object: true}); err != nil {
				t.Fatalf("%q became %q: %v", text, object, err)
			}
		}
		refuse := func(err error) {
			if code := runtime.CodeOf(err); code != runtime.CodeInvalidArgument && code != runtime.CodeTooLarge {
				t.Fatalf("%q: %v", text, err)
			}
		}
		if list, err := ParseParameters([]string{text}); err != nil {
			refuse(err)
		} else if args, err := Build([]byte(`{"b": 1}`), list); err != nil {
			refuse(err)
		} else {
			check(args)
		}
		if lines, err := parseLines([]byte(text), "file"); err != nil {
			refuse(err)
		} else {
			for _, line := range lines {
				check(line)
			}
		}
		if tasks, err := ParseTasks([]byte(text), "file"); err != nil {
			refuse(err)
		} else {
			for _, task := range tasks {
				check(task)
			}
		}
	})
}
