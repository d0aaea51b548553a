# make demo   runs the main job on the embedded defaults and shows it
# make test   passes the tests
# make run    leaves a CA running to play with; make stop ends it
# make interop  runs the servers of docs/servers and two browsers, and writes docs/interop.md
# make traefik  builds Traefik for it, which Debian does not have: five minutes, the first time
# make step   builds step's CLI for it, likewise
# make bench  measures issuance and OCSP beside bare handlers
# make platforms  builds for macOS, Windows and Linux on arm64, and throws it away
# make build  makes bin/signetd, bin/signet and bin/softcard
# make fuzz   fuzzes each parser for a while (FUZZTIME=30s)

SHELL := /bin/sh
.DEFAULT_GOAL := build
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unversioned)
LDFLAGS := -s -w -X main.version=$(VERSION)
# Without what cli has for making man pages, a third of a megabyte less is resident.
TAGS := urfave_cli_no_docs
FUZZTIME ?= 30s

# To build: cgo and PC/SC for signet; signetd and softcard are pure Go.
BUILD_NEEDS := gcc libc6-dev pkg-config libpcsclite-dev
# To run the main job: a web server, and a TLS client that signs with the card.
DEMO_NEEDS := $(BUILD_NEEDS) nginx openssl curl opensc libengine-pkcs11-openssl procps
# To be judged by others' programs.
TEST_NEEDS := $(DEMO_NEEDS) git apache2 apache2-dev libssl-dev caddy haproxy stunnel4 postgresql gnutls-bin libnss3-tools strace pcscd vsmartcard-vpcd \
	yubikey-manager yubico-piv-tool ykcs11 systemd \
	strongswan-pki libstrongswan-standard-plugins libstrongswan-extra-plugins
# To be tried with others' servers and browsers.
INTEROP_NEEDS := $(TEST_NEEDS) chromium firefox-esr xvfb xdotool imagemagick

.PHONY: build demo run stop test platforms interop traefik step bench fuzz clean

build:
	@command -v go >/dev/null || { echo "Signet is built with Go 1.26: install it from https://go.dev/dl/" >&2; exit 1; }
	@scripts/need $(BUILD_NEEDS)
	CGO_ENABLED=0 go build -trimpath -tags $(TAGS) -ldflags '$(LDFLAGS)' -o bin/signetd ./cmd/signetd
	CGO_ENABLED=1 go build -trimpath -ldflags '$(LDFLAGS)' -o bin/signet ./cmd/signet
	CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)' -o bin/softcard ./cmd/softcard

demo: build
	@scripts/need $(DEMO_NEEDS)
	@demo/demo

run: build
	@scripts/need $(DEMO_NEEDS)
	@demo/run

test:
	@scripts/need $(TEST_NEEDS)
	@$(MAKE) --no-print-directory build
	CGO_ENABLED=0 go build -trimpath -o bin/signet-static ./cmd/signet
	@$(MAKE) --no-print-directory platforms
	go vet ./...
	go test -count=1 -timeout 12m ./...

# Everything is built for the systems that can't be tried here.
PLATFORMS := linux/arm64 darwin/arm64 darwin/amd64 windows/amd64 windows/arm64

platforms:
	@for p in $(PLATFORMS); do echo "building for $$p"; \
		CGO_ENABLED=0 GOOS=$${p%/*} GOARCH=$${p#*/} go build -o /dev/null ./cmd/... || exit 1; done

# Screenshots of the browsers go to run/browsers. Where there is a Traefik already: make interop TRAEFIK=/usr/bin/traefik
TRAEFIK ?= $(CURDIR)/bin/traefik
STEP ?= $(CURDIR)/bin/step

interop: $(TRAEFIK) $(STEP)
	@scripts/need $(INTEROP_NEEDS)
	go vet -tags browsers,traefik,step ./e2e/...
	TRAEFIK='$(TRAEFIK)' STEP='$(STEP)' go test -count=1 -timeout 20m -tags browsers,traefik,step ./e2e/interop -args -interop.write ../../docs/interop.md

# From its source, in the module proxy: its version and the hashes of all of it are in this folder.
TRAEFIK_SOURCE := e2e/interop/traefik
TRAEFIK_VERSION = $(shell sed -n 's,^require github.com/traefik/traefik/v3 v,,p' $(TRAEFIK_SOURCE)/go.mod)

traefik: $(CURDIR)/bin/traefik

$(CURDIR)/bin/traefik: $(TRAEFIK_SOURCE)/go.mod $(TRAEFIK_SOURCE)/go.sum
	@echo "building Traefik $(TRAEFIK_VERSION): this takes five minutes, the first time"
	cd $(TRAEFIK_SOURCE) && CGO_ENABLED=0 go build -trimpath \
		-ldflags '-s -w -X github.com/traefik/traefik/v3/pkg/version.Version=$(TRAEFIK_VERSION)' \
		-o $@ github.com/traefik/traefik/v3/cmd/traefik

STEP_SOURCE := e2e/interop/step
STEP_VERSION = $(shell sed -n 's,^require github.com/smallstep/cli v,,p' $(STEP_SOURCE)/go.mod)

step: $(CURDIR)/bin/step

$(CURDIR)/bin/step: $(STEP_SOURCE)/go.mod $(STEP_SOURCE)/go.sum
	@echo "building step's CLI $(STEP_VERSION): this takes a minute or two, the first time"
	cd $(STEP_SOURCE) && CGO_ENABLED=0 go build -trimpath -ldflags '-s -w -X main.Version=$(STEP_VERSION)' \
		-o $@ github.com/smallstep/cli/cmd/step

bench: build
	@scripts/need $(DEMO_NEEDS)
	go run ./bench

fuzz:
	@scripts/fuzz $(FUZZTIME)

stop:
	@demo/stop

clean:
	rm -rf bin run
