# Everything a developer or CI runs. `make help` lists it.
CONFIG ?= conf/live777.toml

.DEFAULT_GOAL := help
.PHONY: help run test test-layer test-layer-full image image-run image-test test-vm bench lint fuzz soak

help: ## List what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## Build and start the server; CONFIG=FILE for another configuration
	@scripts/run.sh "$(CONFIG)"

test: ## Run everything that can run here; says what it skipped and why
	@scripts/test.sh

test-layer: ## The Yocto layer, as far as a machine without a build farm can say; part of `make test`
	@scripts/test.sh layer

test-layer-full: ## The same with checkouts of the other layers in LIVEHAL_LAYERS: docs/build.md
	@tests/layer/full.sh $(STEPS)

image: ## An image for QEMU (or MACHINE=raspberrypi5, rdk-x5) on this machine, without a build farm: docs/build.md
	@tests/layer/lab/image.sh $(TARGETS)

image-run: ## Boot an image that was built here, in QEMU; IMAGE=livehal-image-release, SLOT=B, PORT=8777, RESET=1: docs/image.md
	@IMAGE="$(IMAGE)" SLOT="$(SLOT)" PORT="$(PORT)" RESET="$(RESET)" python3 tests/layer/lab/run.py

image-test: ## Start what `make image` built in every way there is, and break it; docs/image.md
	@tests/layer/lab/test.sh $(or $(TESTS),disk boot faults)

test-vm: ## A Debian VM with V4L2 test drivers under QEMU; ARCH=arm64 for the other one
	@ARCH="$(ARCH)" VM_SCENARIOS=all KERNELS=all scripts/test.sh kernel vm

bench: ## Measure latency and cost against limits and targets
	@scripts/bench.sh $(BENCH)

lint: ## Formatting, clippy, documentation and shell scripts
	@scripts/test.sh lint

fuzz: ## Fuzz every parser; SECONDS=600 each by default
	@scripts/fuzz.sh "$(or $(SECONDS),600)"

soak: ## Ten minutes of viewers coming and going: memory must stay flat; MINUTES=10
	@scripts/soak.sh "$(or $(MINUTES),10)"
