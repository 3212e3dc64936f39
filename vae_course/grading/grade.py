"""`course.py grade FOLDER`: grade the submissions in a folder and write their points as CSV.

FOLDER holds STUDENT/ASSIGNMENT/NOTEBOOK.ipynb, as nbgrader collects them; the assignments are those
that `course.py assignment` made. Every notebook runs in a process of its own that is locked into an
empty folder, without a network, and with limits on time, memory and files. What is not protected
stands in instructors/grading.md. Grading again gives the same points.
"""

import argparse
import csv
import io
import sys
from pathlib import Path

from vae_course.commands.notebooks import write_notebook
from vae_course.exercises import EXERCISES
from vae_course.grading.assignment import FOLDER
from vae_course.grading.collect import LAYOUT, LayoutError, Submission, collected, submissions
from vae_course.grading.gradebook import Course, NbgraderError
from vae_course.grading.judge import Judge
from vae_course.grading.release import POINTS
from vae_course.grading.sandbox import NoSandboxError
from vae_course.grading.session import Limits, require_session
from vae_lib._files import write_text_atomically

COLUMNS = ["student", "assignment", *EXERCISES, "score", "max_score", "remarks"]


def grade(
    course: Course, submission: Submission, limits: Limits | None = None
) -> dict[str, object]:
    """Grade one submission and return its row of the table."""
    student, name = submission.student, submission.assignment
    notebooks, remarks = collected(submission, course.released(name))
    for stem, notebook in notebooks.items():
        target = course.root / "collected" / student / name / f"{stem}.ipynb"
        target.parent.mkdir(parents=True, exist_ok=True)
        write_notebook(notebook, target)
    judge = Judge(course.facts(name), limits)
    course.autograde(student, name, judge)
    for stem, lines in judge.remarks.items():
        remarks += [f"{stem}: {line}" for line in lines]
    scores = course.scores(student, name)
    return {
        "student": student,
        "assignment": name,
        **{id: f"{score:g}" for id, score in scores.items()},
        "score": f"{sum(scores.values()):g}",
        "max_score": POINTS * len(scores),
        "remarks": "; ".join(remarks),
    }


def table(rows: list[dict[str, object]]) -> str:
    """Return rows as CSV, with a line of names above them."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="course.py grade", description=__doc__)
    parser.add_argument("folder", type=Path, metavar="FOLDER", help=f"of submissions, {LAYOUT}")
    parser.add_argument(
        "--course",
        type=Path,
        default=FOLDER,
        metavar="FOLDER",
        help=f"that `course.py assignment` wrote (default: {FOLDER})",
    )
    parser.add_argument("--csv", type=Path, help="where to write (default: grades.csv in COURSE)")
    options = parser.parse_args(arguments)
    course = Course(options.course)
    try:
        require_session()
        if not course.assignments():
            raise LayoutError(f"There is no assignment in {course.root}: make one first.")
        found = submissions(options.folder, course.assignments())
        rows = []
        for submission in found:
            rows.append(grade(course, submission))
            row = rows[-1]
            print(f"{row['student']}, {row['assignment']}: {row['score']} of {row['max_score']}")
        target = write_text_atomically(options.csv or course.root / "grades.csv", table(rows))
    except NoSandboxError as error:
        print(
            f"course.py grade: this machine cannot lock a submission in: {error}.\n"
            "Grading runs code that others wrote; it needs Linux 5.13 or newer with Landlock, on "
            "x86-64 or 64-bit Arm. A virtual machine will do.",
            file=sys.stderr,
        )
        return 1
    except (LayoutError, NbgraderError) as error:
        print(f"course.py grade: {error}", file=sys.stderr)
        return 1
    print(f"{target}: written")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
