"""`course.py lab`: JupyterLab on 127.0.0.1, opened on the first notebook."""

import json
import os
import subprocess
import sys
from pathlib import Path

from tools.kernel import quiet_kernel
from tools.nodelay import no_delay

ROOT = Path(__file__).parents[1]
OVERRIDES = Path(sys.prefix) / "share" / "jupyter" / "lab" / "settings" / "overrides.json"
START = "notebooks/00_start_here.ipynb"


def quiet_lab() -> None:
    """Set JupyterLab's defaults for this environment: no question about news, no update check."""
    OVERRIDES.parent.mkdir(parents=True, exist_ok=True)
    quiet = {"fetchNews": "false", "checkForUpdates": False}
    OVERRIDES.write_text(json.dumps({"@jupyterlab/apputils-extension:notification": quiet}))


def main(arguments: list[str]) -> int:
    """Start JupyterLab; further arguments, such as --no-browser or --port=9999, are passed on."""
    quiet_kernel()
    quiet_lab()
    command = [sys.executable, "-m", "jupyterlab"]
    command += no_delay("jupyter_server.serverapp", "ServerApp")
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        command.append("--allow-root")  # in a container
    if not any("root_dir" in argument for argument in arguments):
        command += [f"--ServerApp.root_dir={ROOT}", str(ROOT / START)]
    # the last word is ours: the server listens on this machine only
    command = [*command, *arguments, "--ServerApp.ip=127.0.0.1"]
    server = subprocess.Popen(command, cwd=ROOT)  # where it finds tools.nodelay
    while True:
        try:
            return server.wait()
        except KeyboardInterrupt:
            pass  # the server got it too, asks whether to stop, and stops its kernels


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
