"""course.py works under every Python, or says what to do; the lists of dependencies agree."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
COURSE_PACKAGES = {"jupyterlab", "torch", "torchvision", "matplotlib", "ipywidgets", "nbval"}


def requirements() -> dict[str, str]:
    """Return every package that pyproject.toml names, with its range."""
    lists = [PROJECT["dependencies"], *PROJECT["optional-dependencies"].values()]
    found = [Requirement(line) for each in lists for line in each]
    return {requirement.name: str(requirement.specifier) for requirement in found}


def pins() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    return dict(re.match(r"([^=]+)==([^ ;]+)", line).groups() for line in lines if line[0] != "#")


def test_every_dependency_is_pinned_within_its_range():
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


def test_the_essential_packages_are_listed():
    assert set(requirements()) >= COURSE_PACKAGES
    assert pins()["torch"] == "2.13.0"
    assert pins()["torchvision"] == "0.28.0"


def test_conda_installs_what_the_project_lists():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    python, pip, from_pip = environment["dependencies"]
    assert python.replace("python ", "") == PROJECT["requires-python"]
    assert pip == "pip"
    assert from_pip == {"pip": ["--constraint constraints.txt", "--editable .[lab,scale,test]"]}
    assert {"lab", "test"} <= set(PROJECT["optional-dependencies"])


def test_binder_installs_what_conda_installs():
    here, binder = (
        yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))
        for name in ("environment.yml", "binder/environment.yml")
    )
    conda, for_binder = here["dependencies"].pop()["pip"], binder["dependencies"].pop()["pip"]
    supported, python = (each["dependencies"].pop(0) for each in (here, binder))
    assert binder == here
    # repo2docker begins with Python 3.10 unless one version is named
    version = re.fullmatch(r"python =(\d+\.\d+)", python)[1]
    assert version in SpecifierSet(supported.removeprefix("python "))
    assert for_binder == [
        "--extra-index-url https://download.pytorch.org/whl/cpu",
        conda[0].replace(" ", " ../"),
        conda[1].replace(" .", " ..").replace(",test", ""),
    ]


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
def test_every_python_runs_it_or_prints_what_to_do(python, tmp_path):
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


def test_an_unknown_command_is_an_error():
    command = [sys.executable, str(ROOT / "course.py"), "teach"]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 2
    assert "no command 'teach'" in result.stderr


@pytest.fixture
def course(tmp_path, monkeypatch):
    """course.py in a folder of its own, where pip and venv only record how they are called."""
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
    course.commands, course.environments = [], []
    course.pip_log, course.pip_returns = "", 0

    def call(command, env=None, **_):
        course.commands.append(command)
        course.environments.append(env)
        if "--log" in command:
            Path(course.LOG).write_text(course.pip_log, encoding="utf-8")
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
    assert course.main(["test"]) == 0  # needs more extras than lab
    assert course.main(["lab"]) == 0  # keeps the extras of test
    assert installs(course) == 2
    assert course.main(["test", "--all"]) == 0  # the browser and the vector database
    assert course.commands[-1][-1].endswith("[app,browser,cluster,grade,lab,scale,site,test]")
    assert installs(course) == 3
    with (tmp_path / "constraints.txt").open("a") as file:
        file.write("# changed\n")
    assert course.main(["lab"]) == 0
    assert installs(course) == 4
    assert course.commands[-1][-1].endswith("[lab,scale]")


def test_an_interrupted_installation_is_repeated(course, capsys, monkeypatch):
    course.main(["lab"])
    monkeypatch.setattr(course, "fingerprint", lambda: "changed")

    def interrupted(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as context:
        context.setattr(course.subprocess, "call", interrupted)
        assert course.main(["lab"]) == 130
    assert "again to resume" in capsys.readouterr().err
    assert course.main(["lab"]) == 0
    assert installs(course) == 2


def test_an_interrupted_addition_of_extras_is_repeated(course, monkeypatch):
    course.main(["lab"])

    def interrupted(command, **_):
        if "--log" in command:  # pip
            raise KeyboardInterrupt
        return 0

    with monkeypatch.context() as context:
        context.setattr(course.subprocess, "call", interrupted)
        assert course.main(["test"]) == 130  # pip may have replaced packages of lab
    assert course.main(["lab"]) == 0
    assert installs(course) == 2


@pytest.mark.parametrize(
    ("log", "message"),
    [
        ("OSError: [Errno 28] No space left on device", "The disk is full"),
        ("NameResolutionError: Failed to resolve", "the network cannot be reached"),
        ("ERROR: something new", "pip could not install the packages"),
    ],
)
def test_a_failed_installation_says_what_to_do(course, capsys, log, message):
    course.pip_log, course.pip_returns = log, 1
    assert course.main(["lab"]) == 1
    assert message in capsys.readouterr().err
    course.pip_returns = 0
    assert course.main(["lab"]) == 0
    assert installs(course) == 2


def test_a_nearly_full_disk_stops_the_installation(course, capsys, monkeypatch):
    usage = shutil._ntuple_diskusage(total=10**12, used=10**12 - 10**9, free=10**9)
    monkeypatch.setattr(course.shutil, "disk_usage", lambda _: usage)
    assert course.main(["lab"]) == 1
    assert "nearly full: 1.0 GB free" in capsys.readouterr().err
    assert installs(course) == 0


def test_a_folder_that_cannot_be_written_to_stops_the_installation(course, capsys, monkeypatch):
    monkeypatch.setattr(course.os, "access", lambda *_: False)
    assert course.main(["lab"]) == 1
    assert "You may not write to" in capsys.readouterr().err
    assert installs(course) == 0


# --- machines that are set up in unusual ways -----------------------------------------------------

PIP_SETTINGS = {
    "PIP_USER": {"PIP_USER": "1"},
    "PIP_TARGET": {"PIP_TARGET": "elsewhere"},
    "PIP_PREFIX": {"PIP_PREFIX": "elsewhere"},
    "a file with user = true": {"PIP_CONFIG_FILE": "pip.conf"},
}


@pytest.mark.parametrize("settings", PIP_SETTINGS.values(), ids=PIP_SETTINGS)
def test_settings_of_pip_do_not_send_packages_elsewhere(course, settings, monkeypatch, tmp_path):
    (tmp_path / "pip.conf").write_text("[global]\nuser = true\n", encoding="utf-8")
    for name, value in settings.items():
        monkeypatch.setenv(name, value if value == "1" else str(tmp_path / value))
    course.main(["lab"])
    options = course.commands[-1][1 : course.commands[-1].index("--editable")]
    # real pip, with the options and the environment of the installation, on something installed
    checked = [sys.executable, *options, "--no-index", "--dry-run", "-v", "pip"]
    environment = course.environments[-1]
    result = subprocess.run(checked, env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert "Requirement already satisfied" in result.stdout
    assert "User install" not in result.stdout.replace("User install is disabled", "")


UNUSUAL = {
    "no home and an unknown user": {"HOME": None, "USER": None, "LOGNAME": None, "LNAME": None},
    "a home that does not exist": {"HOME": "/nonexistent"},
    "a relative home": {"HOME": "home"},
    "a safe path": {"PYTHONSAFEPATH": "1"},
}
NO_ACCOUNT = """
import pwd

def getpwuid(uid):
    raise KeyError(uid)

pwd.getpwuid = getpwuid
"""
# what Jupyter, IPython and torch ask a machine for, once in a command and once in its child
ASK = """
import getpass, os, pathlib
from jupyter_core.paths import jupyter_runtime_dir

home = pathlib.Path.home()
assert home.is_absolute()
(home / "written").touch()
print(home, getpass.getuser(), jupyter_runtime_dir())
"""
RUN = """
import pathlib, sys

sys.path.insert(0, sys.argv[1])
from vae_course.commands import children

children.SPARE_HOME = pathlib.Path(sys.argv[2])
sys.exit(children.run_until_it_ends([sys.executable, "-c", sys.argv[3]]))
"""


@pytest.mark.skipif(os.name != "posix", reason="Windows keeps its homes elsewhere")
@pytest.mark.parametrize("machine", UNUSUAL.values(), ids=UNUSUAL)
def test_a_command_runs_on_an_unusual_machine(machine, tmp_path):
    environment = {**os.environ, "HOME": str(tmp_path)}
    for name, value in machine.items():
        environment.pop(name, None)
        if value is not None:
            environment[name] = value
    if "USER" in machine:
        (tmp_path / "sitecustomize.py").write_text(NO_ACCOUNT, encoding="utf-8")
        environment["PYTHONPATH"] = str(tmp_path)
    spare = tmp_path / "spare"
    command = [sys.executable, "-c", RUN, str(ROOT), str(spare), ASK]
    result = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    home = spare if "HOME" in machine else tmp_path
    assert result.stdout.startswith(f"{home} {'learner' if 'USER' in machine else ''}")
    assert (home / "written").exists()


@pytest.mark.parametrize("name", ["VAE_LIB_DATA", "VAE_LIB_IMAGES"])
@pytest.mark.parametrize("written", ["mine", "./mine/", "~/mine", "{}"])
def test_a_folder_means_the_same_to_the_shell_and_to_kernels(name, written, tmp_path, monkeypatch):
    from vae_course.commands.children import course_environment

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    (tmp_path / "mine").mkdir()
    found = course_environment({name: written.format(tmp_path / "mine")})
    assert found[name] == str(tmp_path / "mine")
    assert course_environment(found) == found


def test_names_of_data_sets_are_no_folders(tmp_path, monkeypatch):
    from vae_course.commands.children import course_environment

    monkeypatch.chdir(tmp_path)
    (tmp_path / "drawn").mkdir()
    for value in ("drawn", "fashion-mnist", "auto", "", "no such folder"):
        assert course_environment({"VAE_LIB_IMAGES": value})["VAE_LIB_IMAGES"] == value


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "latin-1:strict", "utf-8"])
def test_what_a_terminal_cannot_encode_is_escaped(encoding):
    from vae_course.commands.children import course_environment

    environment = course_environment({**os.environ, "PYTHONIOENCODING": encoding})
    code = "print('σ = 1 − ½')"
    result = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True)
    if encoding.endswith("strict"):  # the user's own choice
        assert b"UnicodeEncodeError" in result.stderr
        return
    assert result.returncode == 0, result.stderr
    expected = "σ = 1 − ½".encode(encoding, errors="backslashreplace")
    assert result.stdout.strip() == expected
