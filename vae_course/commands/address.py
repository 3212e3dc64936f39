"""The servers that course.py starts listen on this machine only."""

import re

ADDRESS = "127.0.0.1"
SETS_IT = re.compile(r"--(\w+\.)?ip(=.*)?")


def only_here(arguments: list[str]) -> None:
    """Raise a SystemExit that says what to do instead where arguments ask for another address."""
    for argument in filter(SETS_IT.fullmatch, arguments):
        raise SystemExit(
            f"{argument}: the course listens on {ADDRESS} only, since who reaches a kernel runs "
            "code on this machine. Leave it out; to work from another machine, forward the port: "
            f"ssh -L 8888:{ADDRESS}:8888 (this machine)"
        )
