# Plimsoll: what is inside all our images, is it dangerous, does it meet our policy, what do we rebuild.
# Needs Go (the version in go.mod or newer) and make; tools are fetched as Go modules at pinned versions.

MODULES  := . proto workflows services/internal services/scheduler services/worker services/reporter services/standalone
BIN      := bin/plimsoll
ANALYSE  := bin/plimsoll-analyse
VERSION  ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS  := -s -w -X github.com/plimsoll/plimsoll/services/standalone/internal/cli.version=$(VERSION)
LINT     := github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.12.2
VULN     := golang.org/x/vuln/cmd/govulncheck@v1.1.4
SHARED   ?= $(abspath ../shared)
CORPUS   ?= $(PLIMSOLL_CORPUS)
PEERS    ?= $(PLIMSOLL_PEERS)
ROUNDS   ?= 3
SEEDS    ?= 5
SOAK     ?= 30m
IMAGES   ?= 10000,100000
TAGS     ?= 10

.DEFAULT_GOAL := help
.PHONY: help build demo test faults soak lint tidy generate bench bench-worker bench-reporter bench-pipeline parity images clean vuln FORCE

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{ printf "  make %-12s %s\n", $$1, $$2 }'

build: $(BIN) $(ANALYSE) ## build bin/plimsoll, which holds every part, and bin/plimsoll-analyse, which it starts to read hostile bytes

$(BIN): FORCE
	@test -x $@ || echo "building plimsoll; the first build compiles Temporal's server too: about 5 minutes on 2 cores, seconds later on"
	@CGO_ENABLED=0 go build -ldflags '$(LDFLAGS)' -o $@ ./services/standalone/cmd/plimsoll

$(ANALYSE): FORCE
	@CGO_ENABLED=0 go build -ldflags '-s -w' -o $@ ./services/worker/cmd/plimsoll-analyse

demo: $(BIN) $(ANALYSE) ## start everything on this machine with a sample registry and sample images
	@$(BIN) demo

test: ## test every module by itself, with the race detector
	@.ci/test $(MODULES)

faults: ## strike a running system with every fault, and a build that must fail on some (SEEDS=5)
	@cd services/standalone && PLIMSOLL_FAULTS=all PLIMSOLL_FAULT_SEEDS=$(SEEDS) GOWORK=off go test -v -count=1 -timeout 0 ./faults

soak: ## strike one system with faults at random, and a build that must fail on some (SOAK=30m)
	@cd services/standalone && PLIMSOLL_FAULTS=all PLIMSOLL_SOAK=$(SOAK) GOWORK=off go test -v -count=1 -timeout 0 -run '^(TestSoak|TestEarlyAcknowledgementIsNoticed)$$' ./faults

lint: ## vet, format and lint every module
	@for m in $(MODULES); do echo "lint $$m"; (cd $$m && GOWORK=off go vet ./... && GOWORK=off go run $(LINT) run --config $(CURDIR)/.golangci.yml ./...) || exit 1; done

vuln: ## look for known flaws in what each module builds with
	@for m in $(MODULES); do echo "govulncheck $$m"; (cd $$m && GOWORK=off go run $(VULN) ./...) || exit 1; done

tidy: ## tidy every module's go.mod
	@for m in $(MODULES); do (cd $$m && GOWORK=off go mod tidy) || exit 1; done

generate: ## make the generated code again (proto, demo advisories)
	@for m in $(MODULES); do (cd $$m && GOWORK=off go generate ./...) || exit 1; done

bench: $(BIN) $(ANALYSE) ## measure against the floor and peers in the same run (SHARED=folder with data, corpus and peers)
	@cd services/standalone && PLIMSOLL_SHARED=$(SHARED) go test -run '^$$' -bench . -benchtime 1x ./...

bench-worker: ## measure the worker alone beside the floor and peers (SHARED, CORPUS, PEERS: folders; ROUNDS=10; MARKDOWN=file)
	@cd services/worker && go run ./bench -shared '$(wildcard $(abspath $(SHARED)))' -corpus '$(if $(CORPUS),$(abspath $(CORPUS)))' \
		-peers '$(if $(PEERS),$(abspath $(PEERS)))' -rounds $(ROUNDS) \
		-markdown '$(if $(MARKDOWN),$(abspath $(MARKDOWN)))' $(BENCH_FLAGS)

bench-reporter: ## measure the reporter alone: advisories and posture (SHARED=folder with data; IMAGES=10000,100000,1000000; MARKDOWN=file)
	@cd services/reporter && GOWORK=off go run ./bench -images '$(IMAGES)' -markdown '$(if $(MARKDOWN),$(abspath $(MARKDOWN)))' $(BENCH_FLAGS)
	@cd services/reporter && PLIMSOLL_SHARED='$(wildcard $(abspath $(SHARED)))' GOWORK=off go test -run '^$$' -bench . -benchtime 3x -timeout 60m ./internal/...

bench-pipeline: $(BIN) $(ANALYSE) ## measure the whole pipeline, each part a process (SHARED, CORPUS: folders; IMAGES=1000,10000,100000; TAGS=10; MARKDOWN=file)
	@cd services/standalone && GOWORK=off go run ./bench -shared '$(abspath $(SHARED))' -corpus '$(if $(CORPUS),$(abspath $(CORPUS)))' -bin '$(CURDIR)/bin' \
		-images '$(IMAGES)' -tags $(TAGS) -v -markdown '$(if $(MARKDOWN),$(abspath $(MARKDOWN)))' $(BENCH_FLAGS)

# What is not there yet is built into the cache folder first: peers take some 15 minutes, the corpus 5 (as root).
parity: ## compare packages, files and matches with other scanners' and with what is known (SHARED, CORPUS, PEERS: folders)
	@test -d '$(SHARED)/data/images' || { echo "parity: $(SHARED)/data/images is not there: give SHARED=, the folder with data, corpus and peers" >&2; exit 1; }
	@set -e; cache="$${XDG_CACHE_HOME:-$$HOME/.cache}/plimsoll"; peers='$(if $(PEERS),$(abspath $(PEERS)))' corpus='$(if $(CORPUS),$(abspath $(CORPUS)))'; \
	if [ -z "$$peers" ]; then peers="$$cache/peers"; '$(SHARED)/peers/install' "$$peers" syft trivy osv-scanner; fi; \
	if [ -z "$$corpus" ]; then corpus="$$cache/corpus"; [ -e "$$corpus/layout/index.json" ] || '$(SHARED)/corpus/build' "$$corpus"; fi; \
	export PLIMSOLL_SHARED='$(abspath $(SHARED))' PLIMSOLL_CORPUS="$$corpus" PLIMSOLL_PEERS="$$peers"; \
	(cd services/worker && go test -count=1 -timeout 30m -run 'TestCorpus|TestRealFiles' ./internal/...); \
	(cd services/standalone && go test -count=1 -timeout 30m -run 'TestParity|TestExpected' ./e2e)

images: $(BIN) ## write reproducible OCI layouts of the static binaries to dist/images
	@cd services/standalone && go run ./internal/images -version $(VERSION) -out $(CURDIR)/dist/images -kustomization $(CURDIR)/deploy/k8s/images/kustomization.yaml

clean: ## remove what the targets above made
	@rm -rf bin dist

FORCE:
