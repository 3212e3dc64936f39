"""`course.py lab`: JupyterLab on 127.0.0.1, opened on the first notebook."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

from vae_course import ROOT
from vae_course.commands.address import ADDRESS, only_here
from vae_course.commands.kernel import quiet_kernel
from vae_course.commands.nodelay import no_delay

OVERRIDES = Path(sys.prefix) / "share" / "jupyter" / "lab" / "settings" / "overrides.json"
START = "notebooks/00_start_here.ipynb"


def quiet_lab() -> None:
    """Set JupyterLab's defaults for this environment: no question about news, no update check."""
    OVERRIDES.parent.mkdir(parents=True, exist_ok=True)
    quiet = {"fetchNews": "false", "checkForUpdates": False}
    OVERRIDES.write_text(json.dumps({"@jupyterlab/apputils-extension:notification": quiet}))


def without_nbgrader() -> None:
    """Leave nbgrader out of JupyterLab: it warns at every start, and adds menus for no learner."""
    if importlib.util.find_spec("nbgrader") is None:
        return
    names = ("assignment_list", "course_list", "formgrader", "validate_assignment")
    extensions = {f"nbgrader.server_extensions.{name}": False for name in names}
    set_in("jupyter_server_config.d/zz_course.json", "ServerApp", "jpserver_extensions", extensions)
    set_in("labconfig/page_config.json", "disabledExtensions", "@jupyter/nbgrader", True)


def set_in(name: str, section: str, key: str, value: object) -> None:
    """Set one value in a file of this environment's Jupyter settings, and leave the others."""
    path = Path(sys.prefix) / "etc" / "jupyter" / name
    settings = json.loads(path.read_text()) if path.exists() else {}
    settings.setdefault(section, {})[key] = value
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(settings))


def main(arguments: list[str]) -> int:
    """Start JupyterLab; further arguments, such as --no-browser or --port=9999, are passed on."""
    only_here(arguments)
    quiet_kernel()
    quiet_lab()
    without_nbgrader()
    command = [sys.executable, "-m", "jupyterlab"]
    command += no_delay("jupyter_server.serverapp", "ServerApp")
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        command.append("--allow-root")  # in a container
    if not any("root_dir" in argument for argument in arguments):
        # not as a file to open: the address that is printed would then lead to no notebook
        command += [f"--ServerApp.root_dir={ROOT}", f"--LabApp.default_url=/lab/tree/{START}"]
    command = [*command, *arguments, f"--ServerApp.ip={ADDRESS}"]
    server = subprocess.Popen(command, cwd=ROOT)  # where it finds vae_course.commands.nodelay
    while True:
        try:
            return server.wait()
        except KeyboardInterrupt:
            pass  # the server got it too, asks whether to stop, and stops its kernels


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
