//go:build linux

package corpus

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/faaspot/faaspot/test/process"
)

const (
	expectedDir = "expected"
	// runners is the number of programs that run at once.
	runners = 3
)

var (
	update = flag.Bool("update", false, "rewrite differences.json and its document: drop what no longer differs, add what is new without a reason")
	only   = flag.String("program", "", "run only the program of this name")
)

func TestMain(m *testing.M) {
	flag.Parse()
	process.Main(m)
}

// program is one program of the corpus.
type program struct {
	name, source string
	args         string // JSON
}

// outcome is what a run of a program ended with: a result or an error.
type outcome struct {
	Result json.RawMessage `json:"result,omitempty"`
	Error  *failure        `json:"error,omitempty"`
}

// failure is an exception that ended a run. Its traceback has the frames of the program alone.
type failure struct {
	Type      string   `json:"type"`
	Message   string   `json:"message"`
	Traceback []string `json:"traceback"`
}

// TestProgramsBehaveAsInCPython runs each program on a server. It fails for every value that differs
// from that of native CPython and is not in differences.json, and for every entry of differences.json
// that does not differ in this way any more.
func TestProgramsBehaveAsInCPython(t *testing.T) {
	programs := readPrograms(t)
	if *native != "" {
		writeExpected(t, programs)
	}
	known := readDifferences(t)
	server := process.NewSite(t).Serve(t)
	found := map[string]map[string]values{} // by program and path
	var lock sync.Mutex
	var group sync.WaitGroup
	queue := make(chan program)
	for range runners {
		group.Go(func() {
			for p := range queue {
				differences := compareProgram(t, server.Client, p)
				lock.Lock()
				found[p.name] = differences
				lock.Unlock()
			}
		})
	}
	for _, p := range programs {
		queue <- p
	}
	close(queue)
	group.Wait()
	if *update && !t.Failed() {
		known = updated(known, found)
		writeDifferences(t, known)
	}
	for _, problem := range problems(known, found) {
		t.Error(problem)
	}
	for _, d := range known {
		for name := range d.Values {
			if _, ok := found[name]; !ok && *only == "" {
				t.Errorf("%s names the program %s, which does not exist", differencesFile, name)
			}
		}
	}
}

// TestDifferencesAreDocumented verifies that the document has the contents of differences.json.
func TestDifferencesAreDocumented(t *testing.T) {
	text, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	if want := renderDifferences(readDifferences(t)); string(text) != want {
		t.Errorf("%s is not what differences.json says: run go test ./test/corpus -update", document)
	}
}

// TestExpectedValuesHaveAProgram verifies that no expected value is left of a removed program.
func TestExpectedValuesHaveAProgram(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(expectedDir, "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".json")
		if _, err := os.Stat(filepath.Join("programs", name+".py")); err != nil {
			t.Errorf("%s has no program: %v", file, err)
		}
	}
}

var argsLine = regexp.MustCompile(`(?m)^# args: (.*)$`)

func readPrograms(t *testing.T) (programs []program) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("programs", "*.py"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		p := program{name: strings.TrimSuffix(filepath.Base(file), ".py"), source: string(source), args: "{}"}
		if *only != "" && p.name != *only {
			continue
		}
		if found := argsLine.FindStringSubmatch(p.source); found != nil {
			p.args = found[1]
		}
		programs = append(programs, p)
	}
	if len(programs) == 0 {
		t.Fatal("there are no programs")
	}
	return programs
}

// compareProgram runs a program and returns how its outcome differs from the expected one, by path.
func compareProgram(t *testing.T, client *process.Client, p program) map[string]values {
	text, err := os.ReadFile(filepath.Join(expectedDir, p.name+".json"))
	if err != nil {
		t.Errorf("%s: %v; make corpus-expected makes it", p.name, err)
		return nil
	}
	got, err := runProgram(client, p)
	if err != nil {
		t.Errorf("%s: %v", p.name, err)
		return nil
	}
	want, err := decode(text)
	if err != nil {
		t.Errorf("%s: %v", p.name, err)
		return nil
	}
	differences := map[string]values{}
	compare("$", want, got, differences)
	return differences
}

// runProgram deploys a program and runs it once. It returns the outcome, decoded.
func runProgram(client *process.Client, p program) (any, error) {
	ctx := context.Background()
	r, err := client.Do(ctx, "PUT", "/v1/functions/", process.FunctionJSON(p.name, p.source))
	if err == nil && r.Status == 200 {
		r, err = client.Do(ctx, "POST", "/v1/sync/functions/"+p.name+"/rpc/", p.args)
	}
	if err != nil {
		return nil, err
	}
	end := outcome{Result: r.Body}
	if r.Status != 200 {
		var answer struct {
			Message   string `json:"message"`
			Type      string `json:"error_type"`
			Traceback string `json:"server_traceback"`
		}
		if err := json.Unmarshal(r.Body, &answer); err != nil {
			return nil, fmt.Errorf("%d %s: %w", r.Status, r.Body, err)
		}
		if answer.Type == "" {
			return nil, fmt.Errorf("%d %s", r.Status, r.Body)
		}
		end = outcome{Error: &failure{
			Type:      answer.Type,
			Message:   strings.TrimPrefix(strings.TrimPrefix(answer.Message, answer.Type), ": "),
			Traceback: tracebackLines(answer.Traceback),
		}}
	}
	text, err := json.Marshal(end)
	if err != nil {
		return nil, err
	}
	return decode(text)
}

// tracebackLines returns the lines of a traceback.
func tracebackLines(text string) []string {
	return strings.Split(strings.TrimRight(text, "\n"), "\n")
}

// decode decodes JSON and keeps numbers as they are written, so that 1 and 1.0 differ.
func decode(text []byte) (value any, err error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	err = d.Decode(&value)
	return value, err
}

// absent stands for a value that only one side has.
const absent = "(absent)"

// compare adds the differences of two values to found, by their path.
func compare(path string, want, got any, found map[string]values) {
	switch want := want.(type) {
	case map[string]any:
		if got, ok := got.(map[string]any); ok {
			keys := maps.Clone(want)
			maps.Copy(keys, got)
			for key := range keys {
				compare(path+"."+key, member(want, key), member(got, key), found)
			}
			return
		}
	case []any:
		if got, ok := got.([]any); ok && len(got) == len(want) {
			for i := range want {
				compare(fmt.Sprintf("%s[%d]", path, i), want[i], got[i], found)
			}
			return
		}
	default:
		if want == got {
			return
		}
	}
	found[path] = values{render(want), render(got)}
}

func member(object map[string]any, key string) any {
	if value, ok := object[key]; ok {
		return value
	}
	return absent
}

// render returns a value as JSON text.
func render(value any) string {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		panic(err) // the value was decoded from JSON
	}
	return strings.TrimSpace(text.String())
}
