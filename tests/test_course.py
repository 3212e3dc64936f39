"""course.py and the lists that have to agree: any Python reads it far enough to be told."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
COURSE_PACKAGES = {"jupyterlab", "torch", "torchvision", "matplotlib", "ipywidgets", "nbval"}


def requirements() -> dict[str, str]:
    """Return every package that pyproject.toml names, with its range."""
    lists = [PROJECT["dependencies"], *PROJECT["optional-dependencies"].values()]
    pattern = re.compile(r"([A-Za-z0-9_.-]+)(?:\[[a-z-]+\])?(.*)")
    return dict(pattern.match(line).groups() for each in lists for line in each)


def pins() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    return dict(re.match(r"([^=]+)==([^ ;]+)", line).groups() for line in lines if line[0] != "#")


def test_every_dependency_is_pinned_within_its_range():
    from packaging.specifiers import SpecifierSet

    for name, allowed in requirements().items():
        assert pins()[name] in SpecifierSet(allowed), name


def test_every_dependency_has_a_reason():
    text = (ROOT / "pyproject.toml").read_text()
    start = text.index("dependencies = [")
    lists = text[start : text.index("[tool.setuptools")]
    lines = [line for line in lists.splitlines() if re.match(r'\s+"', line)]
    assert len(lines) == len(requirements())
    for line in lines:
        assert re.search(r'",\s+# \w.{10,}', line), f"no reason given: {line}"


def test_the_course_packages_are_there():
    assert set(requirements()) >= COURSE_PACKAGES
    assert pins()["torch"] == "2.13.0"
    assert pins()["torchvision"] == "0.28.0"


def test_conda_takes_everything_from_the_project():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    python, pip, from_pip = environment["dependencies"]
    assert python.replace("python ", "") == PROJECT["requires-python"]
    assert pip == "pip"
    assert from_pip == {"pip": ["--constraint constraints.txt", "--editable .[lab,scale,test]"]}
    assert {"lab", "test"} <= set(PROJECT["optional-dependencies"])


def test_no_pin_names_a_host_or_a_local_build():
    text = (ROOT / "constraints.txt").read_text()
    assert not re.search(r"https?:|file:|\+cpu|--", text)


def test_the_supported_pythons_agree():
    import course

    lower, upper = re.match(r">=3\.(\d+),<3\.(\d+)", PROJECT["requires-python"]).groups()
    assert [(3, minor) for minor in range(int(lower), int(upper))] == course.SUPPORTED


def test_course_py_is_short_and_uses_the_standard_library_only():
    text = (ROOT / "course.py").read_text()
    assert len(text.splitlines()) < 200
    imported = re.findall(r"^(?:import|from) (\w+)", text, flags=re.MULTILINE)
    assert set(imported) <= set(sys.stdlib_module_names)


def pythons() -> list[str]:
    """Return every Python on this machine, old ones included."""
    found = {shutil.which(f"python{v}") for v in ("2", "3", "3.11", "3.12", "3.13")}
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    found |= set(map(str, pyenv.glob("versions/*/bin/python")))
    return sorted(path for path in found if path and runs(path))


def runs(python: str) -> bool:
    return subprocess.run([python, "-c", ""], capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize("python", pythons())
def test_every_python_runs_it_or_is_told_what_to_do(python, tmp_path):
    shutil.copy(ROOT / "course.py", tmp_path)
    code = "import sys; print('%d.%d' % sys.version_info[:2])"
    version = subprocess.run([python, "-c", code], capture_output=True, text=True).stdout.strip()
    command = [python, "course.py"]
    helped = subprocess.run([*command, "--help"], cwd=tmp_path, capture_output=True, text=True)
    assert helped.returncode == 0
    assert "usage: python3 course.py" in helped.stdout
    if version not in ("3.11", "3.12", "3.13"):
        refused = subprocess.run([*command, "lab"], cwd=tmp_path, capture_output=True, text=True)
        assert refused.returncode == 1
        assert f"This is Python {version}" in refused.stderr
        assert "needs 3.11, 3.12 or 3.13" in refused.stderr
        assert "Traceback" not in refused.stderr


def test_an_unknown_command_is_named():
    command = [sys.executable, str(ROOT / "course.py"), "teach"]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 2
    assert "no command 'teach'" in result.stderr


@pytest.fixture
def course(tmp_path, monkeypatch):
    """course.py in a folder of its own, with pip and venv replaced by what the test says."""
    import course

    for name, path in {
        "ROOT": "",
        "VENV": ".venv",
        "READY": ".venv/ready",
        "LOG": ".venv/log",
    }.items():
        monkeypatch.setattr(course, name, str(tmp_path / path))
    for name in ("pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path)
    python = Path(course.venv_python())
    python.parent.mkdir(parents=True)
    python.touch()
    course.commands = []
    course.pip_says, course.pip_returns = "", 0

    def call(command, **_):
        course.commands.append(command)
        if "--log" in command:
            Path(course.LOG).write_text(course.pip_says)
            return course.pip_returns
        return 0

    monkeypatch.setattr(course.subprocess, "call", call)
    monkeypatch.setattr(course, "run_tool", lambda *_: 0)
    return course


def installs(course) -> int:
    return sum("--log" in command for command in course.commands)


def test_it_installs_once_and_again_only_when_the_lists_change(course, tmp_path):
    for _ in range(3):
        assert course.main(["lab"]) == 0
    assert installs(course) == 1
    assert course.main(["test"]) == 0  # needs more than lab did
    assert course.main(["lab"]) == 0  # and lab needs no less than it has
    assert installs(course) == 2
    assert course.main(["test", "--all"]) == 0  # with the browser and the vector database
    assert course.commands[-1][-1].endswith("[app,browser,cluster,grade,lab,scale,site,test]")
    assert installs(course) == 3
    with (tmp_path / "constraints.txt").open("a") as file:
        file.write("# changed\n")
    assert course.main(["lab"]) == 0
    assert installs(course) == 4
    assert course.commands[-1][-1].endswith("[lab,scale]")


def test_an_interrupted_install_is_done_again(course, capsys, monkeypatch):
    course.main(["lab"])
    monkeypatch.setattr(course, "fingerprint", lambda: "changed")

    def interrupted(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as context:
        context.setattr(course.subprocess, "call", interrupted)
        assert course.main(["lab"]) == 130
    assert "goes on from here" in capsys.readouterr().err
    assert course.main(["lab"]) == 0
    assert installs(course) == 2


def test_an_interrupted_addition_is_not_taken_for_what_was_there_before(course, monkeypatch):
    course.main(["lab"])

    def interrupted(command, **_):
        if "--log" in command:  # pip
            raise KeyboardInterrupt
        return 0

    with monkeypatch.context() as context:
        context.setattr(course.subprocess, "call", interrupted)
        assert course.main(["test"]) == 130  # pip may have replaced half of what lab needs
    assert course.main(["lab"]) == 0
    assert installs(course) == 2


@pytest.mark.parametrize(
    ("log", "message"),
    [
        ("OSError: [Errno 28] No space left on device", "The disk is full"),
        ("NameResolutionError: Failed to resolve", "The network cannot be reached"),
        ("ERROR: something new", "pip could not install the packages"),
    ],
)
def test_a_failed_install_says_what_to_do(course, capsys, log, message):
    course.pip_says, course.pip_returns = log, 1
    assert course.main(["lab"]) == 1
    assert message in capsys.readouterr().err
    course.pip_returns = 0
    assert course.main(["lab"]) == 0
    assert installs(course) == 2


def test_a_nearly_full_disk_is_said_before_the_install(course, capsys, monkeypatch):
    usage = shutil._ntuple_diskusage(total=10**12, used=10**12 - 10**9, free=10**9)
    monkeypatch.setattr(course.shutil, "disk_usage", lambda _: usage)
    assert course.main(["lab"]) == 1
    assert "nearly full: 1.0 GB free" in capsys.readouterr().err
    assert installs(course) == 0
