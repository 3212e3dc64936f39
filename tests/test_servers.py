"""The servers of course.py lab and course.py app listen on this machine only, without delay."""

import contextlib
import http.client
import importlib
import json
import re
import socket
import subprocess
import sys
import uuid
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import MagicMock

import pytest

from vae_course.commands import children, forks, jupyter, lab


@pytest.fixture
def started(monkeypatch):
    """Record commands instead of starting them."""
    commands = []

    def popen(command, **_):
        commands.append(command)
        process = MagicMock()
        process.__enter__.return_value = process
        process.wait.return_value = process.poll.return_value = 0
        return process

    monkeypatch.setattr(subprocess, "Popen", popen)
    return commands


@pytest.mark.slow
@pytest.mark.skipif(not forks.CAN_FORK, reason="this system cannot fork a process")
def test_a_kernel_of_the_app_finds_everything_loaded(tmp_path, monkeypatch):
    pytest.importorskip("voila")
    from jupyter_client.manager import KernelManager

    from vae_course.commands.app import write_kernel

    write_kernel(tmp_path, tmp_path / "forks")
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    monkeypatch.setenv("VAE_LIB_IMAGES", "drawn")
    code = "from vae_course.commands import forks; print(forks.wardrobe.cache_info().currsize)"
    printed = []
    with forks.loaded(tmp_path / "forks"):
        manager = KernelManager(kernel_name="explorer")
        manager.start_kernel()
        client = manager.client()
        client.start_channels()
        client.wait_for_ready(timeout=60)
        client.execute_interactive(
            code, timeout=60, output_hook=lambda message: printed.append(message["content"])
        )
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    assert "1\n" in [content.get("text") for content in printed]


@pytest.mark.parametrize("asked", ["--ServerApp.ip=0.0.0.0", "--ip=::", "--ip", "--Voila.ip=*"])
@pytest.mark.parametrize("server", ["lab", "app"])
def test_a_server_for_other_machines_is_refused(started, server, asked):
    pytest.importorskip("voila")
    with pytest.raises(SystemExit, match=f"^{re.escape(asked)}: .* 127.0.0.1 only.* ssh -L"):
        importlib.import_module(f"vae_course.commands.{server}").main(["--no-browser", asked])
    assert started == []


def test_the_lab_listens_on_this_machine(started):
    assert lab.main(["--no-browser"]) == 0
    assert started[0][-1] == "--ServerApp.ip=127.0.0.1"
    assert "--no-browser" in started[0]
    assert f"--ServerApp.root_dir={lab.ROOT}" in started[0]
    assert f"--LabApp.default_url=/lab/tree/{lab.START}" in started[0]
    assert (lab.ROOT / lab.START).is_file()


def test_the_lab_does_not_load_nbgrader(started):
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


def test_changing_a_setting_keeps_the_others(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    lab.set_in("a/b.json", "section", "theirs", 1)
    lab.set_in("a/b.json", "section", "ours", 2)
    kept = json.loads((tmp_path / "etc/jupyter/a/b.json").read_text())
    assert kept == {"section": {"theirs": 1, "ours": 2}}


def test_an_environment_that_cannot_be_written_to_keeps_its_settings(
    tmp_path, monkeypatch, started
):
    (tmp_path / "etc").write_text("a file where a folder has to be", encoding="utf-8")
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    monkeypatch.setattr(lab, "OVERRIDES", tmp_path / "etc" / "overrides.json")
    monkeypatch.setattr(jupyter, "KERNEL_CONFIG", tmp_path / "etc" / "ipython" / "config.py")
    assert lab.main([]) == 0
    assert len(started) == 1


def test_the_server_handles_ctrl_c(monkeypatch):
    """JupyterLab asks whether to stop: the command waits for its answer, however often it takes."""
    answers = iter([KeyboardInterrupt, KeyboardInterrupt, 3])

    def wait():
        answer = next(answers)
        if answer is KeyboardInterrupt:
            raise answer
        return answer

    monkeypatch.setattr(subprocess, "Popen", lambda *_, **__: SimpleNamespace(wait=wait))
    assert children.run_until_it_ends(["a server"]) == 3


def test_the_lab_can_have_another_root(started):
    lab.main(["--ServerApp.root_dir=/elsewhere"])
    assert not any(lab.START in argument for argument in started[0])


def test_the_app_listens_on_this_machine_and_wants_a_token(started):
    pytest.importorskip("voila")
    from vae_course.commands import app

    assert app.main([]) == 0
    assert [word for word in started[-1] if "ip=" in word] == ["--Voila.ip=127.0.0.1"]
    assert "--token" in started[-1]
    assert (
        "--Voila.kernel_websocket_connection_class=vae_course.commands.jupyter.NoDelay"
        in started[-1]
    )


def test_the_app_stops_a_kernel_that_no_page_is_connected_to(started):
    pytest.importorskip("voila")
    from jupyter_server.services.kernels.kernelmanager import MappingKernelManager

    from vae_course.commands import app

    app.main([])
    head = f"--{MappingKernelManager.__name__}."
    options = [word.removeprefix(head).split("=") for word in started[-1] if word.startswith(head)]
    assert all(MappingKernelManager.class_traits()[name].metadata["config"] for name, _ in options)
    manager = MappingKernelManager(**{name: int(value) for name, value in options})
    assert 0 < manager.cull_interval < manager.cull_idle_timeout <= 3600
    assert not manager.cull_connected


def test_the_server_accepts_the_option(started):
    from jupyter_server.serverapp import ServerApp

    lab.main([])
    (option,) = [argument for argument in started[0] if "NoDelay" in argument]
    name, value = option.removeprefix("--ServerApp.").split("=")
    server = ServerApp(**{name: value})  # a trait that checks the class
    assert getattr(server, name) is jupyter.NoDelay


def test_a_server_without_the_setting_gets_no_option(monkeypatch):
    assert jupyter.no_delay("types", "SimpleNamespace") == []
    assert jupyter.no_delay("types", "NoSuchServer") == []
    monkeypatch.setattr(jupyter, "Connection", object)
    assert jupyter.no_delay("jupyter_server.serverapp", "ServerApp") == []


@pytest.mark.parametrize("handler", [SimpleNamespace(), None])
def test_nodelay_is_set_where_the_websocket_supports_it(monkeypatch, handler):
    connected, asked = [], []
    monkeypatch.setattr(jupyter.Connection, "connect", lambda self: connected.append(self))
    connection = object.__new__(jupyter.NoDelay)
    if handler is not None:
        handler.set_nodelay = asked.append
    monkeypatch.setattr(jupyter.NoDelay, "websocket_handler", handler)
    connection.connect()
    assert connected == [connection]
    assert asked == ([True] if handler else [])


def test_if_no_browser_is_found_the_message_says_how_to_install_one(monkeypatch):
    pytest.importorskip("playwright")
    from vae_course.quality import browser

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


# --- a visitor of the running servers -------------------------------------------------------------


class Visitor:
    """Asks a server, with its token or without one."""

    def __init__(self, address: str, token: str | None):
        self.host = address.removeprefix("http://")
        self.token = token

    def ask(self, method: str, path: str) -> tuple[int, str]:
        """Return the status and the text of the answer."""
        headers = {"Authorization": f"token {self.token}"} if self.token else {}
        with contextlib.closing(http.client.HTTPConnection(self.host, timeout=120)) as connection:
            connection.request(method, path, headers=headers)
            with connection.getresponse() as answer:
                return answer.status, answer.read().decode(errors="replace")

    def kernel(self, page: str):
        """Open the channel of the kernel that a page belongs to."""
        import websocket

        token = f"&token={self.token}" if self.token else ""
        return websocket.create_connection(
            f"ws://{self.host}/api/kernels/{kernel_of(page)}/channels?session_id=visitor{token}",
            timeout=120,
        )


def kernel_of(page: str) -> str:
    """Return the number of the kernel that a page belongs to."""
    return re.search(r'"kernelId": "([\w-]+)"', page)[1]


def serve(tool: str, *arguments: str):
    for needed in ("voila", "playwright", "websocket"):
        pytest.importorskip(needed, reason="python3 course.py test --all")
    from vae_course.quality import browser

    return browser.serve(tool, *arguments, VAE_LIB_IMAGES="drawn")


@pytest.fixture(scope="module")
def app():
    """The app's address and token."""
    with serve("app") as running:
        yield running


@pytest.fixture(scope="module")
def running_lab(tmp_path_factory):
    """JupyterLab's address and token."""
    with serve("lab", f"--ServerApp.root_dir={tmp_path_factory.mktemp('root')}") as running:
        yield running


@pytest.fixture(params=["app", "running_lab"])
def address(request) -> str:
    """The address of either server, without its token."""
    return request.getfixturevalue(request.param)[0]


@pytest.fixture(scope="module")
def page(app) -> str:
    """The app's page, as the server sends it."""
    status, text = Visitor(*app).ask("GET", "/")
    assert status == 200
    return text


PATHS = ["/", "/lab", "/api/contents", "/api/kernels", "/api/terminals", "/voila/render/x.ipynb"]


@pytest.mark.slow
@pytest.mark.parametrize("path", PATHS)
def test_without_the_token_nothing_is_shown_and_nothing_started(address, path):
    for stranger in (Visitor(address, None), Visitor(address, "guessed")):
        for method in ("GET", "POST"):
            status, text = stranger.ask(method, path)
            assert status in (302, 403, 404, 405), (method, path)
            assert "kernelId" not in text


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has other loopback addresses")
def test_another_address_of_this_machine_reaches_nothing(address):
    port = int(address.rsplit(":")[-1])
    socket.create_connection(("127.0.0.1", port), timeout=60).close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.2", port), timeout=60)


@pytest.mark.slow
def test_the_app_shows_no_code_and_no_files(app, page, tmp_path):
    visitor = Visitor(*app)
    assert "vae-explorer" in page
    for code in ("load_pretrained", "encode_dataset", "garment_z"):
        assert code not in page
    (tmp_path / "mine.png").write_bytes(b"secret")
    up = "/".join([".."] * 20)
    for path in (
        "/explorer.ipynb",
        "/course.py",
        "/voila/files/course.py",
        "/voila/files/docs/explorer.png",
        f"/voila/files/{up}{tmp_path}/mine.png",
        f"/voila/files/{up.replace('.', '%2e')}{tmp_path}/mine.png",
        f"/voila/static/{up}{tmp_path}/mine.png",
        "/voila/static/../app.py",
        "/voila/tree",
        "/voila/api/contents",
        "/api/contents",
        "/api/kernelspecs",
    ):
        status, text = visitor.ask("GET", path)
        assert status in (302, 403, 404), path
        assert "secret" not in text
        assert "import" not in text


@pytest.mark.slow
def test_the_app_starts_nothing_for_a_visitor(app, page):
    visitor = Visitor(*app)
    restart = f"/api/kernels/{kernel_of(page)}/restart"
    for path in ("/api/kernels", "/api/sessions", "/api/terminals", restart):
        assert visitor.ask("POST", path)[0] in (403, 404, 405), path


@pytest.mark.slow
def test_the_app_accepts_no_template_from_a_visitor(app, tmp_path):
    """A template is code that the server runs; Voilà 0.5.8 took one from anywhere on the disk."""
    template = tmp_path / "voila" / "templates" / "theirs"
    template.mkdir(parents=True)
    (template / "conf.json").write_text('{"base_template": "lab"}')
    ran = tmp_path / "it ran"
    code = f"cycler.__init__.__globals__.os.mkdir({str(ran)!r})"
    (template / "index.html.j2").write_text("{{ " + code + " }}")
    up = "/".join([".."] * 20)
    status, page = Visitor(*app).ask("GET", f"/?template={up}{template}&theme=theirs")
    assert not ran.exists()
    assert status == 200
    assert "kernelId" in page  # the page as it always is
    assert "theirs" not in page


@pytest.mark.slow
def test_the_app_runs_no_code_of_a_visitor(app, page, tmp_path):
    """Widgets' messages pass to the kernel, and nothing else does."""
    websocket = pytest.importorskip("websocket")
    visitor = Visitor(*app)
    with pytest.raises(websocket.WebSocketBadStatusException, match="403"):
        Visitor(app[0], None).kernel(page)
    channel = visitor.kernel(page)
    ran = tmp_path / "it ran"
    code = {"code": f"import os; os.mkdir({str(ran)!r})", "silent": False, "cursor_pos": 0}
    forbidden = ["execute", "complete", "inspect", "history", "is_complete", "debug", "interrupt"]
    asked = {}

    def send(kind: str, content: dict, stream: str = "shell") -> None:
        asked[uuid.uuid4().hex] = kind
        header = {"msg_id": list(asked)[-1], "msg_type": kind, "session": "visitor"}
        header |= {"username": "", "version": "5.4", "date": "2026-01-01T00:00:00Z"}
        message = {"channel": stream, "header": header, "parent_header": {}}
        channel.send(json.dumps(message | {"metadata": {}, "content": content}))

    for kind in forbidden:
        for stream in ("shell", "control", "stdin"):
            send(f"{kind}_request", code, stream)
    send("comm_info_request", {})  # the last, and the only one that is answered
    answered = set()
    while "comm_info_request" not in answered:
        message = json.loads(channel.recv())
        parent = message["parent_header"].get("msg_id")
        if message["msg_type"].endswith("_reply") and parent in asked:
            answered.add(asked[parent])
    channel.close()
    assert answered == {"comm_info_request"}
    assert not ran.exists()
