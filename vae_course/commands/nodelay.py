"""Send what the kernel says to the browser at once.

Without TCP_NODELAY, the system holds small packets back for up to 40 ms, to send them together: a
slider then takes twice as long to show its picture.
"""

import importlib
from typing import Any

SETTING = "kernel_websocket_connection_class"  # the same in jupyter_server and in Voilà

try:
    from jupyter_server.services.kernels.connection.channels import (
        ZMQChannelsWebsocketConnection as Connection,
    )
except ImportError:  # another jupyter_server than the one we know: do without
    Connection = object  # type: ignore[assignment, misc]


class NoDelay(Connection):
    """A kernel's websocket with TCP_NODELAY."""

    def connect(self) -> Any:
        """Connect as ever, with TCP_NODELAY where the websocket can."""
        set_nodelay = getattr(self.websocket_handler, "set_nodelay", None)
        if set_nodelay is not None:
            set_nodelay(True)
        return super().connect()


def no_delay(module: str, application: str) -> list[str]:
    """Return the option that turns TCP_NODELAY on in a server; none where it has no such setting.

    For example `no_delay("jupyter_server.serverapp", "ServerApp")`.
    """
    server = getattr(importlib.import_module(module), application, None)
    if Connection is object or not hasattr(server, SETTING):
        return []
    return [f"--{application}.{SETTING}={__name__}.NoDelay"]
