package sandbox

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/faaspot/faaspot/runtime"
)

// draws returns the values that must differ from run to run. The module body draws each of them
// too, so that all runs start from generators that have been used.
const draws = `
import os, random, secrets, tempfile, time, uuid
own = random.SystemRandom()
def draw():
    with tempfile.NamedTemporaryFile() as f: name = f.name
    return {
        "state": random.getstate()[1][:3], "random": random.random(), "bits": random.getrandbits(64), "gauss": random.gauss(0, 1), "choice": random.choices(range(1000), k=8),
        "shuffle": random.sample(range(1000), 8), "bytes": random.randbytes(8).hex(), "seeded by nothing": random.Random().random(),
        "uuid4": str(uuid.uuid4()), "uuid1": str(uuid.uuid1()), "secrets": secrets.token_hex(), "urandom": os.urandom(8).hex(),
        "system": own.random(), "file": name,
    }
draw()
at_deployment = draw()
def main(args, context):
    return draw() if not args else at_deployment
`

// clones is the number of runs that are compared.
const clones = 200

func TestClonesAreUnlike(t *testing.T) {
	eachBox(t, func(t *testing.T, box *Sandbox) {
		p := deployed(t, box, draws, runtime.Limits{})
		seen := map[string]bool{}
		note := func(args string) {
			var drawn map[string]json.RawMessage
			if err := json.Unmarshal([]byte(result(t, box, p, args)), &drawn); err != nil {
				t.Fatal(err)
			}
			for kind, value := range drawn {
				if key := kind + string(value); seen[key] {
					t.Fatalf("%s drew %s again", kind, value)
				} else {
					seen[key] = true
				}
			}
		}
		note(`{"of":"deployment"}`)
		for range times(clones) {
			note("{}")
		}
	})
}

// TestHashSeedBelongsToTheServer verifies that the hash seed is the same in all runs and changes
// with every start.
func TestHashSeedBelongsToTheServer(t *testing.T) {
	const source = "def main(args, context): return [hash('x'), hash(b'yz'), hash('z' * 100)]\n"
	hashes := map[string]bool{}
	for _, box := range boxes {
		p, q := deployed(t, box, source, runtime.Limits{}), deployed(t, box, source, runtime.Limits{})
		first := result(t, box, p, "{}")
		if second, third := result(t, box, p, "{}"), result(t, box, q, "{}"); first != second || first != third {
			t.Errorf("hashes differ between runs: %s, %s, %s", first, second, third)
		}
		hashes[first] = true
	}
	if len(hashes) != len(boxes) {
		t.Errorf("two servers have the same hash seed: %v", hashes)
	}
}

func TestClocks(t *testing.T) {
	eachBox(t, func(t *testing.T, box *Sandbox) {
		p := deployed(t, box, `
import time
deployed = [time.time(), time.monotonic(), time.perf_counter(), time.process_time()]
def main(args, context):
    now = [time.time(), time.monotonic(), time.perf_counter(), time.process_time()]
    start = time.monotonic()
    time.sleep(0.01)
    return {"deployed": deployed, "now": now, "slept": time.monotonic() - start}
`, runtime.Limits{})
		var last []float64
		for range 20 {
			before := time.Now()
			var got struct {
				Deployed, Now []float64
				Slept         float64
			}
			if err := json.Unmarshal([]byte(result(t, box, p, "{}")), &got); err != nil {
				t.Fatal(err)
			}
			if wall := got.Now[0]; wall < float64(before.UnixMicro()-1)/1e6 || wall > float64(time.Now().UnixMicro()+1)/1e6 {
				t.Fatalf("the time is %f, want %v", wall, before)
			}
			for i, now := range got.Now[1:] {
				if now < got.Deployed[i+1] || last != nil && now < last[i+1] {
					t.Fatalf("clock %d goes back: %v, then %v, at deployment %v", i, last, got.Now, got.Deployed)
				}
			}
			if got.Slept < 0.01 {
				t.Errorf("slept for %f seconds only", got.Slept)
			}
			last = got.Now
		}
	})
}

func TestAfterRestoreHooks(t *testing.T) {
	eachBox(t, func(t *testing.T, box *Sandbox) {
		p := deployed(t, box, `
import faas, random
log = []
@faas.register_after_restore
def first(): log.append("first")
faas.register_after_restore(lambda: log.append(random.random() < 2))
def main(args, context):
    faas.register_after_restore(lambda: log.append("too late"))
    return [log, callable(first)]
`, runtime.Limits{})
		for range 3 {
			if got := result(t, box, p, "{}"); got != `[["first",true],true]` {
				t.Fatalf("got %s", got)
			}
		}
		raises := deployed(t, box, "import faas\n@faas.register_after_restore\ndef hook():\n    1 / 0\n"+fine, runtime.Limits{})
		if f := fails(t, box, raises, "{}", runtime.ClassError); f.Line != 4 || f.Type != "ZeroDivisionError" {
			t.Errorf("got %+v", *f)
		}
		endless := deployed(t, box, "import faas\n@faas.register_after_restore\ndef hook():\n    while True: pass\n"+fine, runtime.Limits{Timeout: hogLimit})
		fails(t, box, endless, "{}", runtime.ClassTimeout)
		outcome, err := box.Deploy(t.Context(), program("import faas\nfaas.register_after_restore(5)\n"+fine, runtime.Limits{}))
		if err != nil {
			t.Fatal(err)
		}
		if checkClass(t, outcome, runtime.ClassError); outcome.Failure.Type != "TypeError" {
			t.Errorf("got %+v", *outcome.Failure)
		}
	})
}
