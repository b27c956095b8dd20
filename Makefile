# make demo | test | check | bench | man : each does its own set-up, without root.
SHELL := /bin/sh
PYTEST := python -m pytest -p no:cacheprovider

help: ## say what the targets do
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' Makefile

demo: ## show the whole job on real software, in a temporary directory
	@tools/setup demo && . tools/environment && demo/run

test: ## everything: style, types, fast and slow tests
	@tools/setup test && . tools/environment && tools/check && $(PYTEST) -m slow -n 2 --dist loadfile --durations=20 tests

check: ## style, types and the fast tests, in under a minute
	@tools/setup test && . tools/environment && tools/check

bench: ## run every benchmark and print a table
	@tools/setup test && . tools/environment && python bench/run.py

man: ## write the generated parts of manual pages and completions
	@tools/setup test && . tools/environment && PYTHONPATH=. python tools/manual

.PHONY: help demo test check bench man
