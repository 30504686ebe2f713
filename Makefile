# make run     the bot: on Telegram with BOT_TOKEN, else a preview in the browser
# make test    all tests, in two environments: the bot's without torch, the training's with it
# make coverage which branches of bot/ the bot's tests run, in its processes too; below the floor it fails
# make lint    ruff, mypy, who imports whom, and the deploy files against their schemas: scripts/lint
# make chaos   the bot under kill -9, faults and load, beside aiogram's default polling: one table (10 minutes)
# make simulate  10,000 seeds of the whole bot in virtual time, against a Telegram, a disk and deaths drawn from each
# make bench   speed, memory and size beside fastai, PyTorch and OpenVINO: BENCHMARKS.md and its pictures (20 minutes)
# make slug    dist/slug, the folder to deploy, without what the bot never loads, its archive for this machine; EXTRAS="redis heic s3 proxy"
# make lock    requirements-NAME.lock beside requirements-NAME.txt: versions and hashes; OPTIONS=--upgrade
# make compat  other Pythons (3.12 to 3.14), the oldest PyTorch of the range, other processors, and the image, where they are at hand; PARTS="3.13 image"
# make fuzz    20,000 photos with damage done to them, through the bot's decoder
# make fetch   the tutorial's face-mask photos into data/masks
# make new     NAME=pets DATA=pets: texts and settings for a bot of your own, beside its model
# make train   DATA=data/masks NAME=mask: artifacts/mask.pkl and its report
# make export  NAME=mask: artifacts/mask.onnx, int8, and its card artifacts/mask.md

PYTHON ?= python3
DATA ?= data/masks
NAME ?= mask
EXTRAS ?=
# Photos of your own: the default recipe. The shipped model: training/recipes/mask.toml; WEIGHTS=FILE where nothing can be
# downloaded.
TRAIN_OPTIONS ?= $(if $(MASK),--recipe mask --faces) $(if $(WEIGHTS),--weights $(call quote,$(WEIGHTS)))
EXPORT_OPTIONS ?= --int8 $(if $(MASK),--about docs/mask-photos.md)

# Names with spaces and quotes stay one word of the command.
quote = '$(subst ','\'',$(1))'
empty :=
MASK := $(if $(filter mask,$(subst $(empty) ,_,$(NAME))),mask)
MODEL := $(call quote,artifacts/$(NAME).onnx)
LEARNER := $(call quote,artifacts/$(NAME).pkl)

BOT := .venv/bot
TEST := .venv/test
TRAIN := .venv/train
COVERAGE := .venv/coverage

# Tests run the bot where there is nothing but its requirements; replicas need Redis' client as well.
PYTHONS := LABELGRAM_BOT_PYTHON=$(call quote,$(CURDIR)/$(BOT)/bin/python) LABELGRAM_REDIS_PYTHON=$(call quote,$(CURDIR)/$(TEST)/bin/python)

# Keeps glibc from handing every batch's memory back to the kernel: a fifth more photos a second on the CPU.
MALLOC := MALLOC_MMAP_THRESHOLD_=4294967296 MALLOC_TRIM_THRESHOLD_=8589934592 MALLOC_TOP_PAD_=536870912

.PHONY: help run environments test coverage compat test-delivery test-bot test-train test-long test-export test-simulation simulate chaos bench slug fuzz lint lock new fetch train export clean
help:
	@sed -n 's/^# \(make .*\)/\1/p' Makefile

# What cannot be read is no token here: the command that follows says why.
HAS_TOKEN := from bot.commands.env_file import read_environment; exit(not read_environment().get("BOT_TOKEN", "").strip())

run: $(BOT)/done
	@if $(BOT)/bin/python -c '$(HAS_TOKEN)' 2>/dev/null; then exec $(BOT)/bin/python -m bot; else exec $(BOT)/bin/python -m bot preview --open; fi

environments: $(BOT)/done $(TEST)/done $(COVERAGE)/done $(TRAIN)/done

# Three at a time: the bot's tests wait for processes and the network most of the time, and come first; the others compute.
test:
	@$(MAKE) --jobs=3 --output-sync=line test-delivery test-bot test-simulation test-train test-export

DELIVERY := tests/bot/delivery

test-delivery: $(BOT)/done $(TEST)/done
	$(PYTHONS) $(TEST)/bin/python -m pytest $(DELIVERY)

test-bot: $(BOT)/done $(TEST)/done
	$(PYTHONS) $(TEST)/bin/python -m pytest tests/bot tests/deploy --ignore $(DELIVERY)

test-simulation: $(TEST)/done
	$(TEST)/bin/python -m pytest tests/simulation

# The bot's processes run where there is coverage beside its requirements. One that is killed writes nothing: no chaos.
DATA_FILE := $(call quote,$(CURDIR)/dist/coverage/.coverage)

coverage: $(COVERAGE)/done $(TEST)/done
	@rm -rf dist/coverage && mkdir -p dist/coverage
	$(subst $(BOT),$(COVERAGE),$(PYTHONS)) COVERAGE_FILE=$(DATA_FILE) $(TEST)/bin/coverage run -m pytest tests/bot --ignore tests/bot/delivery/test_chaos.py
	@COVERAGE_FILE=$(DATA_FILE) $(TEST)/bin/coverage combine --quiet dist/coverage
	COVERAGE_FILE=$(DATA_FILE) $(TEST)/bin/coverage report

# One thread a process: several would wait for each other in busy loops while other tests have a core.
TRAIN_TESTS = $(PYTHONS) $(MALLOC) OMP_NUM_THREADS=1 nice $(TRAIN)/bin/python -m pytest
# These train several nets and took longer than a busy machine had: `make test-long` runs them by themselves.
NOTEBOOK := tests/training/test_notebook.py
ACROSS := tests/training/test_across.py

test-train: $(BOT)/done $(TRAIN)/done
	$(TRAIN_TESTS) tests/training --ignore $(NOTEBOOK) --ignore $(ACROSS)

test-long: $(BOT)/done $(TRAIN)/done
	$(TRAIN_TESTS) $(NOTEBOOK) $(ACROSS)

test-export: $(BOT)/done $(TRAIN)/done
	$(TRAIN_TESTS) tests/export

simulate: $(TEST)/done
	$(TEST)/bin/python -m tests.simulation

chaos: $(BOT)/done $(TEST)/done
	$(PYTHONS) $(TEST)/bin/python -m tests.stress.chaos

bench: $(BOT)/done $(TEST)/done $(TRAIN)/done
	set --; [ ! -e $(LEARNER) ] || set -- --learner $(LEARNER); $(PYTHONS) exec $(TEST)/bin/python -m tests.measure.bench --train $(TRAIN)/bin/python "$$@"

slug: $(BOT)/done
	$(BOT)/bin/python -m deploy.slug build --model $(MODEL) --extras "$(EXTRAS)" --out dist

fuzz: $(BOT)/done $(TEST)/done
	$(PYTHONS) $(TEST)/bin/python -m tests.stress.fuzz

compat:
	scripts/compat

lint: $(TEST)/done
	scripts/lint

lock:
	scripts/lock $(OPTIONS)

new: $(BOT)/done
	@set -- $(call quote,artifacts/$(NAME)); [ -e $(MODEL) ] || set -- "$$@" --data $(call quote,$(DATA)); exec $(BOT)/bin/python -m bot new "$$@"

fetch: $(TRAIN)/done
	$(TRAIN)/bin/python -m training fetch --out data/masks

train: $(TRAIN)/done $(if $(MASK),data/outsiders)
	$(MALLOC) $(TRAIN)/bin/python -m training --data $(call quote,$(DATA)) --out $(call quote,artifacts/$(NAME)) $(TRAIN_OPTIONS)

data/outsiders: | $(TRAIN)/done
	$(TRAIN)/bin/python -m training collect --out data/outsiders

export: $(TRAIN)/done
	$(TRAIN)/bin/python -m export $(LEARNER) --out $(MODEL) $(EXPORT_OPTIONS)

clean:
	rm -rf .venv

# An environment is made again when its requirements change; `done` is written when the installation was complete.
# Its labelgram.pth says where the code is: `.venv/bot/bin/python -m bot` runs from any folder.
# Of PyTorch's 20,000 modules few are ever loaded: each is compiled when it is.
VERSION := import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 15) and "Labelgram runs on Python 3.11 to 3.14. Name one of them: make PYTHON=python3.11 ...")
define set_up
@echo "setting up $(@D)$(1)"
@$(PYTHON) -c '$(VERSION)'
@$(PYTHON) -m venv --clear $(@D)
@$(@D)/bin/pip install --quiet --disable-pip-version-check $(2)
@echo "$(CURDIR)" >"$$($(@D)/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/labelgram.pth"
@touch $@
endef

$(BOT)/done: requirements-bot.txt
	$(call set_up,,-r requirements-bot.txt)

$(TEST)/done: requirements-bot.txt requirements-redis.txt requirements-s3.txt requirements-test.txt
	$(call set_up,,-r requirements-bot.txt -r requirements-test.txt)

$(COVERAGE)/done: requirements-bot.txt requirements-test.txt
	$(call set_up,,-r requirements-bot.txt $$(grep ^coverage requirements-test.txt))

$(TRAIN)/done: requirements-bot.txt requirements-train.txt requirements-train.lock requirements-test.txt
	$(call set_up, (PyTorch is large: this takes minutes),--no-compile -r requirements-train.txt -c requirements-train.lock $$(grep -E '^(pytest|nbclient|ipykernel)=' requirements-test.txt))
