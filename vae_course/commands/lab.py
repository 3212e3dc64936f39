"""`course.py lab`: JupyterLab on 127.0.0.1, opened on the first notebook."""

import importlib.util
import json
import os
import sys
import threading
from pathlib import Path

from vae_course import ROOT
from vae_course.commands.children import run_until_it_ends
from vae_course.commands.jupyter import (
    ADDRESS,
    no_delay,
    prepare_kernels,
    refuse_other_addresses,
    write_setting,
)

OVERRIDES = Path(sys.prefix) / "share" / "jupyter" / "lab" / "settings" / "overrides.json"
START = "notebooks/00_start_here.ipynb"


def quiet_lab() -> None:
    """Switch JupyterLab's news and its check for updates off in this environment."""
    quiet = {"fetchNews": "false", "checkForUpdates": False}
    settings = json.dumps({"@jupyterlab/apputils-extension:notification": quiet})
    write_setting(OVERRIDES, settings)


def disable_nbgrader() -> None:
    """Keep nbgrader out of JupyterLab: it warns at every start and adds menus no learner needs."""
    if importlib.util.find_spec("nbgrader") is None:
        return
    names = ("assignment_list", "course_list", "formgrader", "validate_assignment")
    extensions = {f"nbgrader.server_extensions.{name}": False for name in names}
    set_in("jupyter_server_config.d/zz_course.json", "ServerApp", "jpserver_extensions", extensions)
    set_in("labconfig/page_config.json", "disabledExtensions", "@jupyter/nbgrader", True)


def set_in(name: str, section: str, key: str, value: object) -> None:
    """Set one value in a file of this environment's Jupyter settings and keep the others."""
    path = Path(sys.prefix) / "etc" / "jupyter" / name
    settings = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    settings.setdefault(section, {})[key] = value
    write_setting(path, json.dumps(settings))


def compile_search() -> None:
    """Compile the exact search, or find it compiled, so that the first slider need not wait."""
    import torch

    from vae_lib import PosteriorIndex

    index = PosteriorIndex(mean=torch.zeros(1, 1), std=torch.ones(1, 1))
    _ = index.search([0.0], k=1).probabilities


def main(arguments: list[str]) -> int:
    """Start JupyterLab and pass further arguments on to it, such as --no-browser or --port=9999."""
    refuse_other_addresses(arguments)
    prepare_kernels()
    quiet_lab()
    disable_nbgrader()
    command = [sys.executable, "-P", "-m", "jupyterlab"]
    command += no_delay("jupyter_server.serverapp", "ServerApp")
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        command.append("--allow-root")  # in a container
    if not any("root_dir" in argument for argument in arguments):
        # the notebook is the default page, not a file to open: the printed address leads to it
        command += [f"--ServerApp.root_dir={ROOT}", f"--LabApp.default_url=/lab/tree/{START}"]
    threading.Thread(target=compile_search, daemon=True).start()  # while the server starts
    return run_until_it_ends([*command, *arguments, f"--ServerApp.ip={ADDRESS}"])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
