// Wasmrun runs the modules in a folder and prints what each did, one line a module: how each call of
// an export ended, and a hash of all results, globals and memory. Built with wazero as released and with the
// patched copy it must print the same.
//
//	wasmrun [-cache DIR] FOLDER
package main

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"flag"
	"fmt"
	"hash"
	"log"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"
)

const (
	maxPages    = 64               // limit of a memory in pages of 64 KiB
	callTimeout = 10 * time.Second // modules end by themselves; this stops the exceptions
	features    = api.CoreFeaturesV2 | experimental.CoreFeaturesTailCall | experimental.CoreFeaturesThreads
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("wasmrun: ")
	cacheDir := flag.String("cache", "", "folder of wazero's compilation cache")
	flag.Parse()
	if flag.NArg() != 1 {
		log.Fatal("wants the folder of the modules")
	}
	names, err := filepath.Glob(filepath.Join(flag.Arg(0), "*.wasm"))
	if err != nil {
		log.Fatal(err)
	}
	if len(names) == 0 {
		log.Fatalf("there are no modules in %s", flag.Arg(0))
	}
	for _, name := range names {
		module, err := os.ReadFile(name)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(filepath.Base(name), run(context.Background(), module, *cacheDir))
	}
}

// run compiles, instantiates and calls a module, and describes what it did.
func run(ctx context.Context, module []byte, cacheDir string) string {
	config := wazero.NewRuntimeConfigCompiler().WithCoreFeatures(features).
		WithMemoryLimitPages(maxPages).WithCloseOnContextDone(len(module)%2 == 0) // other code is generated for it
	if cacheDir != "" {
		cache, err := wazero.NewCompilationCacheWithDir(cacheDir)
		if err != nil {
			log.Fatal(err)
		}
		defer cache.Close(ctx)
		config = config.WithCompilationCache(cache)
	}
	runtime := wazero.NewRuntimeWithConfig(ctx, config)
	defer runtime.Close(ctx)
	compiled, err := runtime.CompileModule(ctx, module)
	if err != nil {
		return "is not compiled: " + firstLine(err)
	}
	state := sha256.New()
	var ends []string
	functions := compiled.ExportedFunctions()
	for _, name := range slices.Sorted(maps.Keys(functions)) {
		instance, err := runtime.InstantiateModule(ctx, compiled, wazero.NewModuleConfig().WithName("").WithStartFunctions())
		if err != nil {
			return "is not instantiated: " + firstLine(err)
		}
		for round := range arguments {
			ends = append(ends, call(ctx, instance.ExportedFunction(name), functions[name], round, state))
			hashState(state, instance)
		}
		instance.Close(ctx)
	}
	return strings.Join(ends, ", ") + " " + hex.EncodeToString(state.Sum(nil))
}

// arguments are the values of parameters, by round.
var arguments = [4]uint64{0, 1, 0x7fff_fff8, math.MaxUint64}

func call(ctx context.Context, f api.Function, def api.FunctionDefinition, round int, state hash.Hash) string {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	var params []uint64
	for i, kind := range def.ParamTypes() {
		v := arguments[(round+i*round)%len(arguments)]
		switch kind {
		case api.ValueTypeI32, api.ValueTypeF32:
			v &= math.MaxUint32
		case api.ValueTypeI64, api.ValueTypeF64:
		default:
			v = 0 // the null reference; a vector has two words
		}
		params = append(params, v)
		if kind == valueTypeV128 {
			params = append(params, v)
		}
	}
	results, err := f.Call(ctx, params...)
	if err != nil {
		return firstLine(err)
	}
	for i, kind := range def.ResultTypes() {
		if kind == api.ValueTypeExternref || kind == valueTypeFuncref {
			results[i] = min(results[i], 1) // addresses differ from process to process
		}
	}
	binary.Write(state, binary.LittleEndian, results) //nolint:errcheck // a hash does not fail
	return "ok"
}

const (
	valueTypeV128    api.ValueType = 0x7b
	valueTypeFuncref api.ValueType = 0x70
)

func hashState(state hash.Hash, instance api.Module) {
	if m := instance.Memory(); m != nil {
		content, _ := m.Read(0, m.Size())
		state.Write(content)
	}
	if g, ok := instance.(experimental.InternalModule); ok {
		for i := range g.NumGlobal() {
			if v := g.Global(i); v.Type() != api.ValueTypeExternref && v.Type() != valueTypeFuncref {
				fmt.Fprintf(state, "%d %#x\n", i, v.Get())
			}
		}
	}
}

// firstLine returns the cause of a trap without its stack.
func firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}
