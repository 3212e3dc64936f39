"""Settings shared by the commands that start Jupyter: quiet kernels and a fast, local server."""

import contextlib
import importlib
import os
import re
import sys
from pathlib import Path
from typing import Any

from vae_course.commands.children import course_environment

try:
    from jupyter_server.services.kernels.connection.channels import (
        ZMQChannelsWebsocketConnection as Connection,
    )
except ImportError:  # a jupyter_server with other modules: its servers start without NoDelay
    Connection = object  # type: ignore[assignment, misc]

ADDRESS = "127.0.0.1"
ADDRESS_OPTION = re.compile(r"--(\w+\.)?ip(=.*)?")
CONNECTION_SETTING = "kernel_websocket_connection_class"  # in jupyter_server and in Voilà
KERNEL_CONFIG = Path(sys.prefix) / "etc" / "ipython" / "ipython_kernel_config.py"
KERNEL_CONFIG_TEXT = """\
# Written by course.py. A kernel on 127.0.0.1 warns at every start that its port is not encrypted;
# the warning would appear in the learner's terminal and in the error output of notebooks.
c = get_config()  # noqa
c.IPKernelApp.log_level = "ERROR"
"""


def prepare_kernels() -> None:
    """Silence a warning of this environment's kernels, and pass them this process's settings."""
    write_setting(KERNEL_CONFIG, KERNEL_CONFIG_TEXT)
    os.environ.update(course_environment())


def write_setting(path: Path, text: str) -> None:
    """Write a settings file of this environment if its content differs.

    An environment that cannot be written to works without the setting.
    """
    with contextlib.suppress(OSError):
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")


def refuse_other_addresses(arguments: list[str]) -> None:
    """Raise a SystemExit with an alternative if an argument asks for another address."""
    for argument in filter(ADDRESS_OPTION.fullmatch, arguments):
        raise SystemExit(
            f"{argument}: the course listens on {ADDRESS} only, because anyone who reaches a "
            "kernel can run code on this machine. Leave the option out. To work from another "
            f"machine, forward the port: ssh -L 8888:{ADDRESS}:8888 (this machine)"
        )


class NoDelay(Connection):
    """A kernel's websocket that sends each message at once (TCP_NODELAY).

    Otherwise the system holds small packets back for up to 40 ms in order to send them together,
    and a slider takes twice as long to show its picture.
    """

    def connect(self) -> Any:
        """Connect, with TCP_NODELAY where the websocket supports it."""
        set_nodelay = getattr(self.websocket_handler, "set_nodelay", None)
        if set_nodelay is not None:
            set_nodelay(True)
        return super().connect()


def no_delay(module: str, application: str) -> list[str]:
    """Return the command-line option that makes a server use `NoDelay`, if it has one.

    For example `no_delay("jupyter_server.serverapp", "ServerApp")`.
    """
    server = getattr(importlib.import_module(module), application, None)
    if Connection is object or not hasattr(server, CONNECTION_SETTING):
        return []
    return [f"--{application}.{CONNECTION_SETTING}={__name__}.NoDelay"]
