"""A pytest plugin for `course.py mutations` that records how tests end and why they fail."""

import json
import os
from collections.abc import Generator
from pathlib import Path

import hypothesis
import pytest

import vae_lib

FOUND: dict = {"passed": 0, "skipped": 0, "failures": []}


@pytest.hookimpl(trylast=True)  # after tests/conftest.py has chosen its profile
def pytest_configure(config: pytest.Config) -> None:
    # the copy must come before the editable install on the path, or the wrong library is tested
    if Path(vae_lib.__file__).parents[1] != config.rootpath:
        raise pytest.UsageError(f"vae_lib comes from {vae_lib.__file__}, not {config.rootpath}")
    hypothesis.settings.register_profile(
        "mutations", hypothesis.settings(), derandomize=True, database=None
    )
    hypothesis.settings.load_profile("mutations")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed and call.excinfo is not None:
        note(item.nodeid, call.excinfo.value, is_assertion(call.excinfo.value, item))
    elif report.skipped or report.when == "call":
        FOUND["skipped" if report.skipped else "passed"] += 1
    return report


def pytest_exception_interact(call: pytest.CallInfo, report: object) -> None:
    if isinstance(report, pytest.CollectReport) and call.excinfo is not None:
        note(report.nodeid, call.excinfo.value, False)


def pytest_sessionfinish() -> None:
    Path(os.environ["OUTCOMES"]).write_text(json.dumps(FOUND), encoding="utf-8")


def note(test: str, error: BaseException, by_assertion: bool) -> None:
    """Record a failure and the first line of its message."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    message = f"{type(error).__name__}: {lines[0] if lines else ''}"
    FOUND["failures"].append({"test": test, "message": message, "by_assertion": by_assertion})


def is_assertion(error: BaseException, item: pytest.Item) -> bool:
    """Return whether a test failed by an assertion, and not because code raised another error."""
    if isinstance(error, BaseExceptionGroup):  # Hypothesis may report several errors at once
        return all(is_assertion(each, item) for each in error.exceptions)
    if type(error).__name__ == "NbCellError":  # of nbval; the cell's error is its last output
        last = (item.test_outputs or [{}])[-1]  # type: ignore[attr-defined]
        return last.get("ename") == "AssertionError" or str(error) == "Cell outputs differ"
    return isinstance(error, (AssertionError, pytest.fail.Exception))
