# faaspot. `make run` builds and serves, and needs only Go. `make test` runs all tests; those of the
# Python client use the machine's Python, which is installed if it is missing and make runs as root
# on Debian. Nothing else is written outside this folder.

# Versions of tools that are not in go.mod.
GOLANGCI_LINT = v2.15.0
GOFUMPT       = v0.9.2

export GOTOOLCHAIN = local
BIN   = $(CURDIR)/bin
TOOLS = $(CURDIR)/.cache/tools
GO    = go

# WAZERO=patched builds and tests with wazero as docs/wazero-patch.md describes it, WAZERO=stock with
# wazero as released, as a plain "go build" does. The patch is for amd64.
WAZERO = $(if $(filter amd64,$(shell $(GO) env GOARCH)),patched,stock)
ifeq ($(WAZERO),patched)
MODFILE = -modfile=$(CURDIR)/.cache/wazero/go.mod
else ifneq ($(WAZERO),stock)
$(error WAZERO must be patched or stock, not "$(WAZERO)")
endif

.PHONY: wazero
wazero: # Copy wazero from the module cache, verify it, and apply the patch.
ifeq ($(WAZERO),patched)
	@$(GO) run ./runtime/sandbox/wazeropatch >/dev/null
endif

.PHONY: build
build: wazero ## Build bin/fas: one static binary; with wazero as released: WAZERO=stock.
	CGO_ENABLED=0 $(GO) build $(MODFILE) -trimpath -ldflags '-s -w' -o $(BIN)/fas ./cmd/fas

.PHONY: run
run: build ## Build, serve on 127.0.0.1:8080, and run a sample function once.
	$(BIN)/fas serve --demo

# Packages whose tests measure time or memory, or keep all processors busy, and packages whose tests start
# servers. They run one after another; all others run in parallel.
MEASURING = ./runtime/sandbox ./test/attack ./test/corpus ./test/engine
PROCESSES = $$($(GO) list ./test/... | grep -v -e /test/attack$$ -e /test/corpus$$ -e /test/engine$$ -e /test/clients$$)

.PHONY: test
test: build ## Run all tests.
	$(if $(VETTED),,$(GO) vet ./...)
	$(MAKE) test-go test-log test-measuring test-processes test-python

# The parts of the tests.
.PHONY: test-go test-log test-measuring test-processes test-python
test-go: build
	FAS_BINARY=$(BIN)/fas $(GO) test $(VETTED) $(MODFILE) -timeout 20m $$($(GO) list ./... | grep -v -e /runtime/sandbox$$ -e /faaspot/test/)
test-log: wazero # on a store behind a log
	FAASPOT_TEST_LOG=1 $(GO) test $(VETTED) $(MODFILE) -short -timeout 20m ./storage ./runtime/engine
test-measuring: build
	FAS_BINARY=$(BIN)/fas $(GO) test $(VETTED) $(MODFILE) -p 1 -timeout 20m $(MEASURING)
test-processes: build
	FAS_BINARY=$(BIN)/fas $(GO) test $(VETTED) $(MODFILE) -p 1 -timeout 20m $(PROCESSES)
test-python: build
	FAS_BINARY=$(BIN)/fas clients/python/test.sh

.PHONY: test-clients
test-clients: build ## Drive the server with the clients that the vendors of its APIs publish; as root on Debian it installs Node.js and Python.
	FAS_BINARY=$(BIN)/fas $(GO) test -timeout 20m ./test/clients

# Packages of wazero that test its compiler: the specification's own tests, and those of the engine.
WAZERO_TESTS = ./internal/integration_test/spectest/... ./internal/integration_test/engine ./internal/engine/... .
# Expects code before constant addresses have no bounds check, see docs/wazero-patch.md.
WAZERO_SKIP  = ^TestCompiler_LowerToSSA$$/^Atomic(RMW(Add|Sub|And|Or|Xor|Xchg)|StoreLoad|Cas)$$

.PHONY: test-wazero
test-wazero: wazero ## Run wazero's own tests of its compiler on the patched copy.
	cd "$$($(GO) list $(MODFILE) -m -f '{{.Dir}}' github.com/tetratelabs/wazero)" && \
	  $(NICE) $(GO) test -timeout 20m -skip '$(WAZERO_SKIP)' $(WAZERO_TESTS)

.PHONY: test-stock
test-stock: ## Build with wazero as released, and run shortened tests of the sandbox.
	CGO_ENABLED=0 $(GO) build -trimpath -o /dev/null ./cmd/fas
	$(GO) test -short -timeout 20m ./runtime/sandbox ./pyguest/...

# Packages without goroutines are not watched for races, nor tests that start servers, which are processes of their own.
.PHONY: race race-go race-measuring
race: race-go race-measuring ## Run shortened tests with the race detector; needs a C compiler.
race-go: build
	CGO_ENABLED=1 $(NICE) $(GO) test $(VETTED) $(MODFILE) -race -count 1 -timeout 20m ./test/guestcache
	CGO_ENABLED=1 FAS_BINARY=$(BIN)/fas $(NICE) $(GO) test $(VETTED) $(MODFILE) -race -short -timeout 40m $$($(GO) list ./... | grep -v -e /runtime/sandbox$$ -e /faaspot/test/ -e /pyguest/ -e /runtime/strict -e /runtime/bundle$$ -e /wazeropatch)
race-measuring: wazero
	CGO_ENABLED=1 $(GO) test $(VETTED) $(MODFILE) -race -short -p 1 -timeout 40m ./runtime/sandbox ./test/engine

.PHONY: lint
lint: $(TOOLS)/golangci-lint-$(GOLANGCI_LINT) ## Check formatting, the imports between packages, vet and more.
	$(NICE) $(TOOLS)/golangci-lint-$(GOLANGCI_LINT) run ./...
	if command -v mypy >/dev/null && command -v black >/dev/null; then cd clients/python && mypy && black --check -q .; fi

.PHONY: fmt
fmt: $(TOOLS)/gofumpt-$(GOFUMPT) ## Format the Go code.
	$(TOOLS)/gofumpt-$(GOFUMPT) -w $$(git ls-files '*.go')

.PHONY: test-cpython
test-cpython: build ## Run CPython's own tests in functions and in native CPython; write docs/python-compatibility.md.
	test/native-python.sh
	FAS_BINARY=$(BIN)/fas $(GO) test ./test/cpython -run TestCPython -v -timeout 3h -all -write -native $(CURDIR)/.cache/native-python/native/python

.PHONY: test-packages
test-packages: build ## Deploy packages of PyPI, and compare them with native CPython; write docs/packages.md.
	test/native-python.sh
	FAS_BINARY=$(BIN)/fas $(GO) test ./test/packages -count 1 -v -timeout 55m -parallel 2 -more -top -write -native $(CURDIR)/.cache/native-python/native/python

.PHONY: test-network
test-network: build ## Run clients of PyPI against real servers in functions and in native CPython, and write the expected values; as root on Debian 12 it installs the servers.
	test/native-python.sh
	FAS_BINARY=$(BIN)/fas $(GO) test ./test/network -count 1 -v -timeout 20m -native $(CURDIR)/.cache/native-python/native/python

# A time, or a number of inputs, such as 2000x. With a time, Go 1.26 fails now and then at its end, with
# "context deadline exceeded" and no input that fails.
FUZZTIME = 30s
.PHONY: fuzz
fuzz: ## Run each fuzz test for FUZZTIME.
	@set -e; program=$$(mktemp); trap 'rm -f "$$program"' EXIT; export CGO_ENABLED=0; \
	for folder in $$(git ls-files '*_test.go' | xargs grep -l '^func Fuzz' | xargs -n1 dirname | sort -u); do \
	  $(NICE) $(GO) test -c -fuzz . -o "$$program" "./$$folder"; \
	  found=$$($(GO) env GOCACHE)/fuzz/$$($(GO) list "./$$folder"); \
	  for name in $$(sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\)(.*/\1/p' "$$folder"/*_test.go); do \
	    echo "$$name in $$folder"; \
	    (cd "$$folder" && $(NICE) "$$program" -test.run '^$$' -test.fuzz "^$$name$$" -test.fuzztime $(FUZZTIME) -test.fuzzcachedir "$$found"); \
	  done; \
	done

# Packages with tests of package rapid, which take the number of their checks from a flag. Those of the
# store and the dispatcher have numbers of their own, and those of the sandbox take SOAK.
RAPID = $$(git ls-files '*_test.go' | xargs grep -l 'rapid\.Check' | xargs -n1 dirname | sort -u | grep -v -e ^storage$$ -e ^runtime/dispatch$$ -e ^runtime/sandbox$$ | sed 's,^,./,')

SOAK   = 10000
CHECKS = 50000
GAMES  = 20
FUZZES = 100000
.PHONY: soak
soak: ## Run all random tests at length, those of the sandbox SOAK times, of the store GAMES times as many, of package rapid with CHECKS checks, and fuzz tests with FUZZES inputs; takes hours.
	$(MAKE) soak-restore soak-wazero soak-hostile
	$(MAKE) soak-kill KILLS=1000
	$(MAKE) soak-log
	$(MAKE) soak-cluster soak-cluster-kill
	$(MAKE) fuzz FUZZTIME=$(FUZZES)x
	$(GO) test -timeout 0 ./test/kill -run TestBacklogOutlivesTheServer -backlog.bulks 10
	$(GO) test -timeout 0 ./test/kill -run OutliveKills -kill.operations 30 -count 20
	$(GO) test -timeout 0 ./storage -soak $(GAMES)
	FAASPOT_TEST_LOG=1 $(GO) test -timeout 0 ./storage -soak $(GAMES)
	$(GO) test -timeout 0 ./runtime/dispatch -run TestNoInnocentRunFails -rapid.checks $(CHECKS)
	$(GO) test -timeout 0 $(RAPID) -rapid.checks $(CHECKS)
	$(GO) test $(MODFILE) -timeout 0 ./runtime/sandbox -soak $(SOAK)

RESTORES = 1000
.PHONY: soak-restore
soak-restore: wazero ## Compare all memory after RESTORES rounds of random runs.
	$(GO) test $(MODFILE) -timeout 40m ./runtime/sandbox -run TestSlotsAreRestoredExactly/mapped -soak $(RESTORES)

AGREE = 10m
.PHONY: soak-wazero
soak-wazero: ## Compare the patched wazero with the released one, for AGREE over random modules and for AGREE over runs of the guest, and run all tests of both; needs cargo.
	$(GO) test -count 1 -timeout 0 ./runtime/sandbox/wazeropatch -run TestCompilersAgree -v -agree $(AGREE)
	$(MAKE) test-wazero WAZERO=patched WAZERO_TESTS=./...
	$(MAKE) test-sandbox WAZERO=stock
	$(MAKE) test-sandbox WAZERO=patched

.PHONY: test-sandbox
test-sandbox: build ## Run all tests of the sandbox, the guest and the corpus with one wazero.
	FAS_BINARY=$(BIN)/fas $(GO) test $(VETTED) $(MODFILE) -p 1 -timeout 0 ./runtime/sandbox/... ./pyguest/... ./test/corpus

KILLS = 200
.PHONY: soak-kill
soak-kill: build ## Kill the server KILLS times under load; nothing that was accepted may be lost.
	FAS_BINARY=$(BIN)/fas $(GO) test -timeout 0 ./test/kill -run TestNothingIsLostToKill -kill.rounds $(KILLS)

LOGTIME = 600s
.PHONY: soak-log
soak-log: ## Kill servers of the log for LOGTIME while owners take it from each other, and run random operations through a faulty network; nothing that was acknowledged may be lost.
	$(GO) test -count 1 -timeout 0 ./storage/replog/nats -run 'TestNothingIsLostToKills|TestLogThroughAFaultyNetwork' -v -kill.time $(LOGTIME) -soak

SEEDS = 10000
.PHONY: soak-cluster
soak-cluster: ## Simulate a cluster with SEEDS random schedules of faults; nothing that was acknowledged may be lost.
	$(GO) test -count 1 -timeout 0 ./runtime/cluster -run TestFaults -v -cluster.seeds $(SEEDS)

FAULTS = 50
.PHONY: soak-cluster-kill
soak-cluster-kill: SECONDS = 600
soak-cluster-kill: ## Kill processes of a cluster under load for SECONDS, and stop and cut off others FAULTS times; nothing that was accepted may be lost. Namespaces need root and iproute2.
	$(GO) test -count 1 -timeout 0 ./test/clusterkill -v -cluster.time $(SECONDS)s -cluster.faults $(FAULTS)

SECONDS = 1800
.PHONY: soak-hostile
soak-hostile: build ## Put hostile and normal load on a server for SECONDS; afterwards it must hold what it held before.
	FAS_BINARY=$(BIN)/fas $(GO) test -count 1 -timeout 0 ./test/soak -run TestHostileSoak -v -soak.time $(SECONDS)s

BENCHFLAGS = -write docs/benchmarks.md
.PHONY: bench
bench: ## Measure speed next to gunicorn, native CPython and other sandboxes; as root on Debian 12 it installs those.
	cmd/fasbench/peers.sh
	$(GO) build -o $(BIN)/fasbench ./cmd/fasbench
	$(BIN)/fasbench $(if $(filter stock,$(WAZERO)),-stock) $(BENCHFLAGS)

ROUNDS = 10
.PHONY: bench-compare
bench-compare: ## Compare the server CPU per run with the revision BASE, over ROUNDS rounds; of some rows: ROWS="bulk runs,deployments".
	@test -n "$(BASE)" || { echo "which revision? make bench-compare BASE=REVISION"; exit 2; }
	$(GO) build -o $(BIN)/fasbench ./cmd/fasbench
	$(BIN)/fasbench compare -base $(BASE) -rounds $(ROUNDS) -only "$(ROWS)"

.PHONY: release
release: ## Build the release archives and Debian packages of fas, with checksums, into dist/.
	cmd/fas/release.sh $(VERSION)

.PHONY: test-arm64
test-arm64: ## Serve and run tests of the sandbox for linux/arm64 under qemu; as root on Debian it installs qemu.
	test/release/arm64.sh

.PHONY: soak-arm64
soak-arm64: ## Run all tests of the sandbox for linux/arm64 under qemu; takes an hour or more.
	test/release/arm64.sh soak

.PHONY: console
console: ## Compile the console from its sources, after a change of them; needs Node.js.
	cd httpapi/console && npm ci && npm run build

.PHONY: console-check
console-check: ## Check the types of the console, and that what is committed is what its sources compile to; needs Node.js.
	cd httpapi/console && npm ci && npm run check

.PHONY: console-pictures
console-pictures: ## Write the pictures of docs/console.md; needs Node.js and Chromium.
	cd httpapi/console && npm ci
	$(GO) test ./test/console -count 1 -screens ../../docs/console

.PHONY: bootstrap
bootstrap: ## Compile the guest's own Python modules, after a change of them.
	$(GO) test ./runtime/sandbox -run TestBootstrapIsCompiled -update

.PHONY: corpus-expected
corpus-expected: ## Run the programs of test/corpus by native CPython and store what they return; as root on Debian 12.
	test/corpus/native.sh
	$(GO) test ./test/corpus -count 1 -native $(CURDIR)/.cache/native-python -update

.PHONY: guest
guest: ## Rebuild the guest from pinned sources; as root on Debian 12.
	pyguest/build/build.sh

.PHONY: guest-check
guest-check: ## Rebuild the guest elsewhere and compare it with what is committed.
	pyguest/build/check.sh

# The parts of `make check`, which run two at a time: those that take longest are first, and beside tests of servers, which
# wait most of the time, there are some that compute, with a lower priority. What they are built from is made before (-o).
PARTS = lint test-processes race-go test-go test-measuring soak-hostile fuzz race-measuring test-arm64 test-wazero test-stock \
  soak-kill test-log soak-restore test-clients test-python

.PHONY: check
check: console-check build ## Run what CI runs: all checks, and short soaks.
	$(GO) test -vet=off $(MODFILE) -count 1 ./test/guestcache
	$(MAKE) -j 2 --output-sync=target -o build -o wazero $(PARTS) NICE='nice -n 5' VETTED=-vet=off RESTORES=200 KILLS=40 FUZZTIME=1000x SECONDS=60
	$(MAKE) clean-tree

.PHONY: clean-tree
clean-tree: ## Fail if the previous steps changed a committed file.
	@test -z "$$(git status --porcelain)" || { echo "the tree is not clean:"; git status --short; exit 1; }

.PHONY: help
help: ## Print this list.
	@sed -n 's/^\([a-z0-9-]*\):.*## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | expand -t 14

$(TOOLS)/golangci-lint-$(GOLANGCI_LINT):
	@mkdir -p $(TOOLS)
	GOBIN=$(TOOLS) $(GO) install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_LINT)
	mv $(TOOLS)/golangci-lint $@

$(TOOLS)/gofumpt-$(GOFUMPT):
	@mkdir -p $(TOOLS)
	GOBIN=$(TOOLS) $(GO) install mvdan.cc/gofumpt@$(GOFUMPT)
	mv $(TOOLS)/gofumpt $@
