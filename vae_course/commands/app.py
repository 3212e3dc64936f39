"""`course.py app`: the explorer alone, as a page of its own, served by Voilà on 127.0.0.1.

The printed address contains a token, so that other users of this machine have no access. A visitor
with the token can move the sliders and do nothing else: Voilà passes only messages of widgets to
the kernel, and the options below turn off everything else that it would accept.
"""

import base64
import json
import os
import sys
import tempfile
from pathlib import Path

import nbformat

from vae_course import ROOT
from vae_course.commands import forks
from vae_course.commands.children import run_until_it_ends
from vae_course.commands.jupyter import ADDRESS, no_delay, prepare_kernels, refuse_other_addresses

CODE = """\
from IPython.display import display
from vae_course.commands.forks import wardrobe
from vae_lib import Explorer

explorer = Explorer(*wardrobe())
explorer.garment_z(11)
display(explorer, exclude=["image/png"])  # the picture that stands in stored notebooks takes time
"""
TITLE = "Which garments are nearest to z?"
ABOUT = (
    "Ten sliders set the code z, a variational autoencoder turns it into the picture, and the rows "
    "show the garments that are nearest to z by several rules."
)
TEMPLATE = Path(__file__).with_suffix(".html.j2")
ICON = ROOT / "docs" / "favicon.svg"
FIXED_OPTIONS = [
    f"--Voila.ip={ADDRESS}",
    # a template is code, and Voilà would use the one that the address names
    "--VoilaConfiguration.allow_template_override=NO",
    "--VoilaConfiguration.allow_theme_override=NO",
    "--VoilaConfiguration.file_allowlist=['']",  # serve no file of the working directory
    "--VoilaConfiguration.show_tracebacks=False",
]
# a kernel holds the data set in memory: stop it ten minutes after its page was closed
STOP_IDLE_KERNELS = [
    "--MappingKernelManager.cull_idle_timeout=600",
    "--MappingKernelManager.cull_interval=60",
]
# Jupyter would restart a dead kernel without the page's widgets; now the page reports its death
NO_RESTART = ["--KernelRestarter.restart_limit=0"]


def write_template(folder: Path) -> None:
    """Write the page's template where Voilà looks for one named explorer."""
    template = folder / "voila" / "templates" / "explorer"
    template.mkdir(parents=True)
    (template / "conf.json").write_text('{"base_template": "lab"}')
    (template / "index.html.j2").write_text(TEMPLATE.read_text(encoding="utf-8"), "utf-8")


def write_kernel(folder: Path, socket: Path) -> None:
    """Write the kernel that the page runs, where Jupyter looks for one named explorer."""
    kernel = folder / "kernels" / "explorer"
    kernel.mkdir(parents=True)
    command = [*forks.PROGRAM, str(socket), "{connection_file}"]
    if not forks.CAN_FORK:
        command = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    spec = {"argv": command, "display_name": "explorer", "language": "python"}
    (kernel / "kernel.json").write_text(json.dumps(spec))


def write_notebook(folder: Path) -> Path:
    """Write the notebook that Voilà turns into the page: the explorer, and what it is."""
    icon = base64.b64encode(ICON.read_bytes()).decode()
    metadata = {
        "kernelspec": {"name": "explorer", "display_name": "explorer", "language": "python"},
        "title": TITLE,
        "about": ABOUT,
        "icon": f"data:image/svg+xml;base64,{icon}",
    }
    cells = [nbformat.v4.new_code_cell(CODE)]
    path = folder / "explorer.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=metadata), path)
    return path


def main(arguments: list[str]) -> int:
    """Serve the page; further arguments, such as --no-browser or --port=9999, are passed on."""
    refuse_other_addresses(arguments)
    prepare_kernels()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        socket = folder / "forks"
        path = write_notebook(folder)
        write_template(folder)
        write_kernel(folder, socket)
        paths = filter(None, (name, os.environ.get("JUPYTER_PATH")))
        environment = {**os.environ, "JUPYTER_PATH": os.pathsep.join(paths)}
        command = [sys.executable, "-P", "-m", "voila", str(path), "--template=explorer", "--token"]
        # without nbgrader's JupyterLab extension: Voilà would load it, and it prints errors
        for extension in ("@jupyter-notebook/lab-extension", "@jupyter/nbgrader"):
            command.append(f"--VoilaConfiguration.extension_denylist={extension}")
        command += [*STOP_IDLE_KERNELS, *NO_RESTART, *arguments, *no_delay("voila.app", "Voila")]
        with forks.loaded(socket):
            return run_until_it_ends([*command, *FIXED_OPTIONS], environment)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
