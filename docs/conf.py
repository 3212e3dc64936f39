"""Sphinx's settings for the site; `course.py site` puts its sources together."""

import re
from pathlib import Path

from vae_course.publish.landing import authors, cards
from vae_course.publish.npm import javascript

ROOT = Path(__file__).parents[1]
PARAMETER = r"[a-z_]+: "
project = "Which garments are nearest to z?"
html_title = project
author = authors()
language = "en"

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.mathjax"]
extensions += ["sphinx.ext.napoleon"]  # reads Args, Returns and Raises
extensions += ["sphinx_copybutton"]
copybutton_selector = "div.highlight:not(.cell_output *) pre"  # no output
copybutton_exclude = ".linenos, .gp, .go"  # no numbers, no prompts, nothing that was printed
napoleon_custom_sections = [("Reference", "References")]
myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3
nb_execution_mode = "off"  # the notebooks come with their outputs
nb_code_prompt_show, nb_code_prompt_hide = "Show the code", "Hide the code"
nb_ipywidgets_js: dict[str, dict] = {}  # each widget has a picture in its place
nitpicky = True  # a name of vae_lib that the glossary links to has to be there
# but types in signatures and errors need no link
nitpick_ignore_regex = [("py:class", ".*"), ("py:exc", ".*")]

autodoc_default_options = {"members": True, "member-order": "bysource"}
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
add_module_names = False
maximum_signature_line_length = 80
toc_object_entries_show_parents = "hide"

html_theme = "sphinx_book_theme"
html_theme_options = {"show_toc_level": 2, "home_page_in_toc": True, "navbar_persistent": []}
html_context = {"default_mode": "auto"}  # light or dark, as the reader's system is
# the landing page replaces the page of index.md, which only holds the table of contents
templates_path = [str(ROOT / "docs")]
html_additional_pages = {"index": "landing.html"}
html_context |= {"author": author, "cards": cards()}
html_favicon = str(ROOT / "docs" / "favicon.svg")
html_copy_source = True  # a notebook's page offers the notebook
html_show_copyright = html_show_sphinx = False
# everything is served from the site itself; this one file has MathJax's fonts in it
html_static_path = [
    *(str(ROOT / "docs" / name) for name in ("site.css", "site.js", "landing.css")),
    str(javascript() / "mathjax" / "es5" / "tex-svg-full.js"),
]
html_css_files = ["site.css"]
html_js_files = [("site.js", {"defer": "defer"})]
mathjax_path = "tex-svg-full.js"
mathjax3_config = {"options": {"enableMenu": False}}  # the menu would load what is not there


def describe_parameters(app, what, name, obj, options, lines: list[str]) -> None:
    """Turn our docstrings, Markdown with paragraphs `name: what it is`, into what Sphinx reads."""
    paragraphs = re.sub(r"`([^`]+)`", r"``\1``", "\n".join(lines)).split("\n\n")
    for number, paragraph in enumerate(paragraphs):
        if what != "module" and re.match(PARAMETER, paragraph):
            indented = re.sub(r"\n *", "\n   ", paragraph)
            paragraphs[number] = re.sub(rf"^ *({PARAMETER})", r":param \1", indented, flags=re.M)
    lines[:] = "\n\n".join(paragraphs).splitlines()


def shorten_types(app, what, name, obj, options, signature: str, result: str):
    """Write Tensor rather than ~torch.Tensor, and what can be read as Python."""
    short = (text and re.sub(r"~(\w+\.)+", "", text) for text in (signature, result))
    return tuple(text and text.replace("<factory>", "...") for text in short)


def setup(app) -> None:
    app.connect("autodoc-process-signature", shorten_types)
    app.connect("autodoc-process-docstring", describe_parameters)
