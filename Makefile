# `make demo` on a bare checkout needs Python ≥ 3.11 and, unless RabbitMQ is installed, Debian's apt or Docker.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
BIN := .venv/bin

.PHONY: help demo run test bench faults lint specs set-up

help:
	@echo 'make demo    everything set up, a day of traffic played and explained, the books audited'
	@echo 'make run     the system, up until Ctrl-C, its data kept'
	@echo 'make test    lint and every test, against real PostgreSQL and RabbitMQ'
	@echo 'make bench   the benchmarks, as ratios; also .ringfence/bench.json'
	@echo 'make faults  every fault we can make (SEED=1 N=25 ONLY=kill): a table, and .ringfence/faults.json'
	@echo 'make lint    ruff, mypy, import rules'
	@echo 'make specs   docs/specs written anew: AsyncAPI, OpenAPI, messages.md'

set-up: .venv/ready

# The date decides whether to look, the checksum whether there is anything to do (a fresh clone has fresh dates).
.venv/ready: requirements.lock requirements-nodeps.lock pyproject.toml
	@if [ -f $@ ] && [ "$$(cat $^ | cksum)" = "$$(cat $@)" ]; then touch $@; else deploy/local/bootstrap.sh; fi

demo: .venv/ready
	@$(BIN)/python -m deploy.demo

run: .venv/ready
	@$(BIN)/ringfence run

test: lint
	@$(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder

bench: .venv/ready
	@$(BIN)/python -m benchmarks

faults: .venv/ready
	@$(BIN)/python -m tests.faults $(if $(SEED),--seed $(SEED)) $(if $(N),--n $(N)) $(foreach case,$(ONLY),--only $(case))
	@$(if $(ONLY),:,$(if $(SEED),RINGFENCE_SIM_SEED=$(SEED)) $(BIN)/python -m pytest -m long --timeout=0)

lint: .venv/ready
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

specs: .venv/ready
	@$(BIN)/python -m deploy.specs
