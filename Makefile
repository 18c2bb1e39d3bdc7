# Twinline. `make` lists the targets; what they make stays in this folder, in .venv, build and runs.

BIN := .venv/bin
READY := .venv/.installed
.DEFAULT_GOAL := help
# Processes are started by the hundred: compiling every module anew in each costs more than most of them do.
unexport PYTHONDONTWRITEBYTECODE
.PHONY: help demo test check sim sim-mutants soak bench bench-ledger e2e clean system

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(READY) ## Commission the starter line on this machine: no controller, no broker, no root needed
	@$(BIN)/twinline demo

test: $(READY) ## Run the tests; where this is root on Debian it first installs what they use
	@failed=0; \
	$(BIN)/pytest tests/unit tests/sim -m "not long" -n auto --dist worksteal || failed=1; \
	$(BIN)/pytest tests/integration tests/e2e -m "not long" -n 4 --dist loadfile || failed=1; \
	exit $$failed

check: $(READY) ## Lint, format, types, and the directions between the packages
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

sim: $(READY) ## Run the seeded simulations: SEEDS=1000 TWINS=5000 for how many, SEED=17 for one again
	$(BIN)/pytest tests/sim $(if $(SEED),--sim-seed $(SEED))

sim-mutants: $(READY) ## Switch off each protection of the ledger in turn; fails where that is not seen
	$(BIN)/pytest tests/sim/test_sim_ledger_mutants.py -rP

soak: $(READY) ## Storm the drivers, cut the network, kill nodes: CYCLES=1000 RESTARTS=5 OUTAGE=5 KILLS=2 for less
	$(BIN)/python tests/soak/soak_fields.py $(or $(CYCLES),100000) $(or $(RESTARTS),100)
	OUTAGE=$(or $(OUTAGE),60) $(BIN)/pytest tests/e2e/test_wan.py
	KILLS=$(or $(KILLS),20) $(BIN)/pytest tests/e2e/test_ledger_kills.py
	$(BIN)/python tests/soak/soak_kills.py --jobs $(or $(JOBS),1) $(or $(KILLS),100)
	$(BIN)/pytest tests -m long

bench: $(READY) ## Measure beside a peer in the same run; fails where a gate is missed (build/bench.json)
	$(BIN)/python tests/bench/run.py

bench-ledger: $(READY) ## Measure chains of 4 to 64 nodes (build/ledger): ten minutes, on a quiet machine
	$(BIN)/python tests/bench/ledger_shares.py
	$(BIN)/python tests/bench/ledger_speed.py

e2e: $(READY) ## Run the end-to-end tests alone
	$(BIN)/pytest tests/e2e

clean: ## Remove what make made, except the evidence in runs
	rm -rf .venv build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The tests' system packages come before the environment: Debian's python3 may need one to make it.
$(READY): constraints.txt pyproject.toml setup.py $(if $(filter test,$(MAKECMDGOALS)),| system)
	@.ci/venv

system:
	@.ci/system
