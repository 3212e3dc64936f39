"""A real browser and the course's servers, for the tests, the screenshot and the timing."""

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from playwright.sync_api import Browser, ConsoleMessage, Page, Playwright, Request, WebSocket

from vae_course import ROOT

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
HOW_TO_GET_IT = (
    "Chromium was not found. Install it from the system's packages (Debian and Ubuntu: "
    "apt install chromium), or with: .venv/bin/playwright install chromium"
)
SECONDS = 1000  # Playwright counts in milliseconds


def find_chromium(playwright: Playwright) -> str | None:
    """Return the path of the system's Chromium or Chrome, or else of Playwright's, or None."""
    own = playwright.chromium.executable_path
    found = next(filter(None, map(shutil.which, NAMES)), None)
    return found or (own if os.path.exists(own) else None)


def start_chromium(playwright: Playwright) -> Browser:
    """Start the browser.

    Raises:
        RuntimeError: there is none; the message says how to install one.
    """
    path = find_chromium(playwright)
    if path is None:
        raise RuntimeError(HOW_TO_GET_IT)
    return playwright.chromium.launch(executable_path=path, args=FLAGS)


class Watch:
    """Records the errors of a page, and its requests to other hosts.

    Attributes:
        complaints: the messages of all errors.
        elsewhere: the addresses requested from other hosts.
    """

    def __init__(self, page: Page, address: str):
        """Watch a page; `address` is the beginning of all addresses of its own host."""
        self.complaints: list[str] = []
        self.elsewhere: list[str] = []
        self._here = (address, address.replace("http:", "ws:"), "data:", "blob:", "about:")
        page.on("console", self._logged)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", self._requested)
        page.on("websocket", self._requested)

    def _logged(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.complaints.append(message.text)

    def _requested(self, request: Request | WebSocket) -> None:
        if not request.url.startswith(self._here):
            self.elsewhere.append(request.url)


def free_port() -> int:
    """Return a port that is not in use now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def serve(tool: str, *arguments: str, **environment: str) -> Iterator[tuple[str, str]]:
    """Run the command lab or app on a free port; yield its address and its token.

    The user's own settings and workspaces of JupyterLab are not used.
    """
    with tempfile.TemporaryDirectory() as scratch:
        log = Path(scratch) / "log"
        settings = {f"JUPYTERLAB_{name}_DIR": scratch for name in ("SETTINGS", "WORKSPACES")}
        command = [sys.executable, "-m", f"vae_course.commands.{tool}", "--no-browser"]
        command += [f"--port={free_port()}", *arguments]
        with log.open("w") as file:
            server = subprocess.Popen(
                command,
                cwd=ROOT,
                stdout=file,
                stderr=file,
                start_new_session=True,
                env={**os.environ, **settings, **environment},
            )
        try:
            yield _address(server, log)
        finally:
            with contextlib.suppress(ProcessLookupError):  # the server has already ended
                os.killpg(server.pid, signal.SIGTERM)  # the server and its kernels
            server.wait()


def _listens(address: str) -> bool:
    host, port = address.removeprefix("http://").split(":")
    try:
        socket.create_connection((host, int(port)), timeout=10).close()
    except OSError:
        return False
    return True


def _address(server: subprocess.Popen, log: Path) -> tuple[str, str]:
    for _ in range(600):
        found = re.search(
            r"(http://127\.0\.0\.1:\d+)/\S*token=(\w+)", log.read_text(encoding="utf-8")
        )
        if found and _listens(found[1]):
            return found[1], found[2]
        if server.poll() is not None:
            break
        time.sleep(0.1)
    raise RuntimeError(f"the server printed no address: {log.read_text(encoding='utf-8')}")


def run_notebook(page: Page, address: str, token: str, path: str) -> None:
    """Open a notebook in JupyterLab, `path` from its root, and run all its cells."""
    page.goto(f"{address}/lab/tree/{path}?token={token}&reset")
    # if the kernel is not ready, running clears the outputs and executes nothing
    page.wait_for_selector("text=Python 3 (ipykernel) | Idle", timeout=90 * SECONDS)
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
