"""`course.py guide`: update the computed blocks of the instructors' guide.

The guide in `instructors/` is written by hand, except for the blocks between two comments:

    <!-- generated: quiz key -->
    <!-- end -->

This command fills the blocks with run times, quiz keys, the messages that checks give for wrong
answers, and the rows that the explorer shows at chosen positions. `--times 04` also measures the
run time of notebook 04; `--times` alone measures all notebooks. `--report` also runs notebook 07
twice, for the figures of the sample report.
"""

import argparse
import re
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

import nbformat
import torch

from vae_course import ROOT
from vae_course.commands.jupyter import prepare_kernels
from vae_course.commands.notebooks import notebook_paths
from vae_course.exercises import EXERCISES
from vae_course.exercises.quizzes import QUIZZES
from vae_course.publish import positions, run_times, sample_report
from vae_lib import PosteriorIndex
from vae_lib._files import write_text_atomically
from vae_lib.data import load_images

FOLDER = ROOT / "instructors"
BLOCK = re.compile(r"(<!-- generated: (.+?) -->\n).*?(<!-- end -->)", flags=re.DOTALL)
HEADING = re.compile(r"^## (.+) · (\d+) min( extra)?$", flags=re.MULTILINE)
EVERYWHERE = ("What you will learn", "Before you start", "What you have learned", "Read more")
LATER = "*(Comes with the notebook.)*"
PLANE = ([0, 0], [1, 1], [-2, 1], [3, 1], [-1, 3.5], [2, -3])  # z of notebook 01, section 8


def guide_paths() -> list[Path]:
    """Return the paths of the guide's files, sorted by name."""
    return sorted(FOLDER.glob("*.md"))


def notebook_of(guide: Path) -> Path | None:
    """Return the notebook that a file of the guide describes, or None if there is none."""
    return next((path for path in notebook_paths() if path.stem == guide.stem), None)


def sections_of(notebook: Path) -> list[str]:
    """Return the section headings of a notebook, except those that every notebook has."""
    cells = nbformat.read(notebook, as_version=4).cells
    prose = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    found = re.findall(r"^## (.+)$", prose, flags=re.MULTILINE)
    return [section for section in found if section not in EVERYWHERE]


def figures_of(notebook: Path) -> list[tuple[str, str]]:
    """Return the section and the alt text of each figure of a notebook, in order."""
    node = nbformat.read(notebook, as_version=4)
    return [
        (section, output.metadata["image/png"]["alt"])
        for section, cell in zip(run_times.section_of_each_cell(node), node.cells, strict=True)
        for output in cell.get("outputs", [])
        if "image/png" in output.get("data", {})
    ]


def minutes_in(text: str) -> dict[str, tuple[int, bool]]:
    """Return the minutes of each section of a guide, and whether the section is extra."""
    return {name: (int(minutes), bool(extra)) for name, minutes, extra in HEADING.findall(text)}


def total_minutes(text: str) -> tuple[int, int]:
    """Return the total minutes of a guide's regular sections and of its extra sections."""
    found = minutes_in(text).values()
    extras = sum(minutes for minutes, extra in found if extra)
    return sum(minutes for minutes, _ in found) - extras, extras


def at_a_glance(guide: Path, text: str) -> str:
    """Return a table of the sections with their minutes, CPU seconds and figures."""
    notebook = notebook_of(guide)
    if notebook is None:
        return LATER
    times = run_times.load().get(notebook.stem)
    places = [section for section, _ in figures_of(notebook)]
    rows = ["| section | minutes | computes, s | figures |", "|---|---:|---:|---|"]
    for name, (minutes, extra) in minutes_in(text).items():
        planned = f"+{minutes}" if extra else f"{minutes}"
        seconds = times["sections"].get(name, "–") if times else "–"
        own = ", ".join(str(number) for number, place in enumerate(places, 1) if place == name)
        rows.append(f"| {name} | {planned} | {seconds} | {own} |")
    in_all, on_top = total_minutes(text)
    rows.append(f"| **in all** | **{in_all}** (+{on_top}) | {times['total'] if times else '–'} | |")
    measured = (
        f"CPU time, on {times['machine']}; imports included." if times else "Not measured yet."
    )
    return "\n".join(rows) + f"\n\n{measured}"


def all_notebooks(guide: Path, text: str) -> str:
    """Return the table of all notebooks for the guide's index."""
    rows = ["| | minutes | on top | computes, s |", "|---|---:|---:|---:|"]
    for path in guide_paths():
        if notebook_of(path) is not None:
            content = path.read_text(encoding="utf-8")
            minutes, extra = total_minutes(content)
            seconds = run_times.load().get(path.stem, {}).get("total", "–")
            title = content.split("\n", 1)[0].removeprefix("# ")
            rows.append(f"| [{title}]({path.name}) | {minutes} | {extra} | {seconds} |")
    return "\n".join(rows)


def wrong_answers(guide: Path, text: str) -> str:
    """Return, for each exercise, the messages for the mistakes that its check recognises."""
    chapter = str(int(guide.stem[:2]))
    parts = []
    for exercise in EXERCISES.values():
        if exercise.id.split(".")[0] == chapter:
            messages = dict.fromkeys((m.diagnosis, m.hint) for m in exercise.mistakes)
            rows = ["| the check says: this looks like … | and hints |", "|---|---|"]
            rows += [f"| {in_cell(diagnosis)} | {in_cell(hint)} |" for diagnosis, hint in messages]
            parts.append(f"**{exercise.id}, {exercise.title}**\n\n" + "\n".join(rows))
    return "\n\n".join(parts) or LATER


def in_cell(text: str) -> str:
    """Escape the characters that would end a cell of a Markdown table."""
    return text.replace("|", "\\|")


def quiz_key(guide: Path, text: str) -> str:
    """Return the questions with the right option and an explanation of every option."""
    parts = []
    for number, question in enumerate(QUIZZES.get(int(guide.stem[:2]), ()), 1):
        right = question.right()
        lines = [f"{number}. {question.ask}"]
        for place, (option, reason) in enumerate(question.options):
            mark = (
                f"**{'abc'[place]}) {option}**: right."
                if place == right
                else f"{'abc'[place]}) {option}:"
            )
            lines.append(f"   - {mark} {reason}")
        parts.append("\n".join(lines))
    return "\n".join(parts) or LATER


@cache
def wardrobes() -> dict[str, positions.Wardrobe]:
    """Return both data sets with their models."""
    return {name: positions.load_wardrobe(name) for name in positions.DATA_SETS}


@cache
def sights() -> dict[str, dict[str, positions.Sight]]:
    """Return what the explorer shows at each chosen position, on each data set."""
    chosen = {name: positions.telling_positions(each) for name, each in wardrobes().items()}
    return {
        place: {
            name: positions.look(each, chosen[name][place]) for name, each in wardrobes().items()
        }
        for place in chosen["drawn"]
    }


def position(place: str) -> str:
    """Return one position: the z to paste, and what the explorer then shows.

    Raises:
        ValueError: if there is no position of that name.
    """
    if place not in sights():
        raise ValueError(f"there is no position {place!r}; there are {', '.join(sights())}")
    return positions.position_block(sights()[place])


def plane(guide: Path, text: str) -> str:
    """Return how two rules rank the six garments of notebook 01 at some z of its plane."""
    (path,) = notebook_paths(["01"])
    names: dict = {"torch": torch}
    for cell in nbformat.read(path, as_version=4).cells:
        for line in cell.source.splitlines() if cell.cell_type == "code" else ():
            if re.match(r"(pair|more)_(mean|std) = ", line):
                exec(line, names)
    mean, std = (torch.cat([names[f"pair_{n}"], names[f"more_{n}"]]) for n in ("mean", "std"))
    index = PosteriorIndex(mean=mean, std=std)
    rows = ["| paste | Euclidean, best first | likelihood, best first |", "|---|---|---|"]
    for z in PLANE:
        orders = [index.search(z, k=6, rule=rule).indices for rule in ("euclidean", "likelihood")]
        cells = (" ".join("ABCDEF"[garment] for garment in order) for order in orders)
        rows.append(f"| `z = {z}` | {' | '.join(cells)} |")
    return "\n".join(rows)


def rubric(guide: Path, text: str) -> str:
    """Return the text under the heading "Rubric" of a notebook.

    Raises:
        ValueError: if the notebook has no such heading.
    """
    notebook = notebook_of(guide)
    if notebook is None:
        return LATER
    for cell in nbformat.read(notebook, as_version=4).cells:
        if cell.cell_type == "markdown" and "### Rubric\n" in cell.source:
            return cell.source.split("### Rubric\n")[1].split("\n#")[0].strip()
    raise ValueError(f"{notebook.name} has no heading ### Rubric")


def positions_text() -> str:
    """Return all positions as a text to keep open in class: their names and lists to paste."""
    parts = [
        f"{place}, {name}\n{positions.to_paste(sight.z)}\n"
        for place, each in sights().items()
        for name, sight in each.items()
    ]
    return "\n".join(parts)


def board_sheet() -> str:
    """Return one sheet with the board notes of all notebooks, in the order of the course."""
    parts = ["# Board sheet\n\nAll board notes of the guide, made by `python3 course.py guide`."]
    for path in guide_paths():
        text = path.read_text(encoding="utf-8")
        if "\n## Board notes\n" in text:
            notes = text.split("\n## Board notes\n")[1].split("\n## ")[0].strip()
            parts.append(f"## [{text.splitlines()[0].removeprefix('# ')}]({path.name})\n\n{notes}")
    return "\n\n".join(parts) + "\n"


BLOCKS: dict[str, Callable[[Path, str], str]] = {
    "at a glance": at_a_glance,
    "all notebooks": all_notebooks,
    "wrong answers": wrong_answers,
    "quiz key": quiz_key,
    "rubric": rubric,
    "plane": plane,
    "sweep": lambda guide, text: positions.sweep_block(wardrobes()),
}


def content_of(name: str, guide: Path, text: str) -> str:
    """Return the content of a block of a guide.

    Args:
        name: the name of the block, from its first comment.
        guide: the path of the file.
        text: the text of the file.

    Raises:
        ValueError: if the name is unknown.
    """
    if name.startswith("position "):
        return position(name.removeprefix("position "))
    if name.startswith("report "):
        return sample_report.quotation(*name.removeprefix("report ").split(": "))
    if name not in BLOCKS:
        raise ValueError(f"{guide.name}: there is no block {name!r}; there are {', '.join(BLOCKS)}")
    return BLOCKS[name](guide, text)


def filled(guide: Path, text: str) -> str:
    """Return the text of a guide with all of its blocks filled."""
    return BLOCK.sub(
        lambda block: f"{block[1]}\n{content_of(block[2], guide, text)}\n\n{block[3]}", text
    )


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="course.py guide", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument(
        "--times",
        nargs="*",
        metavar="04",
        help="measure the run times of these notebooks (default: all)",
    )
    parser.add_argument(
        "--report", action="store_true", help="run notebook 07 as the sample report's student did"
    )
    options = parser.parse_args(arguments)
    numbers = options.times
    try:
        paths = notebook_paths(numbers) if numbers is not None else []
    except ValueError as error:
        parser.error(str(error))
    if load_images("auto").name != "fashion-mnist":
        print("The guide needs Fashion-MNIST, which is not on this machine.")
        return 1
    prepare_kernels()
    for path in paths:
        print(f"{path.name}: running ...")
        run_times.store(path, run_times.measure(path))
    if options.report:
        print("07_your_own_wardrobe.ipynb: running twice, for the sample report ...")
        sample_report.measure()
    for guide in guide_paths():
        text = guide.read_text(encoding="utf-8")
        if filled(guide, text) != text:
            write_text_atomically(guide, filled(guide, text))
            print(f"instructors/{guide.name}: renewed")
    write_text_atomically(FOLDER / "positions.txt", positions_text())
    write_text_atomically(FOLDER / "board_sheet.md", board_sheet())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
