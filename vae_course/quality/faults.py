"""`course.py faults`: repeat the fault tests many times. CI runs this command once a week.

The command repeats each fault of tests/test_faults.py (a process killed at a random moment, a full
disk, a broken network) 20 times. It tries thousands of bad inputs, and hundreds of new examples of
each property that the tests state, and prints a table of failures. Then it runs every notebook
three times, with one thread and with two, and compares the printed text.
"""

import argparse
import re
import sys
import xml.etree.ElementTree as ElementTree
from collections import Counter
from pathlib import Path

from vae_course.commands.jupyter import prepare_kernels
from vae_course.commands.test import RESULTS, run_pytest
from vae_course.quality.determinism import same_text


def table(report: Path) -> str:
    """Return a table of how often each test of a JUnit report ran and failed."""
    runs: Counter[str] = Counter()
    losses: Counter[str] = Counter()
    skipped: Counter[str] = Counter()
    for case in ElementTree.parse(report).iter("testcase"):
        # test_after_a_kill_the_next_start_works[7-saving]: the seventh time, with the job saving
        name = re.sub(r"\[\d+-?|\[|\]", " ", case.get("name", "")).strip()
        name = name.removeprefix("test_").replace("_", " ")
        if case.find("skipped") is not None:
            skipped[name] += 1
            continue
        runs[name] += 1
        losses[name] += case.find("failure") is not None or case.find("error") is not None
    width = max(map(len, [*runs, *skipped]), default=0)
    lines = [f"{'':{width}}   times   lost"]
    lines += [f"{name:{width}}   {runs[name]:5}   {losses[name]:4}" for name in runs]
    lines += [f"{name:{width}}   not possible on this machine" for name in skipped]
    return "\n".join(lines)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="course.py faults", description=__doc__)
    parser.add_argument("--times", type=int, default=20, help="how often each fault happens")
    parser.add_argument("--examples", type=int, default=5000, help="of each kind of bad input")
    chosen = parser.parse_args(arguments)
    prepare_kernels()
    RESULTS.mkdir(exist_ok=True)
    options = ["--dist", "load", f"--times={chosen.times}", f"--examples={chosen.examples}"]
    faults = run_pytest("faults", "tests/test_faults.py", *options)
    inputs = run_pytest("inputs", "tests", "-m", "hypothesis", *options)
    for _, report in (faults, inputs):
        if report.exists():
            print(table(report), "\n")
    repeated = same_text([])
    passed = faults[0] and inputs[0] and repeated
    print(
        "Nothing was lost, and all notebooks repeat their text."
        if passed
        else "FAILED; see above, and test-results/."
    )
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
