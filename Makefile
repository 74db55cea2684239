# faaspot. `make run` builds and serves, and needs Go alone. `make test` tests; for
# the Python client it takes the machine's Python, which as root on Debian it
# installs if there is none. Nothing else is written outside this folder.

# Versions of tools that are not in go.mod.
GOLANGCI_LINT = v2.15.0
GOFUMPT       = v0.9.2

export GOTOOLCHAIN = local
BIN   = $(CURDIR)/bin
TOOLS = $(CURDIR)/.cache/tools
GO    = go

.PHONY: build
build: ## Build bin/fas: one static binary.
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '-s -w' -o $(BIN)/fas ./cmd/fas

.PHONY: run
run: build ## Build, serve on 127.0.0.1:8080, and run a sample function once.
	$(BIN)/fas serve --demo

.PHONY: test
test: build ## All tests.
	$(GO) vet ./...
	$(GO) test -p 1 -timeout 20m ./...
	FAS_BINARY=$(BIN)/fas clients/python/test.sh

.PHONY: race
race: ## The tests, shortened, with the race detector; needs a C compiler.
	CGO_ENABLED=1 $(GO) test -race -short -p 1 -timeout 40m ./...

.PHONY: lint
lint: $(TOOLS)/golangci-lint-$(GOLANGCI_LINT) ## Formatting, imports between rooms, vet and more.
	$(TOOLS)/golangci-lint-$(GOLANGCI_LINT) run ./...
	if command -v mypy >/dev/null && command -v black >/dev/null; then cd clients/python && mypy && black --check -q .; fi

.PHONY: fmt
fmt: $(TOOLS)/gofumpt-$(GOFUMPT) ## Format the Go code.
	$(TOOLS)/gofumpt-$(GOFUMPT) -w $$(git ls-files '*.go')

FUZZTIME = 30s
.PHONY: fuzz
fuzz: ## Each fuzz test for FUZZTIME.
	@set -e; for file in $$(git ls-files '*_test.go' | xargs grep -l '^func Fuzz'); do \
	  for name in $$(sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\)(.*/\1/p' $$file); do \
	    echo "$$name in $$(dirname $$file)"; \
	    $(GO) test -run '^$$' -fuzz "^$$name$$" -fuzztime $(FUZZTIME) ./$$(dirname $$file); \
	  done; done

SOAK = 10000
.PHONY: soak
soak: ## Everything random in the sandbox's tests SOAK times; takes hours.
	$(GO) test -timeout 0 ./runtime/sandbox -soak $(SOAK)

.PHONY: soak-restore
soak-restore: ## Memory compared after thousands of random runs.
	$(GO) test -timeout 40m ./runtime/sandbox -run TestSlotsAreRestoredExactly/mapped -soak 1000

KILLS = 200
.PHONY: soak-kill
soak-kill: ## The server killed KILLS times under load; nothing that was accepted may be lost.
	$(GO) test -timeout 60m ./test/kill -run TestNothingIsLostToKill -kill.rounds $(KILLS)

BENCHFLAGS = -write docs/benchmarks.md
.PHONY: bench
bench: ## Speed beside gunicorn, processes and native CPython; as root on Debian 12 it installs those.
	cmd/fasbench/peers.sh
	$(GO) build -o $(BIN)/fasbench ./cmd/fasbench
	$(BIN)/fasbench $(BENCHFLAGS)

ROUNDS = 10
.PHONY: bench-compare
bench-compare: ## Server CPU per run of this tree against the revision BASE, over ROUNDS rounds.
	@test -n "$(BASE)" || { echo "which revision? make bench-compare BASE=REVISION"; exit 2; }
	$(GO) build -o $(BIN)/fasbench ./cmd/fasbench
	$(BIN)/fasbench compare -base $(BASE) -rounds $(ROUNDS)

.PHONY: release
release: ## Build the release archives of fas, with checksums, into dist/.
	cmd/fas/release.sh $(VERSION)

.PHONY: test-arm64
test-arm64: ## The linux/arm64 binary serves, and tests of the sandbox pass, under qemu; as root on Debian it installs qemu.
	test/release/arm64.sh

.PHONY: soak-arm64
soak-arm64: ## The same, and all tests of the sandbox under qemu; takes an hour or more.
	test/release/arm64.sh soak

.PHONY: bootstrap
bootstrap: ## Compile the guest's own Python anew, after a change of it.
	$(GO) test ./runtime/sandbox -run TestBootstrapIsCompiled -update

.PHONY: guest
guest: ## Rebuild the guest from pinned sources; as root on Debian 12.
	pyguest/build/build.sh

.PHONY: guest-check
guest-check: ## Rebuild the guest elsewhere and compare it with what is committed.
	pyguest/build/check.sh

.PHONY: check
check: lint test race soak-restore soak-kill clean-tree ## What CI runs.

.PHONY: clean-tree
clean-tree: ## Fail if the steps before have changed what is committed.
	@test -z "$$(git status --porcelain)" || { echo "the tree is not clean:"; git status --short; exit 1; }

.PHONY: help
help: ## This list.
	@sed -n 's/^\([a-z0-9-]*\):.*## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | expand -t 14

$(TOOLS)/golangci-lint-$(GOLANGCI_LINT):
	@mkdir -p $(TOOLS)
	GOBIN=$(TOOLS) $(GO) install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_LINT)
	mv $(TOOLS)/golangci-lint $@

$(TOOLS)/gofumpt-$(GOFUMPT):
	@mkdir -p $(TOOLS)
	GOBIN=$(TOOLS) $(GO) install mvdan.cc/gofumpt@$(GOFUMPT)
	mv $(TOOLS)/gofumpt $@
