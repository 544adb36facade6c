# Sluice is built, checked and shown from here; CI runs `make check` and nothing else. `make help` lists the targets.
# Needed: Go, GNU make, git, python3, Node with npm (for buf and for the npm registry that the tests run), and docker-registry and chromium
# or an apt-get that has them (for the OCI registry that they run, and the browser that they look at the dashboard with). Everything else
# is fetched at a pinned version into .tmp, which may be deleted at any time.

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.SUFFIXES:
.NOTPARALLEL:
MAKEFLAGS += --warn-undefined-variables --no-builtin-rules
.DEFAULT_GOAL := help

BIN  := .tmp/bin
DIST := dist

# Pinned tools. To move one, change its version here: the stamp beside the binary carries it.
GOLANGCI_LINT_VERSION := v2.15.0
NATSCLI_VERSION       := v0.5.1
BUF_VERSION           := 1.75.0

GOLANGCI_LINT := $(BIN)/.golangci-lint-$(GOLANGCI_LINT_VERSION)
NATSCLI       := $(BIN)/.nats-$(NATSCLI_VERSION)
BUF           := $(BIN)/.buf-$(BUF_VERSION)

# What is checked is compiled as what is shipped (see build), so that it is compiled once; but for the race detector, see .ci/race.
# Compilers and tests are short programs: what they save by collecting their garbage early is not needed, and costs a fifth of their time.
GOFLAGS ?=
GOGC    ?= 400
GOFLAGS += -trimpath
export GOFLAGS GOGC
export CGO_ENABLED := 0

# Where go puts a tool, whatever the caller's GOFLAGS, workspace or GOBIN say.
GO_INSTALL := GOBIN="$(abspath $(BIN))" GOWORK=off GOFLAGS='-mod=mod -trimpath' go install

PROTO_BASELINE := proto/baseline.txtpb

.PHONY: help
help: ## Say what the targets do
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 18

.PHONY: check
check: generate-check tidy-check lint vet test ## Everything that CI checks

.PHONY: build
build: ## Build the static binary of every service into dist/
	mkdir -p $(DIST)
	CGO_ENABLED=0 go build -trimpath -ldflags='-s -w' -o $(DIST)/ $$($(list-mains))

# The commands of the services. e2e holds tests and what they run.
list-mains = go list -f '{{if eq .Name "main"}}{{.ImportPath}}{{end}}' work | grep /services/ | grep -v /services/e2e/

.PHONY: demo
demo: build ## Take four releases through the gate on this machine, and check how they end
	go run ./services/e2e/demo -bin $(DIST)

# How long things go wrong. Waiting for the last releases, and reading what happened, comes after that.
CHAOS_FOR := 10m

.PHONY: chaos
chaos: ## Break brokers and services for CHAOS_FOR (10m) and check every promise; as root in network namespaces
	go run ./services/e2e/chaos -for $(CHAOS_FOR)

# What is run without the race detector, too, beside all of services/e2e: large, or about programs that it does not reach into.
FAST := -run='^(TestChaos|TestClocksDecideNothing|TestRace|TestAThousandSoaks|TestFalseAlarms|TestConformance|TestAFloodIsRead|TestWhatTheStreamDropped|TestMany$$)'

# One package after the other: two rows of them fill two cores. What go vet has to say is said by make vet.
ALONE := go test -count=1 -vet=off -timeout=15m -p=1

# What has one goroutine, and thinks long: the race detector makes it many times slower and has nothing to find.
PURE := ./pkg/release ./pkg/release/exhaustive

# What is begun first, so that it does not run alone in the end.
LONGEST := ./services/sluice ./pkg/driver/npm ./services/e2e

.PHONY: test
test: c-compiler $(NATSCLI) ## Run all tests, most with the race detector
	.ci/race -vet=off -p=3 -timeout=15m $(LONGEST) $$(go list work | grep -vFx "$$(go list $(PURE))")
	{ $(ALONE) ./services/e2e $(PURE) && $(ALONE) $(FAST) ./services/e2e/watchsim ./services/watcher ./services/gateway/internal/dash ./pkg/driver/aws ./pkg/driver/npm; } & \
	other=$$!; failed=0; $(ALONE) $(FAST) ./services/e2e/chaos ./services/promoter || failed=1; wait $$other && exit $$failed

.PHONY: model
model: ## Search the model of the protocol in its large sizes: minutes, and some GiB of memory
	SLUICE_MODEL=large go test -count=1 -timeout=60m -v -run='^TestProtocol$$' ./pkg/release/exhaustive

.PHONY: watch-sim
watch-sim: ## Draw soaks and print how often each way of judging is wrong, and how soon it sees a regression
	go run ./services/e2e/watchsim

.PHONY: watch-bench
watch-bench: ## Measure the watcher: from signal to tombstone, 50,000 signals a second, 10,000 releases at once
	go test -run='^$$' -bench=FromSignalToTombstone -benchtime=500x ./services/watcher
	go test -run='^$$' -bench='Flood|Watched' -benchtime=1x ./services/watcher

.PHONY: scale
scale: ## Restart everything while 10,000 releases soak
	SLUICE_SCALE_RELEASES=10000 go test -count=1 -timeout=30m -run='^TestRestartWithManyReleases$$' -v ./services/e2e

.PHONY: vet
vet: ## Run go vet on all modules
	go vet work

.PHONY: lint
lint: $(GOLANGCI_LINT) $(BUF) ## Lint Go and proto, and refuse a change of the wire format that breaks readers
	$(BIN)/buf lint proto
	$(BIN)/buf breaking proto --against $(PROTO_BASELINE)
	$(BIN)/golangci-lint run --allow-parallel-runners $$(go list -f '{{.Dir}}/...' -m)
	@if sleeps=$$(git grep -lF 'time.Sleep(' -- '*_test.go' | xargs -r grep -LE 'synctest|bubble\(' | grep .); then \
		echo "these tests sleep outside a synctest bubble; wait for the event instead:"; echo "$$sleeps"; exit 1; \
	fi

.PHONY: fix
fix: $(GOLANGCI_LINT) ## Let the linters mend what they can
	$(BIN)/golangci-lint run --allow-parallel-runners --fix $$(go list -f '{{.Dir}}/...' -m)

.PHONY: generate
generate: $(BUF) ## Generate Go from proto/
	cd proto && "$(abspath $(BIN))/buf" generate

# What is generated is committed. Generating must therefore change nothing.
.PHONY: generate-check
generate-check: ## Check that generating leaves git clean
	$(MAKE) generate
	@changes=$$(git status --porcelain --untracked-files=all -- proto); \
	if [[ -n "$$changes" ]]; then \
		echo "make generate leaves changes: look at them and commit them"; echo "$$changes"; git --no-pager diff -- proto; exit 1; \
	fi

# The baseline is the wire format that others may already hold: that of the last release, and until there is one, of the
# last time somebody ran this. `lint` compares with it; unlike a tag or another branch it is there in every clone.
.PHONY: proto-baseline
proto-baseline: $(BUF) ## Declare today's wire format as released: from now on nothing in it may break
	$(BIN)/buf build proto --exclude-source-info -o $(PROTO_BASELINE)

.PHONY: tidy
tidy: ## Tidy go.mod and go.sum of every module, then the workspace
	.ci/tidy

.PHONY: tidy-check
tidy-check: ## Check that there is nothing to tidy
	.ci/tidy --check

.PHONY: tools
tools: $(GOLANGCI_LINT) $(NATSCLI) $(BUF) ## Fetch the pinned tools into .tmp/bin

.PHONY: clean
clean: ## Remove what was built and fetched
	rm -rf $(DIST) .tmp

# The race detector needs a C compiler.
.PHONY: c-compiler
c-compiler:
	@command -v "$$(go env CC)" >/dev/null || { \
		echo "no C compiler ($$(go env CC)), which the race detector needs: installing gcc"; \
		apt-get update -qq && apt-get install -y -qq --no-install-recommends gcc libc6-dev; \
	} || { echo "could not install it: install gcc and the C library's headers, then try again"; exit 1; }

$(GOLANGCI_LINT):
	$(GO_INSTALL) github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_LINT_VERSION)
	touch $@

$(NATSCLI):
	$(GO_INSTALL) github.com/nats-io/natscli/nats@$(NATSCLI_VERSION)
	touch $@

# From npm, where buf is a binary: building it takes minutes.
$(BUF):
	mkdir -p $(BIN)
	npm install --prefix .tmp/buf --no-save --no-audit --no-fund --ignore-scripts @bufbuild/buf@$(BUF_VERSION)
	ln -sf ../buf/node_modules/.bin/buf $(BIN)/buf
	touch $@
