package sandbox

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/faaspot/faaspot/runtime"
)

// TestExecutionOfRun verifies that a run learns what the caller of Run has said about it.
func TestExecutionOfRun(t *testing.T) {
	const source = `import faas, time
from faas import execution
@faas.register_after_restore
def renew():
    global seen
    seen = execution.id
def main(args, context):
    e = faas.execution
    fields = [e.id, e.attempt, e.function, e.version, e.job, e.job_execution, e.task, seen, repr(e)]
    try: e.id = 1
    except AttributeError: fields.append("read-only")
    return fields + [0 < e.remaining <= 60, 0 < e.deadline - time.time() <= 60]
`
	eachBox(t, func(t *testing.T, box *Sandbox) {
		p := deployed(t, box, source, runtime.Limits{})
		p.Version = 7
		hostile := "\"\\ \n \u2028 \xff </script>"
		for _, c := range []struct {
			info runtime.RunInfo
			want string
		}{
			{
				runtime.RunInfo{Execution: "x1", Attempt: 2, Function: "greet"},
				`["x1",2,"greet",7,null,null,null,"x1","<faas.execution x1, attempt 2>","read-only",true,true]`,
			},
			{
				runtime.RunInfo{Execution: "x2", Attempt: 1, Function: "greet", Job: "sums", JobExecution: "j1", Task: 0},
				`["x2",1,"greet",7,"sums","j1",0,"x2","<faas.execution x2, attempt 1>","read-only",true,true]`,
			},
		} {
			o, err := box.Run(context.Background(), runtime.RunCall{Program: p, Args: []byte("{}"), Context: []byte("{}"), Info: c.info})
			if err != nil {
				t.Fatal(err)
			}
			checkClass(t, o, "")
			if string(o.Result) != c.want {
				t.Errorf("got %s, want %s", o.Result, c.want)
			}
		}
		o, err := box.Run(context.Background(), runtime.RunCall{Program: p, Args: []byte("{}"), Context: []byte("{}"), Info: runtime.RunInfo{Execution: hostile, Function: hostile, Job: hostile}})
		if err != nil {
			t.Fatal(err)
		}
		checkClass(t, o, "")
	})
}

// TestExecutionWithoutRun verifies that code which runs at deployment gets an error, because there is no run,
// and that hooks of warm_up, which call main, find values of the right types.
func TestExecutionWithoutRun(t *testing.T) {
	box := boxes["mapped"]
	outcome, err := box.Deploy(context.Background(), program("import faas\nID = faas.execution.id\ndef main(args, context): pass\n", runtime.Limits{}))
	if err != nil {
		t.Fatal(err)
	}
	checkClass(t, outcome, runtime.ClassError)
	if f := outcome.Failure; f.Line != 2 || !strings.HasPrefix(f.Message, "no run is in progress: ") || !strings.Contains(f.Message, "use faas.execution in main") {
		t.Errorf("line %d: %s", f.Line, f.Message)
	}
	p := deployed(t, box, `import faas
seen = []
def main(args, context):
    e = faas.execution
    seen.append([e.id, e.attempt, e.function, e.version, e.job, e.task, 0 < e.remaining <= 60])
    return seen
faas.warm_up(lambda: main({}, {}))
`, runtime.Limits{})
	o, err := box.Run(context.Background(), runtime.RunCall{Program: p, Args: []byte("{}"), Context: []byte("{}"), Info: runtime.RunInfo{Execution: "x", Attempt: 1, Function: "greet"}})
	if err != nil {
		t.Fatal(err)
	}
	if want := `[["",0,"f",0,null,null,true],["x",1,"greet",1,null,null,true]]`; string(o.Result) != want {
		t.Errorf("got %s, want %s", o.Result, want)
	}
}

// TestWarmUp verifies that what hooks of warm_up leave in memory is there when a run begins, that they
// run once per image and in order, and that one that fails fails the deployment.
func TestWarmUp(t *testing.T) {
	eachBox(t, func(t *testing.T, box *Sandbox) {
		p := deployed(t, box, `import faas, random, sys, tempfile
ran = []
@faas.warm_up
def first():
    import colorsys
    ran.append("first")
    random.gauss(0, 1)
    tempfile.mktemp()
second = faas.warm_up(lambda: ran.append("second"))
def main(args, context): return [ran, "colorsys" in sys.modules, callable(second), random._inst.gauss_next, tempfile._name_sequence]
`, runtime.Limits{})
		for range 2 {
			if got := result(t, box, p, "{}"); got != `[["first","second"],true,true,null,null]` {
				t.Errorf("got %s", got)
			}
		}
	})
	for source, message := range map[string]string{
		"import faas\n@faas.warm_up\ndef warm(): raise LookupError('no table')\ndef main(args, context): pass\n":       "no table",
		"import faas\n@faas.warm_up\nasync def warm(): raise LookupError('no table')\ndef main(args, context): pass\n": "no table",
		"import faas\nfaas.warm_up('x')\ndef main(args, context): pass\n":                                              "warm_up takes a callable, not str",
		"import faas, os\n@faas.warm_up\ndef warm(): os.environ['KEY']\ndef main(args, context): pass\n":               saysEnvironment,
	} {
		outcome, err := boxes["mapped"].Deploy(context.Background(), program(source, runtime.Limits{}))
		if err != nil {
			t.Fatal(err)
		}
		checkClass(t, outcome, runtime.ClassError)
		if f := outcome.Failure; !strings.Contains(f.Message, message) || f.Line == 0 {
			t.Errorf("line %d: %s", f.Line, f.Message)
		}
	}
}

// TestLogLines verifies that faas.log writes one JSON object per line, whatever it is given, and that
// no line has more than 16 KiB.
func TestLogLines(t *testing.T) {
	p := deployed(t, boxes["mapped"], `import contextlib, datetime, faas, io, sys
class Odd:
    def __str__(self): raise ValueError
def main(args, context):
    own = io.StringIO()
    deep = []
    for _ in range(100_000): deep = [deep]
    cycle = []
    cycle.append(cycle)
    with contextlib.redirect_stderr(own), contextlib.redirect_stdout(own):
        faas.log("text")
        faas.log("two\nlines \u2028 \ud800", level="warning", n=1, items=[1, {"a": None}])
        faas.log(ValueError("an object"), level="error", when=datetime.date(2026, 1, 2), nan=float("nan"), deep=deep, cycle=cycle, odd=Odd(), keys={(1, 2): 3})
        faas.log("m" * 10_000, level="debug")
        faas.log("long", first="x" * 20_000, second="y" * 9_000, third="z" * 9_000, last=1)
        faas.log("wide", level="critical", text="\u00e9" * 4_000)
        faas.log("control", text="\x00" * 4_000)
    for bad in (lambda: faas.log("x", level="loud"), lambda: faas.log("x", time=1), lambda: faas.log("x", truncated=1), lambda: faas.log("x", message=1), lambda: faas.log()):
        try: bad()
        except (TypeError, ValueError) as error: own.write(type(error).__name__ + "\n")
    return own.getvalue()
`, runtime.Limits{})
	o := runInTime(t, boxes["mapped"], p, "{}")
	checkClass(t, o, "")
	if want := `"ValueError\nTypeError\nTypeError\nTypeError\nTypeError\n"`; string(o.Result) != want {
		t.Errorf("got %s, want %s", o.Result, want)
	}
	var got [][]string
	for line := range bytes.Lines(o.Logs.Data) {
		var object map[string]any
		if len(line) > 16<<10 {
			t.Errorf("a line has %d bytes", len(line))
		}
		if err := json.Unmarshal(line, &object); err != nil {
			t.Errorf("%v: %.200s", err, line)
			continue
		}
		var fields []string
		for _, name := range []string{"level", "message", "n", "items", "when", "nan", "deep", "cycle", "odd", "keys", "first", "second", "third", "last", "text", "truncated"} {
			if v, ok := object[name]; ok {
				text, _ := json.Marshal(v)
				fields = append(fields, name+"="+string(text[:min(len(text), 40)]))
			}
		}
		if stamp, _ := object["time"].(string); len(stamp) != len("2026-01-02T03:04:05.678Z") || !strings.HasSuffix(stamp, "Z") {
			t.Errorf("time %q", stamp)
		}
		got = append(got, fields)
	}
	want := []string{
		`level="info" message="text"`,
		"level=\"warning\" message=\"two\\nlines \\u2028 \ufffd\" n=1 items=[1,{\"a\":null}]",
		`level="error" message="an object" when="2026-01-02" nan="nan" deep=`,
		`level="debug" message="mmm`,
		`level="info" message="long" second="yyy`,
		`level="critical" message="wide" truncated=true`,
		`level="info" message="control" truncated=true`,
	}
	if len(got) != len(want) {
		t.Fatalf("%d lines: %v", len(got), got)
	}
	for i, fields := range got {
		if text := strings.Join(fields, " "); !strings.HasPrefix(text, want[i]) {
			t.Errorf("line %d: %s\nwant %s", i, text, want[i])
		}
	}
	if text := strings.Join(got[4], " "); strings.Contains(text, "first=") || strings.Contains(text, "third=") || !strings.HasSuffix(text, "last=1 truncated=true") {
		t.Errorf("a line that is too long has %s", text)
	}
}
