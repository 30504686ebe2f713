"""The files for each host, held against the bot they start; `make lint` holds them against the hosts' schemas."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from bot.delivery.webhook import QUEUE
from bot.settings.settings import Settings
from tests.support.paths import ROOT

PAGES = sorted((ROOT / "docs" / "deploy").glob("*.md"))
STAND_INS = {"BOT_TOKEN": "123456:token", "WEBHOOK_URL": "https://bot.example.org/telegram"}
"""For what only the host knows."""


def read_yaml(path: str) -> Any:
    return yaml.safe_load((ROOT / path).read_text())


def pairs(variables: list[dict[str, Any]], name: str = "name") -> dict[str, str]:
    """A list of variables; one whose value comes from elsewhere gets its stand-in."""
    return {entry[name]: entry.get("value") or STAND_INS[entry[name]] for entry in variables}


def unit_environment() -> dict[str, str]:
    lines = re.findall(r"^Environment=(.*)$", (ROOT / "deploy/labelgram.service").read_text(), re.MULTILINE)
    return dict(pair.split("=", 1) for line in lines for pair in line.split())


def environments() -> Iterator[tuple[str, Mapping[str, str]]]:
    env = json.loads((ROOT / "app.json").read_text())["env"]
    yield "app.json", {name: entry.get("value") or STAND_INS[name] for name, entry in env.items()}
    yield "fly.toml", tomllib.loads((ROOT / "deploy/fly.toml").read_text())["env"]
    yield "render.yaml", pairs(read_yaml("render.yaml")["services"][0]["envVars"], "key")
    yield "cloudrun.yaml", pairs(read_yaml("deploy/cloudrun.yaml")["spec"]["template"]["spec"]["containers"][0]["env"])
    compose = read_yaml("deploy/compose.yaml")["services"]["bot"]["environment"]
    yield "compose.yaml", {name: re.sub(r"\$\{(\w+):[^}]*\}", r"\1", value) for name, value in compose.items()}
    bot = next(yaml.safe_load_all((ROOT / "deploy/kubernetes/bot.yaml").read_text()))
    yield "kubernetes", pairs(bot["spec"]["template"]["spec"]["containers"][0]["env"])
    yield "labelgram.service", unit_environment()
    image = re.findall(r"^ENV (.*)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    yield "Dockerfile", dict(pair.split("=", 1) for line in image for pair in line.split())


@pytest.mark.parametrize(("host", "variables"), list(environments()))
def test_each_variable_is_one_that_the_bot_knows_and_takes(host: str, variables: Mapping[str, str]) -> None:
    source = "".join(file.read_text() for file in (ROOT / "bot" / "settings").glob("*.py"))
    known = set(re.findall(r'"([A-Z][A-Z_]+)"', source))
    assert {name for name in variables if not name.startswith("PYTHON")} <= known, host
    Settings.from_environment(variables)


def shutdown_seconds(variables: Mapping[str, str]) -> float:
    return Settings.from_environment(variables).shutdown_seconds


def test_each_host_waits_for_what_is_in_work() -> None:
    of = dict(environments())
    assert tomllib.loads((ROOT / "deploy/fly.toml").read_text())["kill_timeout"] == "30s"
    assert shutdown_seconds(of["fly.toml"]) < 30
    assert json.loads((ROOT / "railway.json").read_text())["deploy"]["drainingSeconds"] > shutdown_seconds({})
    assert read_yaml("deploy/compose.yaml")["services"]["bot"]["stop_grace_period"] == "30s"
    assert shutdown_seconds(of["compose.yaml"]) < 30
    assert "\nTimeoutStopSec=30\n" in (ROOT / "deploy/labelgram.service").read_text()
    assert shutdown_seconds(of["labelgram.service"]) < 30
    assert shutdown_seconds(of["cloudrun.yaml"]) < 10  # what Cloud Run gives
    assert max(shutdown_seconds(of[host]) for host in ("app.json", "render.yaml")) < 30  # what Heroku and Render give


def test_what_herokus_app_starts_is_in_the_procfile() -> None:
    processes = dict(line.split(": ", 1) for line in (ROOT / "Procfile").read_text().splitlines())
    formation = json.loads((ROOT / "app.json").read_text())["formation"]
    assert formation.keys() == processes.keys()
    assert set(processes.values()) == {"python -OO -m bot"}
    # All of them poll where no WEBHOOK_URL is set, and one token takes one poller.
    assert sum(process["quantity"] for process in formation.values()) == 1


def test_cloud_run_and_fly_pass_on_no_more_than_the_bot_takes_in() -> None:
    of = dict(environments())
    most = {host: QUEUE * Settings.from_environment(of[host]).max_in_flight for host in ("fly.toml", "cloudrun.yaml")}
    fly = tomllib.loads((ROOT / "deploy/fly.toml").read_text())["http_service"]["concurrency"]
    assert fly["soft_limit"] <= fly["hard_limit"] <= most["fly.toml"]
    spec = read_yaml("deploy/cloudrun.yaml")["spec"]["template"]["spec"]
    assert spec["containerConcurrency"] <= most["cloudrun.yaml"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_a_page_names_is_there(page: Path) -> None:
    text = page.read_text()
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", text):
        assert (page.parent / target).exists(), target
    for path in re.findall(r"\b(?:deploy|bin)/[\w./-]+\w", text):
        assert (ROOT / path).exists() or path == "deploy/.env", path
