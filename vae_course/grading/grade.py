"""`course.py grade FOLDER`: grade the submissions in a folder and write their points as CSV.

FOLDER contains STUDENT/ASSIGNMENT/NOTEBOOK.ipynb for assignments made by `course.py assignment`.
Every notebook runs in a process of its own, which is confined to an empty folder, has no network,
and has limits on time, memory and files. instructors/grading.md lists what is not protected.
Grading a submission again gives the same points.
"""

import argparse
import csv
import io
import sys
from pathlib import Path

from vae_course.commands.notebooks import write_notebook
from vae_course.exercises.checking import say
from vae_course.grading.assignment import FOLDER
from vae_course.grading.collect import LAYOUT, LayoutError, Submission, collected, submissions
from vae_course.grading.gradebook import Gradebook, NbgraderError
from vae_course.grading.judge import Judge
from vae_course.grading.release import GRADED, POINTS
from vae_course.grading.sandbox import NoSandboxError
from vae_course.grading.session import Limits, require_session
from vae_lib._files import write_text_atomically

COLUMNS = ["student", "assignment", *GRADED, "score", "max_score", "remarks"]


def grade(
    gradebook: Gradebook, submission: Submission, limits: Limits | None = None
) -> dict[str, object]:
    """Grade one submission.

    Args:
        gradebook: the instructor's folder.
        submission: the submission.
        limits: the limits for each notebook.

    Returns:
        The row of the table of grades, by the names of the columns.
    """
    student, name = submission.student, submission.assignment
    notebooks, remarks = collected(submission, gradebook.released(name))
    for stem, notebook in notebooks.items():
        target = gradebook.root / "collected" / student / name / f"{stem}.ipynb"
        target.parent.mkdir(parents=True, exist_ok=True)
        write_notebook(notebook, target)
    judge = Judge(gradebook.facts(name), limits)
    gradebook.autograde(student, name, judge)
    for stem, lines in judge.remarks.items():
        remarks += [f"{stem}: {line}" for line in lines]
    scores = gradebook.scores(student, name)
    return {
        "student": student,
        "assignment": name,
        **{id: f"{score:g}" for id, score in scores.items()},
        "score": f"{sum(scores.values()):g}",
        "max_score": POINTS * len(scores),
        "remarks": "; ".join(remarks),
    }


def table(rows: list[dict[str, object]]) -> str:
    """Return rows as CSV with a header."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="course.py grade", description=__doc__)
    parser.add_argument("folder", type=Path, metavar="FOLDER", help=f"the submissions, {LAYOUT}")
    parser.add_argument(
        "--course",
        type=Path,
        default=FOLDER,
        metavar="FOLDER",
        help=f"the folder that `course.py assignment` wrote (default: {FOLDER})",
    )
    parser.add_argument("--csv", type=Path, help="file to write (default: COURSE/grades.csv)")
    options = parser.parse_args(arguments)
    gradebook = Gradebook(options.course)
    try:
        require_session()
        if not gradebook.assignments():
            missing = f"There is no assignment in {gradebook.root}"
            raise LayoutError(f"{missing}: create one with `course.py assignment`.")
        found = submissions(options.folder, gradebook.assignments())
        rows = []
        for submission in found:
            rows.append(grade(gradebook, submission))
            row = rows[-1]
            say(f"{row['student']}, {row['assignment']}: {row['score']} of {row['max_score']}")
        target = write_text_atomically(options.csv or gradebook.root / "grades.csv", table(rows))
    except NoSandboxError as error:
        print(
            f"course.py grade: this machine cannot confine a submission: {error}.\n"
            "Grading runs code that others wrote; it needs Linux 5.13 or newer with Landlock, on "
            "x86-64 or 64-bit Arm. A virtual machine is enough.",
            file=sys.stderr,
        )
        return 1
    except (LayoutError, NbgraderError) as error:
        print(f"course.py grade: {error}", file=sys.stderr)
        return 1
    say(f"{target}: written")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
