"""The recipes for production: they run if possible here, and otherwise match the project."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import pytest
import yaml

from consent_mw import config
from consent_mw.web.health import Measured

ROOT = Path(__file__).resolve().parents[2]
RECIPES = ROOT / "recipes"
KEYS = {"CONSENT_KEYS": "k" * 40}
#: Timeout in seconds for each step; long, since the machine may be busy.
PATIENT = 60.0


def unit() -> dict[str, str]:
    """Return the settings of the systemd unit."""
    lines = (RECIPES / "shop.service").read_text("utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))


def parsed(name: str) -> list[Any]:
    """Return the documents of a YAML file."""
    return list(yaml.safe_load_all((RECIPES / name).read_text("utf-8")))


def options(command: list[str]) -> list[str]:
    """Return the options of a gunicorn command that do not depend on where it runs."""
    return [word for word in command[1:] if not word.startswith(("--bind", "--worker-tmp-dir"))]


def test_the_configuration_is_valid() -> None:
    """It has no mistake, and its spool is on the volumes."""
    site = config.load(RECIPES / "consent.toml", environ=KEYS)
    assert (site.spool, site.trusted_proxies, [one.id for one in site.services]) == (
        "/data/consent-spool.db",
        1,
        ["google-analytics", "youtube"],
    )


def test_systemd_accepts_the_unit(tmp_path: Path) -> None:
    """systemd knows all of its settings."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is absent")
    text = (RECIPES / "shop.service").read_text("utf-8")
    # The program and the user do not exist here.
    text = re.sub(r"(?m)^(?:User|Group)=.*\n", "", text).replace("/srv/shop/venv/bin/gunicorn", "/bin/true")
    (tmp_path / "shop.service").write_text(text, "utf-8")
    command = ["systemd-analyze", "verify", "--man=no", str(tmp_path / "shop.service")]
    found = subprocess.run(command, capture_output=True, text=True, timeout=PATIENT)
    # It also checks the units of this machine: only messages about our unit count.
    assert [line for line in found.stderr.splitlines() if "shop.service" in line] == []


def test_the_command_of_the_unit_serves_a_site_and_ends_in_good_order(tmp_path: Path) -> None:
    """It serves a page and the health check, and exits with 0 on SIGTERM."""
    program, *words = shlex.split(unit()["ExecStart"])
    assert program.endswith("/gunicorn")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        bind = f"--bind=fd://{listener.fileno()}"
        command = [sys.executable, "-m", "gunicorn", *(bind if word.startswith("--bind") else word for word in words)]
        command[-1] = "tests.faults.site:make()"
        site = {"site": {"records": f"sqlite:///{tmp_path}/consent.db", "isp": "off"}, "services": [{"use": "youtube"}]}
        environment = {**os.environ, **KEYS, "SITE_CONFIG": json.dumps(site)}
        with (tmp_path / "log").open("wb") as log:
            process = subprocess.Popen(
                [*command[:3], "--no-control-socket", *command[3:]],
                cwd=ROOT,
                env=environment,
                pass_fds=[listener.fileno()],
                stdout=log,
                stderr=log,
            )
    try:
        # The socket is already listening: a request waits until the site is up.
        for path, part in (("/", b"data-cmw-held"), ("/_cmw/health", b'"ready":true')):
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=PATIENT) as answer:
                assert part in answer.read().replace(b": ", b":")
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENT) == 0
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def test_the_image_is_served_like_the_unit_and_not_by_root() -> None:
    """Both run gunicorn with the same options, and the address of the health check exists."""
    lines = (RECIPES / "Dockerfile").read_text("utf-8").splitlines()
    (command,) = (json.loads(line.removeprefix("CMD ")) for line in lines if line.startswith("CMD "))
    assert options(command) == options(shlex.split(unit()["ExecStart"]))
    assert [line for line in lines if line.startswith("USER ")] == ["USER 10001"]
    assert any(line.startswith("HEALTHCHECK") and "/_cmw/health" in line for line in lines)


def test_the_machines_of_compose_write_to_their_own_spool_alone() -> None:
    """Their root file systems are read-only, and each has its own spool."""
    (compose,) = parsed("compose.yaml")
    sites = [found for name, found in compose["services"].items() if name.startswith("site-")]
    assert [(one["read_only"], one["cap_drop"]) for one in sites] == [(True, ["ALL"])] * 2
    volumes = [one["volumes"][0] for one in sites]
    assert len(set(volumes)) == 2
    assert all(volume.endswith(":/data") and volume.partition(":")[0] in compose["volumes"] for volume in volumes)


def test_nginx_accepts_its_recipe(tmp_path: Path) -> None:
    """Its upstream machines are those of compose."""
    text = (RECIPES / "nginx.conf").read_text("utf-8")
    (compose,) = parsed("compose.yaml")
    servers = re.findall(r"server (site-\d+):8000;", text)
    assert servers == [name for name in compose["services"] if name.startswith("site-")]
    nginx = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if nginx is None:
        pytest.skip("nginx is absent")
    (tmp_path / "nginx.conf").write_text(
        f"pid {tmp_path}/pid;\nerror_log {tmp_path}/log;\n" + re.sub(r"site-\d+:8000", "127.0.0.1:8000", text), "utf-8"
    )
    command = [nginx, "-t", "-p", str(tmp_path), "-e", str(tmp_path / "log"), "-c", str(tmp_path / "nginx.conf")]
    found = subprocess.run(command, capture_output=True, text=True, timeout=PATIENT)
    assert found.returncode == 0, found.stderr


def test_pods_run_without_root_and_are_not_restarted_for_a_store() -> None:
    """The readiness probe uses the health check; the liveness probe does not: a site works without a store."""
    _, found = parsed("kubernetes.yaml")
    pod = found["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert (pod["securityContext"]["runAsNonRoot"], container["securityContext"]["readOnlyRootFilesystem"]) == (
        True,
        True,
    )
    assert container["readinessProbe"]["httpGet"]["path"] == "/_cmw/health"
    assert "httpGet" not in container["livenessProbe"]
    claims = [claim["metadata"]["name"] for claim in found["spec"]["volumeClaimTemplates"]]
    assert [one["name"] for one in container["volumeMounts"] if one["mountPath"] == "/data"] == claims


def test_alerts_ask_for_metrics_that_exist() -> None:
    """A process exports every metric in the expressions."""
    (alerts,) = parsed("alerts.yaml")
    asked = {name for group in alerts["groups"] for rule in group["rules"] for name in _names(rule["expr"])}
    process = Measured(
        ready=True,
        store=True,
        spool=True,
        waiting=0,
        oldest=0,
        ahead=0,
        faults=0,
        behind=False,
        overdue=None,
        again=0,
        replayed=0,
        refused=0,
        rewriting=None,
    )
    assert asked
    assert asked <= {f"consent_mw_{name}" for name in process.described()}


def _names(expression: str) -> list[str]:
    return re.findall(r"\bconsent_mw_\w+", expression)


def test_the_check_list_names_every_recipe() -> None:
    """The page lists every file in the folder, and no other."""
    page = (ROOT / "docs" / "production.md").read_text("utf-8")
    named = set(re.findall(r"`([\w.]+)`", page.partition("## Check-list")[0])) - {"shop"}
    assert {path.name for path in RECIPES.iterdir()} == {name for name in named if "." in name or name == "Dockerfile"}
