package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/faaspot/faaspot/test/attack"
	"github.com/faaspot/faaspot/test/packages"
)

// imported is a function of packages, whose imports its image has.
type imported struct {
	name     string
	packages []string // with those that they depend on; test/packages/packages.txt has their versions
	imports  string   // what the module does before main
}

var importers = []imported{
	{"requests", []string{"requests", "urllib3", "idna", "certifi", "charset-normalizer", "jinja2", "markupsafe"}, "import jinja2\nimport requests\n\nsession = requests.Session()\n"},
	{"boto3", []string{"boto3", "botocore", "s3transfer", "jmespath", "python-dateutil", "six", "urllib3"}, "import boto3\n\ns3 = boto3.client(\"s3\", region_name=\"eu-west-1\")\n"},
	{"sympy", []string{"sympy", "mpmath"}, "import sympy\n"},
}

const (
	// importWaiters is the number of runs that wait at once for importWait.
	importWaiters = 500
	importWait    = 4 * time.Second
)

// code returns the source of the function: it returns what the trivial function does, or waits.
func (f imported) code() string {
	return "import time\n\n" + f.imports + `

def main(args, context):
    if "seconds" in args:
        time.sleep(args["seconds"])
    return {"output": "Hello %s" % args["name"]}
`
}

var importsBench = bench{
	name: "imports",
	how: "Functions that import packages of PyPI (`test/packages/packages.txt` has the versions) and make a session or client in their module, deployed by `fas deploy`. One client on one " +
		"connection that calls such a function, and the trivial function, alternately; both return the same. Medians of the medians of each repetition. Then 500 runs of each that wait for 4 s: the growth " +
		"of the server's proportional set size (`Pss`), in the second wave, per run. " +
		"Others publish, for the first call of an instance that has imported packages, on their own machines: Cloudflare about 1 s on average for a Python Worker with FastAPI, HTTPX and Pydantic, " +
		"restored from a memory snapshot, and 2.4 times as much for AWS Lambda without one ([blog.cloudflare.com/python-workers-advancements](https://blog.cloudflare.com/python-workers-advancements/), December 2025); " +
		"AWS \"as low as sub-second\" for Lambda with SnapStart ([AWS, November 2024](https://aws.amazon.com/about-aws/whats-new/2024/11/aws-lambda-snapstart-python-net-functions/)). " +
		"Here every run is such a first call.",
	rows: []row{
		{
			what: "a function that imports requests and jinja2, blocking run, each pristine / trivial", part: "requests, jinja2",
			of: "requests, jinja2", peer: "trivial", goal: "at most 1.5x", holds: ratioAtMost(1.5),
		},
		{
			what: "a function that imports boto3 and has an S3 client, blocking run, each pristine / trivial", part: "boto3",
			of: "boto3", peer: "trivial", goal: "at most 1.5x", holds: ratioAtMost(1.5),
		},
		{
			what: "a function that imports sympy, blocking run, each pristine / trivial", part: "sympy",
			of: "sympy", peer: "trivial", goal: "at most 1.5x", holds: ratioAtMost(1.5),
		},
		{
			what: "memory: a waiting run of such a function, beyond its image", part: "waiting",
			of: "the most", goal: "at most 1 MB", holds: bytesAtMost(1 * mb), limit: "what a waiting run holds: its pages, its stack, its instance",
		},
	},
	measure: measureImports,
}

// measureImports alternates between runs of functions that import packages and trivial runs, and
// measures what waiting runs of them take.
func measureImports(ctx context.Context, l *lab) ([]measured, error) {
	s, err := l.serve(ctx, function{Name: "hello", Code: helloCode()})
	if err != nil {
		return nil, err
	}
	defer s.stop()
	var runs, waiting []measured
	for _, f := range importers {
		dir, err := l.importFolder(f)
		if err != nil {
			return nil, err
		}
		began := time.Now()
		if err := s.deployFolder(ctx, l, dir, f.name); err != nil {
			return nil, err
		}
		deployed := time.Since(began)
		m, err := l.compareWithTrivial(ctx, s, f.name, helloArgs)
		if err != nil {
			return nil, err
		}
		m.notes = append(m.notes, fmt.Sprintf("%s: `fas deploy` with the installation of the packages took %v", f.name, elapsed(deployed)))
		runs = append(runs, m)
		if m, err = s.measureImportWaiters(ctx, f.name); err != nil {
			return nil, err
		}
		waiting = append(waiting, m)
	}
	largest := slices.MaxFunc(waiting, func(a, b measured) int { return int(a.value.n - b.value.n) })
	for i, f := range importers {
		largest.notes = append(largest.notes, fmt.Sprintf("%s: %.2f MB per run", f.name, waiting[i].value.n/mb))
	}
	return append(runs, largest), nil
}

// importFolder writes the function's folder.
func (l *lab) importFolder(f imported) (string, error) {
	dir, err := l.newFolder(f.name)
	if err != nil {
		return "", err
	}
	wheels, err := packages.ReadWheels(filepath.Join(l.root, "test", "packages", "packages.txt"))
	if err != nil {
		return "", err
	}
	wheels = slices.DeleteFunc(wheels, func(w packages.Wheel) bool { return !slices.Contains(f.packages, w.Name) })
	if len(wheels) != len(f.packages) {
		return "", fmt.Errorf("test/packages/packages.txt has %d of the packages %s", len(wheels), strings.Join(f.packages, ", "))
	}
	return dir, errors.Join(
		os.WriteFile(filepath.Join(dir, "requirements.txt"), []byte(packages.Requirements(wheels)), 0o644),
		os.WriteFile(filepath.Join(dir, "main.py"), []byte(f.code()), 0o644),
	)
}

// deployFolder executes fas deploy.
func (s *server) deployFolder(ctx context.Context, l *lab, dir, name string) error {
	_, err := output(ctx, "", "env", "FAASPOT_TOKEN="+s.token, l.fas, "deploy", dir, "--name", name, "--url", "http://"+s.address)
	return err
}

// measureImportWaiters measures what runs of a function take while they wait, beyond what the server
// takes before: in a second wave, because the first one makes the instances.
func (s *server) measureImportWaiters(ctx context.Context, name string) (measured, error) {
	pid := s.cmd.Process.Pid
	before, err := attack.Pss(pid)
	if err != nil {
		return measured{}, err
	}
	args := fmt.Sprintf(`{"name": "x", "seconds": %g}`, importWait.Seconds())
	var during int64
	for range 2 {
		sampled := make(chan error, 1)
		half := time.AfterFunc(importWait*3/4, func() {
			var err error
			during, err = attack.Pss(pid)
			sampled <- err
		})
		_, _, err = s.executeBulk(name, args, importWaiters)
		if err = errors.Join(context.Cause(ctx), err); err != nil {
			half.Stop()
			return measured{}, err
		}
		if err := <-sampled; err != nil {
			return measured{}, err
		}
	}
	return measured{value: quantity{float64(during-before) / importWaiters, inBytes}}, nil
}

// folderFiles is the number of files of the folder that measureFolder deploys.
const folderFiles = 100

var folderBench = bench{
	name: "folder",
	how: "`fas deploy` of a folder with 100 Python files, all of which its main.py imports, from the start of the command to its end. The first deployment does not count; before " +
		"each other one main.py changes. Median.",
	rows: []row{{
		what: "deploy of a folder with 100 files",
		of:   "median", goal: "under 1.5 s", holds: timeAtMost(1500 * time.Millisecond), limit: "one caller: packing, compiling, and importing twice",
	}},
	measure: measureFolder,
}

// measureFolder deploys a folder repeatedly, with another main.py each time.
func measureFolder(ctx context.Context, l *lab) ([]measured, error) {
	s, err := l.serve(ctx)
	if err != nil {
		return nil, err
	}
	defer s.stop()
	dir, err := l.newFolder("folder")
	if err != nil {
		return nil, err
	}
	if err := os.Mkdir(filepath.Join(dir, "shop"), 0o755); err != nil {
		return nil, err
	}
	main := []string{"from shop import (\n"}
	for i := range folderFiles - 1 {
		module := fmt.Sprintf("part%d", i)
		code := fmt.Sprintf("\"\"\"Part %d of the shop.\"\"\"\n\nimport dataclasses\n\n\n@dataclasses.dataclass\nclass Item:\n    name: str\n    price: int = %d\n\n    def total(self, count):\n        return count * self.price\n", i, i)
		if err := os.WriteFile(filepath.Join(dir, "shop", module+".py"), []byte(code), 0o644); err != nil {
			return nil, err
		}
		main = append(main, "    "+module+",\n")
	}
	main = append(main, ")\n\n\ndef main(args, context):\n    return part7.Item(\"x\").total(6)\n")
	var times []time.Duration
	for i := range l.rounds(20, 5) {
		code := fmt.Sprintf("%s\n# version %d\n", strings.Join(main, ""), i)
		if err := os.WriteFile(filepath.Join(dir, "main.py"), []byte(code), 0o644); err != nil {
			return nil, err
		}
		began := time.Now()
		if err := s.deployFolder(ctx, l, dir, "shop"); err != nil {
			return nil, err
		}
		times = append(times, time.Since(began))
		if err := s.connect(); err != nil {
			return nil, err
		}
		if _, err := s.succeed(s.runRequest("shop", "{}")); err != nil {
			return nil, err
		}
	}
	warm := times[1:]
	return []measured{{
		value: elapsed(median(warm)),
		notes: []string{fmt.Sprintf("%d deployments; p90 %v, the first %v", len(times), elapsed(percentile(warm, 0.9)), elapsed(times[0]))},
	}}, nil
}
