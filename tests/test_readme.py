"""The README is true: its code runs, its table holds every notebook, its files are there."""

import contextlib
import importlib.util
import io
import re
from pathlib import Path

from vae_course.commands.notebooks import notebook_paths

ROOT = Path(__file__).parents[1]
MINUTES = r"\d+(?: \+ \d+)?"  # for reading, and for the exercises
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_ten_lines_run(monkeypatch):
    monkeypatch.setenv("VAE_LIB_IMAGES", "drawn")
    (code,) = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(code, {})
    likelihood, euclidean, familiar = printed.getvalue().splitlines()
    assert likelihood.count(",") == euclidean.count(",") == 4
    assert familiar in ("tensor(True)", "tensor(False)")


def test_every_notebook_is_in_the_table_and_in_the_map():
    table = re.findall(
        rf"^\| \[[^]]+\]\(notebooks/(\S+)\) \| {MINUTES} \|", README, flags=re.MULTILINE
    )
    assert table == [path.name for path in notebook_paths()]
    start = (ROOT / "notebooks" / "00_start_here.ipynb").read_text(encoding="utf-8")
    assert re.findall(rf"\| \[[^]]+\]\((\S+)\) \| {MINUTES} \|", start) == table[1:]


def test_its_commands_exist():
    import course

    named = set(re.findall(r"python3 course\.py (\w+)", README))
    assert named >= {"lab", "test", "notebooks", "weights"}
    assert named <= set(course.COMMANDS)
    assert all(
        importlib.util.find_spec(f"vae_course.{room}.{name}")
        for name, (room, _, _) in course.COMMANDS.items()
    )
