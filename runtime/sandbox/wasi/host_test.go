package wasi

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"
)

type systemKey struct{}

func find(ctx context.Context) *System { return ctx.Value(systemKey{}).(*System) }

// hosted instantiates the functions and a guest that imports all of them.
func hosted(t testing.TB) (api.Module, wazero.Runtime) {
	ctx := context.Background()
	rt := wazero.NewRuntime(ctx)
	t.Cleanup(func() { rt.Close(ctx) })
	if err := Instantiate(ctx, rt, find); err != nil {
		t.Fatal(err)
	}
	m, err := rt.InstantiateWithConfig(ctx, guestModule(testPages, functions), wazero.NewModuleConfig().WithName(""))
	if err != nil {
		t.Fatal(err)
	}
	return m, rt
}

// beyondPreview1 is the number of functions that are not of preview 1: fd_dup, tmp_usage, tls_call, and
// twelve of sockets.
const beyondPreview1 = 15

// TestAllFunctions compares names and signatures with those of wazero's own implementation.
func TestAllFunctions(t *testing.T) {
	ctx := context.Background()
	rt := wazero.NewRuntime(ctx)
	defer rt.Close(ctx)
	theirs, err := wasi_snapshot_preview1.NewBuilder(rt).Compile(ctx)
	if err != nil {
		t.Fatal(err)
	}
	_, host := hosted(t)
	ours := host.Module(ModuleName).ExportedFunctionDefinitions()
	if got, want := len(functions)-beyondPreview1, len(theirs.ExportedFunctions()); got != want {
		t.Errorf("%d functions of preview 1, which has %d", got, want)
	}
	for name, want := range theirs.ExportedFunctions() {
		got := ours[name]
		if got == nil {
			t.Errorf("%s is missing", name)
			continue
		}
		if !slices.Equal(got.ParamTypes(), want.ParamTypes()) || !slices.Equal(got.ResultTypes(), want.ResultTypes()) {
			t.Errorf("%s: %v -> %v, want %v -> %v",
				name, got.ParamTypes(), got.ResultTypes(), want.ParamTypes(), want.ResultTypes())
		}
	}
}

// TestThroughWazero calls every function from compiled guest code, with parameters that no function
// accepts, and a few valid ones.
func TestThroughWazero(t *testing.T) {
	r := newRig(t)
	m, _ := hosted(t)
	ctx := context.WithValue(context.Background(), systemKey{}, r.sys)
	call := func(name string, params ...uint64) (errno, error) {
		results, err := m.ExportedFunction(name).Call(ctx, params...)
		if err != nil || len(results) == 0 {
			return 0, err
		}
		return errno(results[0]), nil
	}
	for _, f := range functions {
		params := make([]uint64, len(f.params))
		for i, letter := range f.params {
			params[i] = 1<<32 - 1
			if letter == 'I' {
				params[i] = 1<<64 - 1
			}
		}
		e, err := call(f.name, params...)
		switch f.name {
		case "proc_exit":
			if err == nil {
				t.Error("proc_exit returned")
			}
		case "sched_yield":
			if e != success || err != nil {
				t.Errorf("sched_yield: %d, %v", e, err)
			}
		default:
			if e == success || err != nil {
				t.Errorf("%s(%x): errno %d, %v", f.name, params, e, err)
			}
		}
	}
	m.Memory().WriteString(64, "hello")
	m.Memory().WriteUint32Le(0, 64)
	m.Memory().WriteUint32Le(4, 5)
	if e, err := call("fd_write", 1, 0, 1, 8); e != success || err != nil {
		t.Fatal(e, err)
	}
	if got := r.control.logged[1].String(); got != "hello" {
		t.Errorf("logged %q", got)
	}
	if n, _ := m.Memory().ReadUint32Le(8); n != 5 {
		t.Errorf("%d bytes written", n)
	}
}

// TestEndings verifies that a panic of the Control ends the guest's call with the panic value, and
// that the System serves the next run.
func TestEndings(t *testing.T) {
	r := newRig(t)
	m, _ := hosted(t)
	ctx := context.WithValue(context.Background(), systemKey{}, r.sys)
	end := func() { panic(errEnd) }

	r.mustOpen("tmp/left", openCreate, forBoth)
	r.control.onSleep = end
	m.Memory().Write(0, make([]byte, 48))
	m.Memory().WriteUint32Le(16, clockMonotonic)
	m.Memory().WriteUint64Le(24, 1e18)
	if _, err := m.ExportedFunction("poll_oneoff").Call(ctx, 0, 100, 1, 200); !errors.Is(err, errEnd) {
		t.Errorf("a sleep that ends the run: %v", err)
	}
	r.control.onCheck = end
	if _, err := m.ExportedFunction("random_get").Call(ctx, 0, 1<<20); !errors.Is(err, errEnd) {
		t.Errorf("a checkpoint that ends the run: %v", err)
	}
	if _, err := m.ExportedFunction("proc_exit").Call(ctx, 3); err == nil || !strings.Contains(err.Error(), "3") {
		t.Errorf("proc_exit: %v", err)
	}
	r.control.onCheck = nil
	r.reset(nil)
	r.check()
	if r.control.charged != 0 {
		t.Errorf("%d bytes are still charged", r.control.charged)
	}
	if names := r.names("tmp"); len(names) != 0 {
		t.Errorf("the next run sees %q", names)
	}
}

func TestNewRefuses(t *testing.T) {
	r := newRig(t)
	good := Config{Tree: r.sys.tree, Clock: r.clock, Random: r.sys.random, Control: r.control}
	if _, err := New(good); err != nil {
		t.Fatal(err)
	}
	for what, spoil := range map[string]func(*Config){
		"tree":    func(c *Config) { c.Tree = nil },
		"clock":   func(c *Config) { c.Clock = nil },
		"random":  func(c *Config) { c.Random = nil },
		"control": func(c *Config) { c.Control = nil },
		"args":    func(c *Config) { c.Args = []string{"a\x00b"} },
		"env":     func(c *Config) { c.Env = []string{"A=\x00"} },
	} {
		c := good
		spoil(&c)
		if _, err := New(c); err == nil {
			t.Errorf("a bad %s is accepted", what)
		}
	}
}
