"""`course.py lab`: JupyterLab on 127.0.0.1, opened on the first notebook."""

import os
import subprocess
import sys
from pathlib import Path

from tools.kernel import quiet_kernel

ROOT = Path(__file__).parents[1]
START = "notebooks/00_start_here.ipynb"


def main(arguments: list[str]) -> int:
    """Start JupyterLab; further arguments, such as --no-browser or --port=9999, are passed on."""
    quiet_kernel()
    command = [sys.executable, "-m", "jupyterlab", "--ServerApp.ip=127.0.0.1"]
    command += [f"--ServerApp.root_dir={ROOT}", "--LabApp.news_url=None"]
    command += ["--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate"]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        command.append("--allow-root")  # in a container
    return subprocess.call([*command, *arguments, str(ROOT / START)])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
