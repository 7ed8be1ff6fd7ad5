# Plimsoll: what is inside all our images, is it dangerous, does it meet our policy, what do we rebuild.
# Needs Go (the version in go.mod or newer) and make; tools are fetched as Go modules at pinned versions.

MODULES  := . proto workflows services/internal services/scheduler services/worker services/reporter services/standalone
BIN      := bin/plimsoll
VERSION  ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS  := -s -w -X github.com/plimsoll/plimsoll/services/standalone/internal/cli.version=$(VERSION)
LINT     := github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.12.2
VULN     := golang.org/x/vuln/cmd/govulncheck@v1.1.4
SHARED   ?= $(abspath ../shared)

.DEFAULT_GOAL := help
.PHONY: help build demo test lint tidy generate bench images clean vuln FORCE

help: ## list the targets
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{ printf "  make %-10s %s\n", $$1, $$2 }'

build: $(BIN) ## build bin/plimsoll, the one binary that holds every part

$(BIN): FORCE
	@test -x $@ || echo "building plimsoll; the first build compiles Temporal's server too: about 5 minutes on 2 cores, seconds later on"
	@CGO_ENABLED=0 go build -ldflags '$(LDFLAGS)' -o $@ ./services/standalone/cmd/plimsoll

demo: $(BIN) ## start everything on this machine with a sample registry and sample images
	@$(BIN) demo

test: ## test every module by itself, with the race detector
	@.ci/test $(MODULES)

lint: ## vet, format and lint every module
	@for m in $(MODULES); do echo "lint $$m"; (cd $$m && GOWORK=off go vet ./... && GOWORK=off go run $(LINT) run --config $(CURDIR)/.golangci.yml ./...) || exit 1; done

vuln: ## look for known flaws in what each module builds with
	@for m in $(MODULES); do echo "govulncheck $$m"; (cd $$m && GOWORK=off go run $(VULN) ./...) || exit 1; done

tidy: ## tidy every module's go.mod
	@for m in $(MODULES); do (cd $$m && GOWORK=off go mod tidy) || exit 1; done

generate: ## make the generated code again (proto, demo advisories)
	@for m in $(MODULES); do (cd $$m && GOWORK=off go generate ./...) || exit 1; done

bench: $(BIN) ## measure against the floor and peers in the same run (SHARED=folder with data, corpus and peers)
	@cd services/standalone && PLIMSOLL_SHARED=$(SHARED) go test -run '^$$' -bench . -benchtime 1x ./...

images: $(BIN) ## write reproducible OCI layouts of the static binaries to dist/images
	@cd services/standalone && go run ./internal/images -version $(VERSION) -out $(CURDIR)/dist/images -kustomization $(CURDIR)/deploy/k8s/images/kustomization.yaml

clean: ## remove what the targets above made
	@rm -rf bin dist

FORCE:
