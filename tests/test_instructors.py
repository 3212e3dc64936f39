"""The instructors' guide: it fits the notebooks, its sums are right, what is computed is fresh."""

import ast
import re
from pathlib import Path

import nbformat
import pytest
import torch

from vae_course.commands.notebooks import notebook_paths
from vae_course.publish import guide, run_times, sample_report
from vae_lib import Explorer
from vae_lib.data import load_images
from vae_lib.evaluation import Wardrobe

NOTEBOOKS = notebook_paths()
GUIDES = guide.guide_paths()
PLANS = sorted(guide.FOLDER.glob("plan_*.md"))
README = (guide.FOLDER.parent / "README.md").read_text(encoding="utf-8")
ON_FASHION_MNIST = ("position ", "sweep")  # blocks with a column for it
DECIMALS = re.compile(r"\d+\.\d+")
LAST_DIGIT = 0.11  # another processor rounds otherwise: 0.1, and what floats add to it


def parametrize_notebooks():
    return pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def text_of(path: Path) -> str:
    """Return the guide of a notebook, or any file of the guide."""
    return (guide.FOLDER / path.with_suffix(".md").name).read_text(encoding="utf-8")


def blocks() -> list[tuple[Path, str, str]]:
    """Return file, name and content of every block."""
    return [
        (path, block[2], block[0].split("-->", 1)[1].rsplit("<!--", 1)[0].strip())
        for path in GUIDES
        for block in guide.BLOCK.finditer(path.read_text(encoding="utf-8"))
    ]


# --- it fits the notebooks ------------------------------------------------------------------------


@parametrize_notebooks()
def test_the_guide_has_the_sections_of_its_notebook_and_their_minutes_add_up(path):
    text = text_of(path)
    assert list(guide.minutes_in(text)) == guide.sections_of(path)
    minutes, extra = guide.total_minutes(text)
    (promised,) = re.findall(rf"\(notebooks/{path.name}\) \| (\d+)(?: \+ (\d+))? \|", README)
    assert (minutes, extra) == (int(promised[0]), int(promised[1] or 0))
    before = (
        path.read_text(encoding="utf-8").split("## Before you start")[1].split('"cell_type"')[0]
    )
    first, *more = map(int, re.findall(r"\b(\d+)(?= minutes| more| for the exercises)", before))
    assert (first, sum(more)) == (minutes, extra)


@parametrize_notebooks()
def test_every_figure_has_its_point_in_its_section(path):
    parts = re.split(guide.HEADING, text_of(path))[1:]
    points = [
        (section, int(number), words)
        for section, body in zip(parts[::4], parts[3::4], strict=True)
        for number, words in re.findall(
            r'\*\*Figure (\d+), "([^"]+)"\.\*\* The point: \w.{20}', body, flags=re.DOTALL
        )
    ]
    figures = guide.figures_of(path)
    assert [number for _, number, _ in points] == list(range(1, len(figures) + 1))
    for (section, _, words), (place, alt) in zip(points, figures, strict=True):
        assert section == place
        assert alt.startswith(words), f"{words!r} does not begin {alt!r}"
        assert len(words) >= 12


@parametrize_notebooks()
def test_the_guide_uses_the_answers_of_the_prediction_cells(path):
    if "Asked in 64097" in path.read_text(encoding="utf-8"):
        assert "Asked in 64097" in text_of(path)
    assert "## Board notes" in text_of(path)
    assert "**To take home:**" in text_of(path)


def test_every_notebook_with_exercises_has_their_mistakes_and_its_key():
    named = {(path.stem, name) for path, name, _ in blocks()}
    for path in NOTEBOOKS:
        sections = guide.sections_of(path)
        assert (path.stem, "at a glance") in named
        assert ("Exercises" in sections) <= ((path.stem, "wrong answers") in named)
        assert ("Quiz" in sections) <= ((path.stem, "quiz key") in named)


@pytest.mark.parametrize("path", GUIDES, ids=lambda path: path.stem)
def test_links_to_files_lead_somewhere(path):
    for target in re.findall(r"\]\(([^)#\s]+)\)", path.read_text(encoding="utf-8")):
        if not target.startswith("http"):
            assert (guide.FOLDER / target).exists(), target


@pytest.mark.parametrize("path", GUIDES, ids=lambda path: path.stem)
def test_markdown_leaves_the_formulas_alone(path):
    text = re.sub(r"```.*?```|`[^`]*`", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    assert text.count("$") % 2 == 0
    for _, formula in re.findall(r"(\$\$?)([^$]+)\1", text):
        assert not re.search(r"\\[^a-zA-Z]", formula), f"Markdown eats this backslash: {formula}"
        for line in formula.split("\n")[1:]:
            assert not re.match(r"[-+*=>#]", line), f"Markdown takes this for its own: {line}"


# --- what is computed is fresh --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "name", "stored"),
    [pytest.param(*block, id=f"{block[0].stem}-{block[1]}") for block in blocks()],
)
def test_what_is_computed_is_up_to_date(path, name, stored):
    if name.startswith(ON_FASHION_MNIST) and load_images("auto").name != "fashion-mnist":
        pytest.skip("says what is to be seen on Fashion-MNIST")
    fresh = guide.content_of(name, path, path.read_text(encoding="utf-8"))
    what = "run: python3 course.py guide"
    assert DECIMALS.sub("#", stored) == DECIMALS.sub("#", fresh), what
    numbers = ([float(n) for n in DECIMALS.findall(text)] for text in (stored, fresh))
    assert next(numbers) == pytest.approx(next(numbers), abs=LAST_DIGIT), what


@parametrize_notebooks()
def test_the_run_times_belong_to_existing_sections(path):
    times = run_times.load()[path.stem]
    assert set(times["sections"]) - set(guide.EVERYWHERE) <= set(guide.sections_of(path))
    assert sum(times["sections"].values()) == pytest.approx(times["total"], abs=1)
    assert "torch" in times["machine"]


def test_filling_changes_only_the_blocks_and_names_an_unknown_block():
    path = guide.FOLDER / "02_training.md"
    text = "before\n<!-- generated: quiz key -->\nstale\n<!-- end -->\nafter\n"
    filled = guide.filled(path, text)
    assert filled.startswith("before\n<!-- generated: quiz key -->\n\n1. A loss averages")
    assert filled.endswith("\n\n<!-- end -->\nafter\n")
    assert "stale" not in filled
    assert guide.filled(path, filled) == filled
    with pytest.raises(ValueError, match="no block 'quiz keys'; there are at a glance"):
        guide.filled(path, text.replace("quiz key", "quiz keys"))


def test_the_answer_key_is_the_computed_one():
    key = guide.quiz_key(guide.FOLDER / "02_training.md", "")
    assert re.findall(r"\*\*(\w\) .+?)\*\*: right\.", key) == [
        "c) β = 784",
        "c) the KL cannot tell",
        "b) 245.5 nats",
    ]


# --- the positions show what the guide says of them -----------------------------------------------


@pytest.fixture(scope="module")
def seen():
    if load_images("auto").name != "fashion-mnist":
        pytest.skip("says what is to be seen on Fashion-MNIST")
    return guide.sights()


def test_the_positions_to_paste_and_the_board_sheet_are_up_to_date(seen):
    fresh = {"positions.txt": guide.positions_text(), "board_sheet.md": guide.board_sheet()}
    for name, text in fresh.items():
        stored = (guide.FOLDER / name).read_text(encoding="utf-8")
        assert stored == text, "run: python3 course.py guide"


@pytest.mark.parametrize("name", guide.positions.DATA_SETS)
def test_the_positions_show_what_the_guide_claims(seen, name):
    sight = {place: each[name] for place, each in seen.items()}
    for place in ("middle", "garment", "narrow", "wide", "disagreement"):
        assert sight[place].answer.familiar, place
    for place in ("hole", "corner", "hub 1", "hub 2"):
        assert not sight[place].answer.familiar, place
        assert sight[place].in_common() == 0
    # each finds itself
    assert {sight["garment"].first(rule) for rule in ("likelihood", "euclidean")} == {11}
    assert sight["garment"].in_common() < 10
    # one σ off: Euclidean distance keeps the narrow garment and loses the wide one
    log_volume = sight["narrow"].wardrobe.index.posteriors.std.log().sum(dim=1)
    narrow, wide = log_volume.argmin(), log_volume.argmax()
    assert sight["narrow"].first("likelihood") == sight["narrow"].first("euclidean") == narrow
    assert sight["wide"].first("likelihood") == wide != sight["wide"].first("euclidean")
    # where they disagree most, one sharp dimension does it, and the picture shows it
    apart = sight["disagreement"]
    posteriors = apart.wardrobe.index.posteriors[[apart.first("euclidean")]]
    parts = ((torch.tensor(apart.z) - posteriors.mean[0]) / posteriors.std[0]) ** 2
    assert parts.max() > 0.5 * parts.sum()
    assert apart.pixel_distance["euclidean"] > 5 * apart.pixel_distance["likelihood"]
    # a hole is no matter of length; a corner is answered with certainty
    lengths = sight["hole"].wardrobe.index.posteriors.sample(torch.Generator().manual_seed(0))
    assert torch.tensor(sight["hole"].z).norm() < lengths.norm(dim=1).median()
    for place in ("corner", "hub 1", "hub 2"):
        assert sight[place].answer.neighbors["likelihood"].probabilities[0] > 0.95
    # one garment for two different pictures, and the gate does better
    assert sight["hub 1"].first("likelihood") == sight["hub 2"].first("likelihood")
    assert sight["hub 1"].looks_like != sight["hub 2"].looks_like
    hub = sight["hub 1"].first("likelihood")
    posteriors = sight["hub 1"].wardrobe.index.posteriors
    assert (log_volume < log_volume[hub]).double().mean() > 0.99
    for place in ("hub 1", "hub 2"):
        z = torch.tensor(sight[place].z)
        falls = ((z / posteriors.std) ** 2).sum(dim=1)  # the smaller, the longer the reach
        assert (falls > falls[hub]).double().mean() > 0.99
        distances = sight[place].pixel_distance
        assert distances["gate"] < 0.6 * distances["likelihood"]


@pytest.mark.parametrize("name", guide.positions.DATA_SETS)
def test_the_strong_slider_changes_the_row_and_the_weak_one_hardly(seen, name):
    wardrobe = seen["middle"][name].wardrobe
    strong, weak = guide.positions.strongest_and_weakest(wardrobe)
    assert wardrobe.index.rms_std[weak] > 3 * wardrobe.index.rms_std[strong]
    half = [guide.positions.STEPS.index(step) for step in (-0.5, 0.5)]
    kept = {j: guide.positions.kept_in_row(wardrobe, j) for j in (strong, weak)}
    assert max(kept[strong][place] for place in half) < min(kept[weak][place] for place in half)


def test_the_explorer_shows_what_the_guide_prints(vae, index, drawn):
    explorer = Explorer(vae, index, drawn)
    explorer.rules = guide.positions.RULES
    wardrobe = Wardrobe(vae, index, drawn)
    pasted = 0
    for _, name, content in blocks():
        if name.startswith("position "):
            _, own = content.split("drawn garments:\n\n```python\n", 1)
            explorer.z = ast.literal_eval(own.split("\n```")[0])
            sight = guide.positions.look(wardrobe, list(explorer.z))
            for rule, neighbors in explorer.neighbors.items():
                assert neighbors.indices.equal(sight.answer.neighbors[rule].indices)
            pasted += 1
    assert pasted >= 8


# --- the sample report ----------------------------------------------------------------------------


def rows_of(table: str) -> list[list[str]]:
    """Return the cells of each row of a Markdown table whose first cell is bold."""
    return [
        [cell.strip("* ") for cell in line.strip("|").split("|")]
        for line in table.splitlines()
        if line.startswith("| **")
    ]


def numbers_in(line: str) -> list[float]:
    """Return the numbers of a printed line; a minus sign counts."""
    return [float(number) for number in re.findall(r"-?\d+(?:\.\d+)?", line)]


def line_of(run: str, name: str, beginning: str, after: str = "") -> list[float]:
    """Return the numbers of the first line that begins so, below the line `after`."""
    text = sample_report.load()[run][name]
    lines = text[text.index(after) :].splitlines()
    return next(
        numbers_in(line.strip().removeprefix(beginning))
        for line in lines
        if line.strip().startswith(beginning)
    )


def test_the_marks_of_the_sample_report_follow_the_rubric():
    marks = rows_of(text_of(Path("sample_report")).split("\n## The marks\n")[1])
    criteria = rows_of(guide.rubric(guide.FOLDER / "07_your_own_wardrobe.md", ""))
    assert [row[0] for row in marks] == [row[0] for row in criteria] + ["in all"]
    points = [int(row[1]) for row in marks[:-1]]
    assert set(points) <= {0, 1, 2}
    assert marks[-1][1] == f"{sum(points)} of {2 * len(criteria)}"
    for (_, mark, earned, missing), criterion in zip(marks[:-1], criteria, strict=True):
        assert earned, criterion
        assert missing.startswith("nothing") == (mark == "2"), criterion


def test_the_first_run_of_the_sample_report_printed_what_the_notebook_stores():
    (path,) = notebook_paths(["07"])
    stored = sample_report.printed(nbformat.read(path, as_version=4))
    first = sample_report.load()["first"]
    assert stored.keys() == sample_report.QUOTED.keys()
    assert stored == {name: first[name] for name in stored}, "run: python3 course.py guide --report"


def test_the_second_run_changes_one_argument_of_one_cell():
    (path,) = notebook_paths(["07"])
    before = nbformat.read(path, as_version=4).cells
    after = sample_report.students_notebook(sample_report.RUNS["second"]).cells
    changed = [
        (old.source, new.source)
        for old, new in zip(before, after, strict=False)
        if old.source != new.source
    ]
    ((old, new),) = changed
    assert old.replace(sample_report.AS_IT_IS, sample_report.RUNS["second"]) == new
    assert [cell.source for cell in after[len(before) :]] == list(sample_report.ADDED.values())


def test_the_figures_of_the_sample_report_support_its_text_and_its_marks():
    # with a picture, Euclidean distance leads in kind and colour; more pictures show no difference
    for name in ("kind", "colour"):
        lead = line_of("first", "differences", f"likelihood minus Euclidean, {name}:")
        assert lead[2] < 0
    low, high = line_of("first", "training", "half minus all:")[1:]
    assert low < 0 < high
    low, high = line_of("first", "differences", "mutual likelihood minus likelihood, kind:")[1:]
    assert low < 0 < high
    # two single intervals overlap, and the marker asks for that of the difference
    below = "looks, pixel distance, z from sliders in ±5"
    rules = ("likelihood", "euclidean")
    single = [line_of("first", "summary", rule, below) for rule in rules]
    assert max(each[1] for each in single) <= min(each[2] for each in single)
    low, high = line_of("first", "check", "uniform 5, likelihood minus Euclidean:")[1:]
    assert (round(low), round(high)) == (-7, 18)
    # at the student's own z the likelihood is sure and misleads
    assert sample_report.load()["first"]["own z"].startswith("familiar: False")
    assert line_of("first", "own z", "probability of the first by likelihood:")[0] > 90
    distance = {rule: line_of("first", "own z", rule)[-1] for rule in ("likelihood", "gate")}
    assert distance["gate"] < distance["likelihood"] / 2
    # twice as many pictures: more answers have the right colour, and the gate may warn as often
    colors = [line_of(run, "summary", "right colour,")[1:] for run in sample_report.RUNS]
    assert colors[1][1] > colors[0][2]
    warned = [line_of(run, "summary", "the gate warns for") for run in sample_report.RUNS]
    assert max(each[1] for each in warned) <= min(each[2] for each in warned)
    assert line_of("second", "training", "half minus all:")[1] > 0


# --- the plans ------------------------------------------------------------------------------------


def tables(plan: Path) -> list[tuple[int, list[list[str]]]]:
    """Return the minutes that each heading of a plan promises, and the rows under it."""
    parts = re.split(r"^## .+ · (\d+) min$", plan.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return [
        (
            int(minutes),
            [re.split(r" *\| *", line)[1:-1] for line in body.split("\n## ")[0].splitlines()
             if re.match(r"\| \d:\d\d \|", line)],
        )
        for minutes, body in zip(parts[1::2], parts[2::2], strict=True)
    ]  # fmt: skip


@pytest.mark.parametrize("plan", PLANS, ids=lambda path: path.stem)
def test_the_times_in_a_plan_add_up(plan):
    assert tables(plan)
    for promised, rows in tables(plan):
        clock = 0
        for start, minutes, _, _ in rows:
            assert start == f"{clock // 60}:{clock % 60:02d}"
            clock += int(minutes)
        assert clock == promised


@pytest.mark.parametrize("plan", PLANS, ids=lambda path: path.stem)
def test_a_plan_names_existing_sections(plan):
    for _, rows in tables(plan):
        for _, minutes, _, where in rows:
            for name, section in re.findall(r"\]\((\S+)\) \*(.+)\*", where):
                assert section in guide.minutes_in(text_of(Path(name))), section
            whole = re.fullmatch(r"\[\d\d\]\((\S+)\)", where)
            if whole and (guide.FOLDER.parent / "notebooks" / f"{whole[1][:-3]}.ipynb").exists():
                assert int(minutes) >= guide.total_minutes(text_of(Path(whole[1])))[0]


@pytest.mark.parametrize("path", GUIDES, ids=lambda path: path.stem)
def test_the_sections_to_leave_out_when_late_exist(path):
    headings = [
        re.sub(r"^\d\. ", "", line.lstrip("# "))
        for notebook in NOTEBOOKS
        for cell in nbformat.read(notebook, as_version=4).cells
        if cell.cell_type == "markdown"
        for line in cell.source.splitlines()
        if line.startswith("##")
    ]
    text = path.read_text(encoding="utf-8")
    for late in re.findall(r"(?:## |\*\*)When late.*?(?=\n## |\Z)", text, flags=re.DOTALL):
        for name in re.findall(r"(?<!\*)\*([^*]+)\*(?!\*)", late):
            title = re.sub(r"^\d\. ", "", " ".join(name.split()))
            assert any(heading.startswith(title) for heading in headings), title


def test_the_three_plans_have_the_lengths_that_their_titles_say():
    lengths = {plan.stem: [minutes for minutes, _ in tables(plan)] for plan in PLANS}
    assert lengths == {
        "plan_half_day": [240],
        "plan_lecture": [90],
        "plan_three_weeks": [90] * 6,
    }
