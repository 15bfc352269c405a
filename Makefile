# Two commands are all there is to know on a fresh machine: `make demo` and `make test`.

TARGET  := x86_64-unknown-linux-gnu
BINARY  := target/$(TARGET)/release/conducto
KEEP    ?=
export KEEP

.DEFAULT_GOAL := help
.PHONY: help demo test soak lint bench release web screenshots sdk audit update clean

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 18

demo: ## build, run a signed webhook through a real repository, show it (KEEP=1 leaves it running)
	@.ci/demo.sh

test: ## everything: format, lints, unit, snapshot, schema, whole-service and Docker tests
	@.ci/test.sh

soak: ## what takes longer than anybody waits for: 50,000 other seeds of the simulation, damaged inputs, a hundred kill -9
	@.ci/soak.sh

lint: ## format check and clippy, warnings are errors
	cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings

bench: ## measure, print, and write target/bench.json
	@.ci/bench.sh

release: web ## the static binary, $(BINARY)
	cargo build --locked --release
	@.ci/static.sh $(BINARY)

web: ## the web app, in web/dist; the next `cargo build` embeds it
	@.ci/web.sh build

screenshots: ## every page in both themes and widths, in target/screenshots
	@.ci/web.sh screenshots

sdk: ## wheel and source archive of the Python SDK, in target/sdk/dist
	@.ci/sdk.sh dist

audit: ## checks that need tools which may not be installed
	@.ci/audit.sh

update: ## write again what is generated and checked in: schemas, example settings, OpenAPI, snapshots
	CONDUCTO_UPDATE=1 INSTA_UPDATE=always INSTA_FORCE_PASS=1 cargo test --locked
	git status --short

clean: ## remove what was built
	cargo clean
