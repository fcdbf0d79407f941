"""Stands between the engine and what it starts on Linux, so that nothing outlives the engine and a cell reaches little.

Run as a script by the engine's own Python (`-I -S minder.py TASK`); nothing of the engine is imported, nor anything
that a release could have brought. The task, as JSON, says what to start and how far apart from the machine:

* `network` (user, network, process and mount namespaces of its own): no network but its loopback, no sight of other
  processes, and no process that could outlive the cell's first one, whatever group or session it moves to.
* `files`: everything on the machine is read-only but the cell's scratch folder.
* `environment`: what the cell changes in its environment goes to `changes` in the folder `layer`, out of its reach.

What a task asks for and the system does not allow ends it with `REFUSED`; what is to be had is asked beforehand.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import signal
import sys
from contextlib import suppress
from types import FrameType
from typing import Any

REFUSED = 120
"""Exit code that says: what was asked for could not be set up, nothing was started."""

PR_SET_PDEATHSIG, PR_CAPBSET_DROP, PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS = 1, 24, 36, 38
CLONE_NEWNS, CLONE_NEWIPC, CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET = (
    0x20000, 0x8000000, 0x10000000, 0x20000000, 0x40000000,
)  # fmt: skip
MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_BIND = 2, 4, 8, 4096
MOUNT_ATTR_RDONLY, MS_PRIVATE, AT_RECURSIVE, AT_FDCWD, SYS_MOUNT_SETATTR = 1, 1 << 18, 0x8000, -100, 442
SHM = "size=256m,mode=1777"

_libc = ctypes.CDLL(None, use_errno=True)


def main() -> int:
    """Carry the task out; ends with the exit code, or by the signal, that what was started ended with."""
    task: dict[str, Any] = json.loads(sys.argv[1])
    if task.get("replace"):  # nothing to watch over: only not to outlive the engine
        _tied_to(task["parent"], signal.SIGKILL)
        _ordinary_signals()
        os.execv(task["command"][0], task["command"])
    _tied_to(task["parent"], signal.SIGTERM)
    apart = frozenset(task["apart"])
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a dump of a crash is of no use here, and as large as its memory
    first = 0

    def stop(number: int, frame: FrameType | None) -> None:
        if first:
            os.kill(first, signal.SIGKILL)
        else:
            os._exit(REFUSED)

    signal.signal(signal.SIGTERM, stop)
    if "network" not in apart:
        _call(_libc.prctl, PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        first = os.fork()
        if first == 0:
            _become(task)
        status = _reap(first)
        _end_all_below()
        return _as_it_ended(status)
    try:
        _leave_the_machine()
        _tied_to(None, signal.SIGTERM)
    except OSError as error:
        return _refuse(error)
    told, tell = os.pipe()
    first = os.fork()
    if first == 0:
        _be_first(task, apart, tell)
    os.close(tell)
    _reap(first)  # returns only when the last process of the namespace is gone
    said = os.read(told, 8)
    return _as_it_ended(int.from_bytes(said, "little")) if said else _as_it_ended(signal.SIGKILL)


def _be_first(task: dict[str, Any], apart: frozenset[str], tell: int) -> None:
    """The first process of the namespace: with it, the kernel ends every other one."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    _tied_to(None, signal.SIGKILL)
    try:
        _loopback()
        _shape_files(task, apart)
        _give_up_privileges()
    except OSError as error:
        os.write(tell, (_refuse(error) << 8).to_bytes(8, "little"))
        os._exit(0)
    cell = os.fork()
    if cell == 0:
        os.close(tell)
        _become(task)
    os.write(tell, _reap(cell).to_bytes(8, "little"))
    os._exit(0)


def _become(task: dict[str, Any]) -> None:
    """Be the cell: the first that the kernel ends where memory is short, and gone with whoever watches over it."""
    _tied_to(None, signal.SIGKILL)
    with suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
        file.write("1000")
    _ordinary_signals()
    try:
        os.execv(task["command"][0], task["command"])
    except OSError as error:
        os._exit(_refuse(error))


def _leave_the_machine() -> None:
    """New namespaces; in the user namespace everybody stays who they are."""
    user, group = os.geteuid(), os.getegid()
    _call(_libc.unshare, CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWIPC)
    for name, text in (("setgroups", "deny"), ("gid_map", f"{group} {group} 1"), ("uid_map", f"{user} {user} 1")):
        with open(f"/proc/self/{name}", "w") as file:
            file.write(text)


def _loopback() -> None:
    """Bring 127.0.0.1 up: a cell may talk to itself."""
    import fcntl
    import socket
    import struct

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as made:
        up = struct.pack("16sH22x", b"lo", 0x1 | 0x40)  # IFF_UP | IFF_RUNNING
        fcntl.ioctl(made, 0x8914, up)  # SIOCSIFFLAGS


def _shape_files(task: dict[str, Any], apart: frozenset[str]) -> None:
    scratch, environment = task["scratch"], task["environment"]
    _mount(scratch, scratch, "", MS_BIND)
    if "environment" in apart:
        changes, work = os.path.join(task["layer"], "changes"), os.path.join(task["layer"], "work")
        for folder in (changes, work):
            os.makedirs(folder)
        # Before all is read-only: the layer stays writable by way of the environment, and in no other.
        options = f"lowerdir={environment},upperdir={changes},workdir={work},userxattr"
        _mount("overlay", environment, "overlay", MS_NOSUID | MS_NODEV, options)
    elif "files" in apart:
        _mount(environment, environment, "", MS_BIND)
    if "files" in apart:
        _set("/", MOUNT_ATTR_RDONLY, 0)
        for folder in (scratch, environment):
            _set(folder, 0, MOUNT_ATTR_RDONLY)
        needed = [scratch, environment, os.path.realpath(task["command"][0])]
        for folder in ("/dev/shm", "/tmp"):
            if os.path.isdir(folder) and not any(path.startswith(f"{folder}/") for path in needed):
                _mount("tmpfs", folder, "tmpfs", MS_NOSUID | MS_NODEV, SHM)
    with suppress(OSError):  # not where /proc is covered in part, as in some containers; other processes are shown then
        _mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)
    os.chdir(os.getcwd())  # the same folder, by way of the new mounts


def _give_up_privileges() -> None:
    """What it took to set this up, the cell must not have: it could take it down again."""
    for number in range(64):
        if _libc.prctl(PR_CAPBSET_DROP, number, 0, 0, 0) != 0:
            break
    _call(_libc.prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)


def _end_all_below() -> None:
    """Without a namespace: end every process that came to be below this one, however far it has gone."""
    while True:
        for child in _children():
            with suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return


def _children() -> list[int]:
    """Children of this process; orphans below it have become such."""
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            with suppress(OSError), open(f"/proc/{name}/stat", "rb") as file:
                if int(file.read().rpartition(b")")[2].split()[1]) == os.getpid():
                    found.append(int(name))
    return found


def _reap(awaited: int) -> int:
    """Wait for one child, and bury others meanwhile; returns its status."""
    while True:
        child, status = os.waitpid(-1, 0)
        if child == awaited:
            return status


def _as_it_ended(status: int) -> int:
    """The exit code of a wait status; where a signal ended it, end by the same."""
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        if number != signal.SIGKILL:
            signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
    return os.WEXITSTATUS(status)


def _tied_to(parent: int | None, number: int) -> None:
    """Get this signal when the parent ends, also where it has ended already."""
    _call(_libc.prctl, PR_SET_PDEATHSIG, int(number), 0, 0, 0)
    if parent is not None and os.getppid() != parent:
        os._exit(REFUSED)


def _ordinary_signals() -> None:
    """Those that Python ignores would stay ignored in what is started."""
    for number in (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)


def _mount(source: str, target: str, kind: str, flags: int, options: str = "") -> None:
    _call(_libc.mount, source.encode(), target.encode(), kind.encode(), ctypes.c_ulong(flags), options.encode())


def _set(path: str, setting: int, clearing: int) -> None:
    """Change the mount at the path; everything below `/`."""
    attributes = (ctypes.c_uint64 * 4)(setting, clearing, MS_PRIVATE, 0)
    recursive = AT_RECURSIVE if path == "/" else 0
    _call(_libc.syscall, SYS_MOUNT_SETATTR, AT_FDCWD, path.encode(), recursive, attributes, ctypes.c_size_t(32))


def _call(function: Any, *arguments: Any) -> None:
    if function(*arguments) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def _refuse(error: OSError) -> int:
    print(f"the cell could not be set apart: {error}", file=sys.stderr, flush=True)
    return REFUSED


if __name__ == "__main__":
    os._exit(main())
