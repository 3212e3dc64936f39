"""Confine the running process to one folder on Linux, for good.

Landlock [1] permits reading a few folders and writing to one. A seccomp filter [2] refuses system
calls that Landlock does not cover: new processes, signals, sockets, modes and owners of files,
space beyond the end of a file, and notifications about other folders. Both work without privileges,
and neither can be undone. `resource` limits memory, time and files.

[1] https://docs.kernel.org/userspace-api/landlock.html
[2] https://docs.kernel.org/userspace-api/seccomp_filter.html
"""

import ctypes
import errno
import math
import os
import platform
import signal
import socket
import struct
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path

# --- constants of the kernel: linux/landlock.h, linux/seccomp.h, linux/audit.h --------------------

CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446  # the same on every processor
EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
REMOVE_FILE, MAKE_REG, TRUNCATE = 1 << 5, 1 << 8, 1 << 14
RIGHTS = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}  # number of rights by version; 16 for later ones
READ = READ_FILE | READ_DIR
KEEP = READ | WRITE_FILE | REMOVE_FILE | MAKE_REG | TRUNCATE  # no folders, links or sockets
NO_NEW_PRIVILEGES, SECCOMP, FILTER, DROP_BOUND, DIE_WITH_PARENT = 38, 22, 2, 24, 1
CLONE_THREAD = 0x10000

# Refused system calls: name, number on x86-64, number on 64-bit Arm (None if it does not exist).
REFUSED = [
    *[("fork", 57, None), ("vfork", 58, None)],
    *[("kill", 62, 129), ("tkill", 200, 130), ("tgkill", 234, 131), ("ptrace", 101, 117)],
    *[("rt_sigqueueinfo", 129, 138), ("rt_tgsigqueueinfo", 297, 240)],
    *[("pidfd_send_signal", 424, 424), ("pidfd_getfd", 438, 438)],
    *[("process_vm_readv", 310, 270), ("process_vm_writev", 311, 271)],
    *[("setpriority", 141, 140), ("ioprio_set", 251, 30)],
    *[("sched_setaffinity", 203, 122), ("sched_setscheduler", 144, 119)],
    *[("sched_setparam", 142, 118), ("sched_setattr", 314, 274)],
    *[("socket", 41, 198), ("io_uring_setup", 425, 425)],
    *[("chmod", 90, None), ("fchmod", 91, 52), ("fchmodat", 268, 53), ("fchmodat2", 452, 452)],
    *[("chown", 92, None), ("fchown", 93, 55), ("lchown", 94, None), ("fchownat", 260, 54)],
    *[("setxattr", 188, 5), ("lsetxattr", 189, 6), ("fsetxattr", 190, 7)],
    *[("removexattr", 197, 14), ("lremovexattr", 198, 15), ("fremovexattr", 199, 16)],
    *[("setxattrat", 463, 463), ("removexattrat", 466, 466), ("file_setattr", 469, 469)],
    *[("utime", 132, None), ("utimes", 235, None), ("futimesat", 261, None)],
    *[("utimensat", 280, 88), ("truncate", 76, 45)],
    *[("memfd_create", 319, 279), ("memfd_secret", 447, 447), ("mq_open", 240, 180)],
    *[("shmget", 29, 194), ("msgget", 68, 186), ("semget", 64, 190)],
    *[("unshare", 272, 97), ("setns", 308, 268), ("bpf", 321, 280), ("userfaultfd", 323, 282)],
    *[("add_key", 248, 217), ("request_key", 249, 218), ("keyctl", 250, 219)],
    *[("fallocate", 285, 47), ("perf_event_open", 298, 241)],
    *[("inotify_init", 253, None), ("inotify_init1", 294, 26), ("fanotify_init", 300, 262)],
]
CLONE, PRLIMIT, CLONE3 = (56, 220), (302, 261), 435
# Commands of fcntl and ioctl with which the kernel sends a signal to another process of the user
# when a file becomes readable: F_SETOWN, F_SETSIG, F_SETOWN_EX; FIOSETOWN, SIOCSPGRP.
SIGNALLING = [((72, 25), (8, 10, 15)), ((16, 29), (0x8901, 0x8902))]
PROCESSORS = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}  # column, audit number


class NoSandboxError(Exception):
    """This machine cannot confine a process; the message says what it lacks."""


def require_sandbox() -> None:
    """Raise a NoSandboxError if `lock_in` cannot work on this machine."""
    if sys.platform != "linux" or platform.machine() not in PROCESSORS:
        raise NoSandboxError(f"it is {platform.system()} on {platform.machine()}")
    if _landlock_version() < 1:
        raise NoSandboxError("its kernel has no Landlock, or it is switched off")


def lock_in(
    folder: Path,
    readable: Iterable[Path],
    listable: Iterable[Path],
    memory: int,
    seconds: int,
    file: int,
) -> None:
    """Confine this process; call it after the last trusted import.

    Args:
        folder: the folder in which the process may create, change and remove files.
        readable: files and folders that it may read.
        listable: folders of which it may read the names of files, but not the files.
        memory: bytes beyond what it has mapped by now.
        seconds: processor time from now on.
        file: bytes of a single file.

    Raises:
        NoSandboxError: if anything that should be refused is still possible.
    """
    if len(os.listdir("/proc/self/task")) > 1:
        raise NoSandboxError("the process has several threads, and only one would be confined")
    _limit(memory, seconds, file)
    _drop_capabilities()
    _call("prctl", _libc().prctl(DIE_WITH_PARENT, signal.SIGKILL, 0, 0, 0))
    _call("prctl", _libc().prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0))
    _restrict_files(folder, readable, listable)
    _refuse_calls()
    _confirm(folder)


def _limit(memory: int, seconds: int, file: int) -> None:
    import resource  # does not exist on Windows, which `require_sandbox` refuses first

    pages = int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[0])
    limits = {
        resource.RLIMIT_AS: pages * resource.getpagesize() + memory,
        resource.RLIMIT_CPU: math.ceil(time.process_time()) + seconds,
        resource.RLIMIT_FSIZE: file,
        resource.RLIMIT_NOFILE: 256,
        resource.RLIMIT_CORE: 0,
    }
    for limit, value in limits.items():
        resource.setrlimit(limit, (value, value))


def _drop_capabilities() -> None:
    """Give up the privileges of root. Other users have none to give up."""
    if os.geteuid() == 0:
        for capability in range(64):
            _libc().prctl(DROP_BOUND, capability, 0, 0, 0)  # fails for numbers that do not exist
        header = struct.pack("Ii", 0x20080522, 0)  # version 3, this process
        _call("capset", _libc().capset(header, bytes(24)))


# --- Landlock -------------------------------------------------------------------------------------


def _landlock_version() -> int:
    return _libc().syscall(CREATE_RULESET, None, ctypes.c_size_t(0), 1)


def _restrict_files(folder: Path, readable: Iterable[Path], listable: Iterable[Path]) -> None:
    handled = (1 << RIGHTS.get(_landlock_version(), 16)) - 1
    attributes = struct.pack("Q", handled)
    ruleset = _libc().syscall(CREATE_RULESET, attributes, ctypes.c_size_t(len(attributes)), 0)
    _call("landlock_create_ruleset", ruleset)
    _allow(ruleset, folder, KEEP & handled)
    _allow(ruleset, Path(os.devnull), READ_FILE | WRITE_FILE)
    for path in readable:
        if path.exists():
            _allow(ruleset, path, READ if path.is_dir() else READ_FILE)
    for path in listable:
        _allow(ruleset, path, READ_DIR)
    _call("landlock_restrict_self", _libc().syscall(RESTRICT_SELF, ruleset, 0))
    os.close(ruleset)


def _allow(ruleset: int, path: Path, rights: int) -> None:
    handle = os.open(path, os.O_PATH | os.O_CLOEXEC)
    rule = struct.pack("=Qi", rights, handle)
    _call("landlock_add_rule", _libc().syscall(ADD_RULE, ruleset, 1, rule, 0))
    os.close(handle)


# --- seccomp --------------------------------------------------------------------------------------

# Classic BPF: load a word of (number, processor, address, arguments), jump, return.
LOAD, EQUAL, AT_LEAST, BIT, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
NUMBER, PROCESSOR, ARGUMENT, SECOND_ARGUMENT = 0, 4, 16, 24
ALLOW, KILL, ERROR = 0x7FFF0000, 0x80000000, 0x00050000


def _refuse_calls() -> None:
    column, audit = PROCESSORS[platform.machine()]
    refuse, unknown = (RETURN, 0, 0, ERROR | errno.EPERM), (RETURN, 0, 0, ERROR | errno.ENOSYS)
    allow = (RETURN, 0, 0, ALLOW)
    lines: list[tuple[int, int, int, int]] = [
        (LOAD, 0, 0, PROCESSOR),
        (EQUAL, 1, 0, audit),
        (RETURN, 0, 0, KILL),
    ]
    lines += [(LOAD, 0, 0, NUMBER), (AT_LEAST, 0, 1, 0x40000000), refuse]  # the x32 table of calls
    for _, *numbers in REFUSED:
        number = numbers[column]
        if number is not None:
            lines += [(EQUAL, 0, 1, number), refuse]
    for call, commands in SIGNALLING:
        lines += [(EQUAL, 0, 2 * len(commands) + 2, call[column]), (LOAD, 0, 0, SECOND_ARGUMENT)]
        for command in commands:
            lines += [(EQUAL, 0, 1, command), refuse]
        lines += [allow]
    # glibc then falls back to clone, whose arguments this filter can read: threads are allowed
    lines += [(EQUAL, 0, 1, CLONE3), unknown]
    lines += [(EQUAL, 0, 4, CLONE[column]), (LOAD, 0, 0, ARGUMENT), (BIT, 1, 0, CLONE_THREAD)]
    lines += [refuse, allow]
    # the process may change its own limits (process 0), but not those of others
    lines += [(EQUAL, 0, 4, PRLIMIT[column]), (LOAD, 0, 0, ARGUMENT), (EQUAL, 1, 0, 0)]
    lines += [refuse, allow, allow]
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *line) for line in lines))
    program = struct.pack("HP", len(lines), ctypes.addressof(code))
    _call("seccomp", _libc().prctl(SECCOMP, FILTER, program, 0, 0))


# --- trial ----------------------------------------------------------------------------------------


def _confirm(folder: Path) -> None:
    """Try everything that should be refused now."""
    attempts: dict[str, Callable[[], object]] = {
        "start a process": os.fork,
        "open a socket": socket.socket,
        "change a file's mode": lambda: os.chmod(folder, 0o700),
        "send a signal": lambda: os.kill(os.getpid(), 0),
        "write outside its folder": Path(f"{folder}-outside").touch,
        "read outside its folders": lambda: os.listdir(folder.parent),
    }
    for what, attempt in attempts.items():
        try:
            child = attempt()
        except PermissionError:
            continue
        if what == "start a process" and child == 0:
            os._exit(1)
        raise NoSandboxError(f"a confined process could still {what}")


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _call(name: str, result: int) -> None:
    if result < 0:
        raise NoSandboxError(f"{name} failed: {os.strerror(ctypes.get_errno())}")
