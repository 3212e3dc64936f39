"""What course.py lab and course.py app start: on this machine only, and without delay."""

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from tools import lab, nodelay


@pytest.fixture
def started(monkeypatch):
    """Note the command that would have been started."""
    commands = []

    def popen(command, **_):
        commands.append(command)
        return SimpleNamespace(wait=lambda: 0)

    monkeypatch.setattr(subprocess, "Popen", popen)
    return commands


def test_the_lab_listens_on_this_machine_whatever_is_asked(started):
    assert lab.main(["--ServerApp.ip=0.0.0.0", "--no-browser"]) == 0
    assert started[0][-1] == "--ServerApp.ip=127.0.0.1"
    assert "--no-browser" in started[0]
    assert f"--ServerApp.root_dir={lab.ROOT}" in started[0]
    assert str(lab.ROOT / lab.START) in started[0]


def test_nbgrader_is_left_out_of_the_lab(started):
    pytest.importorskip("nbgrader")
    from jupyter_core.paths import jupyter_config_path
    from jupyter_server.config_manager import BaseJSONConfigManager

    lab.main([])
    found = {}
    for folder in reversed(jupyter_config_path()):  # as the server reads them, the first one last
        manager = BaseJSONConfigManager(config_dir=folder, read_directory=True)
        server = manager.get("jupyter_server_config").get("ServerApp", {})
        found.update(server.get("jpserver_extensions", {}))
    assert found["jupyterlab"]
    assert not any(on for name, on in found.items() if name.startswith("nbgrader"))
    page = Path(sys.prefix) / "etc/jupyter/labconfig/page_config.json"
    assert json.loads(page.read_text())["disabledExtensions"]["@jupyter/nbgrader"]


def test_a_setting_that_is_made_leaves_the_others(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    lab.set_in("a/b.json", "section", "theirs", 1)
    lab.set_in("a/b.json", "section", "ours", 2)
    kept = json.loads((tmp_path / "etc/jupyter/a/b.json").read_text())
    assert kept == {"section": {"theirs": 1, "ours": 2}}


def test_the_lab_can_have_another_root(started):
    lab.main(["--ServerApp.root_dir=/elsewhere"])
    assert not any(str(lab.START) in argument for argument in started[0])


def test_the_app_listens_on_this_machine_and_wants_a_token(started):
    pytest.importorskip("voila")
    from tools import app

    assert app.main(["--Voila.ip=0.0.0.0"]) == 0
    assert started[0][-1] == "--Voila.ip=127.0.0.1"
    assert "--token" in started[0]
    assert "--Voila.kernel_websocket_connection_class=tools.nodelay.NoDelay" in started[0]


def test_the_option_is_one_that_the_server_knows(started):
    from jupyter_server.serverapp import ServerApp

    lab.main([])
    (option,) = [argument for argument in started[0] if "NoDelay" in argument]
    name, value = option.removeprefix("--ServerApp.").split("=")
    server = ServerApp(**{name: value})  # a trait that checks the class
    assert getattr(server, name) is nodelay.NoDelay


def test_a_server_without_the_setting_is_left_alone(monkeypatch):
    assert nodelay.no_delay("types", "SimpleNamespace") == []
    assert nodelay.no_delay("types", "NoSuchServer") == []
    monkeypatch.setattr(nodelay, "Connection", object)
    assert nodelay.no_delay("jupyter_server.serverapp", "ServerApp") == []


@pytest.mark.parametrize("handler", [SimpleNamespace(), None])
def test_nodelay_is_turned_on_where_the_websocket_can(monkeypatch, handler):
    connected, asked = [], []
    monkeypatch.setattr(nodelay.Connection, "connect", lambda self: connected.append(self))
    connection = object.__new__(nodelay.NoDelay)
    if handler is not None:
        handler.set_nodelay = asked.append
    monkeypatch.setattr(nodelay.NoDelay, "websocket_handler", handler)
    connection.connect()
    assert connected == [connection]
    assert asked == ([True] if handler else [])


def test_a_missing_browser_is_told_how_to_get(monkeypatch):
    pytest.importorskip("playwright")
    from tools import browser

    monkeypatch.setattr(browser.shutil, "which", lambda name: None)
    playwright = SimpleNamespace(chromium=SimpleNamespace(executable_path="/no/such/file"))
    assert browser.find_chromium(playwright) is None
    with pytest.raises(RuntimeError, match="apt install chromium"):
        browser.start_chromium(playwright)
    monkeypatch.setattr(browser.shutil, "which", lambda name: f"/usr/bin/{name}")
    assert browser.find_chromium(playwright) == "/usr/bin/chromium"
    playwright.chromium.executable_path = sys.executable
    monkeypatch.setattr(browser.shutil, "which", lambda name: None)
    assert browser.find_chromium(playwright) == sys.executable
