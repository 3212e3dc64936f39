"""The weekly commands: versions, faults and coverage."""

import zipfile
from pathlib import Path

import pytest

from vae_course.quality import coverage, faults, versions

PROJECT = """\
[project]
name = "project"
version = "1"
dependencies = ["alpha>=1.2", "torch>=1"]
[project.optional-dependencies]
more = ["beta>=1"]
"""


def write_wheel(folder: Path, name: str, version: str, requires: str = "") -> None:
    """Write the metadata of a package as a wheel."""
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{requires}"
    wheel = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as archive:
        info = f"{name}-{version}.dist-info"
        archive.writestr(f"{info}/METADATA", metadata)
        archive.writestr(f"{info}/WHEEL", wheel)
        archive.writestr(f"{info}/RECORD", "")


def test_lowest_takes_the_lowest_allowed_version_of_each_package(tmp_path, monkeypatch):
    pytest.importorskip("uv")
    shelf = tmp_path / "shelf"
    shelf.mkdir()
    for version in ("1.1", "1.2", "1.3"):
        write_wheel(shelf, "alpha", version, "Requires-Dist: gamma\n")
    for name in ("beta", "gamma", "torch"):
        for version in ("1.0", "2.0", "3.0"):
            write_wheel(shelf, name, version)
    (tmp_path / "pyproject.toml").write_text(PROJECT, encoding="utf-8")
    pinned = "beta==3.0\ntorch==2.0 ; python_version > '3'\n"
    (tmp_path / "constraints.txt").write_text(pinned, encoding="utf-8")
    monkeypatch.setenv("UV_FIND_LINKS", str(shelf))
    monkeypatch.setenv("UV_OFFLINE", "1")
    monkeypatch.setenv("UV_NO_CACHE", "1")
    assert versions.pins(tmp_path) == ["torch==2.0"]
    found = versions.lowest(tmp_path)
    assert found == ["alpha==1.2", "beta==1.0", "gamma==3.0", "torch==2.0"]


def test_the_newest_versions_hold_only_torch_back():
    assert [pin.partition("==")[0] for pin in versions.pins()] == ["torch", "torchvision"]


def test_the_table_counts_runs_and_losses(tmp_path):
    report = tmp_path / "report.xml"
    report.write_text(
        "<testsuite>"
        '<testcase name="test_a_full_disk[0-saving]"/>'
        '<testcase name="test_a_full_disk[1-saving]"><failure/></testcase>'
        '<testcase name="test_a_broken_network[0]"><skipped/></testcase>'
        "</testsuite>"
    )
    lines = faults.table(report).splitlines()
    assert [line.split() for line in lines[:2]] == [
        ["times", "lost"],
        ["a", "full", "disk", "saving", "2", "1"],
    ]
    assert "not possible on this machine" in lines[2]


LIBRARY = """\
import subprocess, sys

def reached():
    return 1

def reached_by_a_child():
    return 2

def unreached():
    return 3

def excused():
    return 4  # pragma: no cover - on Windows only

def badly_excused():
    return 5  # pragma: no cover
"""
PROGRAM = """\
import subprocess, sys, vae_lib
vae_lib.reached()
subprocess.run([sys.executable, "-c", "import vae_lib; vae_lib.reached_by_a_child()"], check=True)
"""


def test_unreached_lines_are_found_unless_a_comment_gives_the_reason(tmp_path, monkeypatch):
    monkeypatch.setattr(coverage, "BUILD", tmp_path / "build")
    (tmp_path / "vae_lib").mkdir()
    (tmp_path / "vae_lib" / "__init__.py").write_text(LIBRARY, encoding="utf-8")
    (tmp_path / "program.py").write_text(PROGRAM, encoding="utf-8")
    passed, missing = coverage.measure("program.py", root=tmp_path)
    assert passed
    lines = LIBRARY.splitlines()
    assert [lines[number - 1] for number in missing["vae_lib/__init__.py"]] == [
        "    return 3",
        "    return 5  # pragma: no cover",
    ]
