"""`course.py app`: the explorer alone, as a page of its own, served by Voilà on 127.0.0.1.

The address that it prints holds a token, so that other users of this machine stay out. Who has the
token moves sliders and no more: of a visitor's messages, Voilà hands only those of widgets to the
kernel. What it would take besides, it is told here not to.
"""

import os
import sys
import tempfile
from pathlib import Path

import nbformat

from vae_course.commands.children import run_until_it_ends
from vae_course.commands.jupyter import ADDRESS, no_delay, prepare_kernels, refuse_other_addresses

CODE = """\
from vae_lib import Explorer, PosteriorIndex, encode_dataset, load_images, load_pretrained

images = load_images("auto")
vae = load_pretrained(images.name, latent_dim=10)
explorer = Explorer(vae, PosteriorIndex(encode_dataset(vae, images.train_images)), images)
explorer.garment_z(11)
explorer
"""
ABOUT = """\
**Which garments are nearest to z?** The sliders set the ten numbers z, and a variational
autoencoder turns them into the picture. The rows show the garments nearest to z by several rules:
the *likelihood* asks under which garment's Gaussian z is most likely, *Euclidean distance* forgets
how wide each Gaussian is. The line above the rows says whether the model has seen anything like z.
What a slider, a tick or a button does is told by the mouse on it, and the number of a garment by
the mouse on its picture; all else is in the course's notebooks.
"""
LAST_WORD = [
    f"--Voila.ip={ADDRESS}",
    # a template is code, and Voilà would take the one that the address names
    "--VoilaConfiguration.allow_template_override=NO",
    "--VoilaConfiguration.allow_theme_override=NO",
    "--VoilaConfiguration.file_allowlist=['']",  # no file of the folder that it was started in
    "--VoilaConfiguration.show_tracebacks=False",
]
# a kernel holds the data set: one that no page is connected to is stopped after ten minutes
FORGOTTEN = [
    "--MappingKernelManager.cull_idle_timeout=600",
    "--MappingKernelManager.cull_interval=60",
]
# Voilà's page as it is, but for a font that it would fetch from elsewhere, and nothing here uses,
# and for a cookie: a page that is closed stops its kernel, and must show a cookie that Voilà does
# not set (its issue 1458)
TEMPLATE = """\
{% extends 'voila/templates/lab/index.html.j2' %}
{% import 'spinner.macro.html.j2' as spinner %}
{% block notebook_css %}
{{ resources.include_js('static/voila-style.js') }}
{{ spinner.css() }}
{{ super.super() }}
<style>
  .jp-mod-noOutputs.jp-mod-noInput { display: none; }
  body .vae-explorer { margin: 0 auto; }
  body .jp-MarkdownCell { max-width: 960px; margin: 16px auto; }
</style>
<script>
  if (!/\\b_xsrf=/.test(document.cookie))
    document.cookie = `_xsrf=${crypto.randomUUID().replaceAll("-", "")}; path=/; SameSite=Strict`;
</script>
{% endblock %}
"""


def write_template(folder: Path) -> None:
    """Write the page's template where Voilà looks for one named explorer."""
    template = folder / "voila" / "templates" / "explorer"
    template.mkdir(parents=True)
    (template / "conf.json").write_text('{"base_template": "lab"}')
    (template / "index.html.j2").write_text(TEMPLATE)


def write_notebook(folder: Path) -> Path:
    """Write the notebook that Voilà turns into the page: the explorer, and what it is."""
    cells = [nbformat.v4.new_code_cell(CODE), nbformat.v4.new_markdown_cell(ABOUT)]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook = nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel})
    path = folder / "explorer.ipynb"
    nbformat.write(notebook, path)
    return path


def main(arguments: list[str]) -> int:
    """Serve the page; further arguments, such as --no-browser or --theme=dark, are passed on."""
    refuse_other_addresses(arguments)
    prepare_kernels()
    with tempfile.TemporaryDirectory() as folder:
        path = write_notebook(Path(folder))
        write_template(Path(folder))
        paths = filter(None, (folder, os.environ.get("JUPYTER_PATH")))
        environment = {**os.environ, "JUPYTER_PATH": os.pathsep.join(paths)}
        command = [sys.executable, "-P", "-m", "voila", str(path), "--template=explorer", "--token"]
        # not what nbgrader brings for JupyterLab: Voilà would load it, and it complains
        for extension in ("@jupyter-notebook/lab-extension", "@jupyter/nbgrader"):
            command.append(f"--VoilaConfiguration.extension_denylist={extension}")
        command += [*FORGOTTEN, *arguments, *no_delay("voila.app", "Voila")]
        return run_until_it_ends([*command, *LAST_WORD], environment)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
