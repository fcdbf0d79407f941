"""Starts a command on Linux, in namespaces of its own on request, and kills its process tree when the parent dies.

Run as a script by the engine's Python: `python -I -S launcher.py PARENT ISOLATION ENVIRONMENT SCRATCH LAYER COMMAND...`.
It imports nothing of the engine, and few modules, because it starts with every cell. PARENT is the process ID of the
engine. ISOLATION is `exec` (become the command, which is then killed with the parent), `tree` (so is all that it starts)
or the comma-separated list of:

* `network`: new user, network, PID, IPC and mount namespaces. The command reaches no network but its own loopback and no
  process but its own, and the kernel kills all of its processes with the first one.
* `files`: the file system is read-only, except the folder SCRATCH.
* `environment`: ENVIRONMENT is an overlay. What the command changes in it goes to LAYER/changes, which the command
  cannot reach in another way.

Whether the system allows these is tried beforehand (`execution.sandbox`). util-linux could set them up as well, but
before 2.39 its `mount` has no recursive read-only (2.38 ignores the option), it has no program for the loopback, and the
exit code of `unshare` does not tell a signal from a number.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sys

REFUSED = 120
"""Exit code for: the namespaces could not be set up, and the command was not started."""

# Constants of <sys/prctl.h>, <sched.h>, <sys/mount.h> and <linux/sockios.h>.
PR_SET_PDEATHSIG, PR_CAPBSET_DROP, PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS = 1, 24, 36, 38
CLONE_NEWNS, CLONE_NEWIPC, CLONE_NEWUSER = 0x20000, 0x8000000, 0x10000000
CLONE_NEWPID, CLONE_NEWNET = 0x20000000, 0x40000000
MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_BIND, MS_PRIVATE = 2, 4, 8, 4096, 1 << 18
MOUNT_ATTR_RDONLY, AT_RECURSIVE, AT_FDCWD, SYS_MOUNT_SETATTR = 1, 0x8000, -100, 442
AF_INET, SOCK_DGRAM, SIOCSIFFLAGS, IFF_UP, IFF_RUNNING = 2, 2, 0x8914, 0x1, 0x40

_libc = ctypes.CDLL(None, use_errno=True)


def main() -> int:
    """Start the command and wait for it; returns its exit code, or ends by the signal that it ended by."""
    parent, isolation, environment, scratch, layer, *command = sys.argv[1:]
    # With SIGTERM, this process can end what it started; with SIGKILL it could not.
    _signal_with_parent(signal.SIGKILL if isolation == "exec" else signal.SIGTERM)
    if os.getppid() != int(parent):
        return REFUSED
    if isolation == "exec":
        _execute(command)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # the dump of a crash would be as large as its memory
    namespaces = "network" in isolation
    try:
        if namespaces:
            _unshare()
        else:
            _call("prctl", PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    except OSError as error:
        return _refuse(error)
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0 and namespaces:
        _be_init(isolation, environment, scratch, layer, command, writer)
    elif child == 0:
        _be_cell(command)
    signal.signal(signal.SIGTERM, lambda *_: os.kill(child, signal.SIGKILL))
    os.close(writer)
    status = _wait(child)  # with a PID namespace: when its last process is gone
    if namespaces:
        content = os.read(reader, 8)
        status = int.from_bytes(content, "little") if content else int(signal.SIGKILL)
    else:
        _kill_descendants()
    return _end_as(status)


def _be_init(isolation: str, environment: str, scratch: str, layer: str, command: list[str], writer: int) -> None:
    """Be process 1 of the PID namespace: set up the rest, run the command, and write its wait status to ``writer``."""
    _signal_with_parent(signal.SIGKILL)
    try:
        _bring_loopback_up()
        _mount_all(isolation, environment, scratch, layer, command[0])
        # Drop capabilities so that the cell cannot undo the sandbox.
        for number in range(64):
            _libc.prctl(PR_CAPBSET_DROP, number, 0, 0, 0)
        _call("prctl", PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    except OSError as error:
        os.write(writer, (_refuse(error) << 8).to_bytes(8, "little"))
        os._exit(0)
    cell = os.fork()
    if cell == 0:
        os.close(writer)
        _be_cell(command)
    os.write(writer, _wait(cell).to_bytes(8, "little"))
    os._exit(0)


def _be_cell(command: list[str]) -> None:
    """Become the command: killed with the parent, and the first to be killed where memory is short."""
    _signal_with_parent(signal.SIGKILL)
    try:
        with open("/proc/self/oom_score_adj", "w") as file:
            file.write("1000")
    except OSError:
        pass  # read-only in some containers
    _execute(command)


def _execute(command: list[str]) -> None:
    for number in (signal.SIGPIPE, signal.SIGXFSZ):  # Python ignores these, and the command would inherit that
        signal.signal(number, signal.SIG_DFL)
    try:
        os.execv(command[0], command)
    except OSError as error:
        os._exit(_refuse(error))


def _unshare() -> None:
    """Enter new namespaces; user and group stay the same in the user namespace."""
    user, group = os.geteuid(), os.getegid()
    _call("unshare", CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWIPC)
    for name, text in (("setgroups", "deny"), ("gid_map", f"{group} {group} 1"), ("uid_map", f"{user} {user} 1")):
        with open(f"/proc/self/{name}", "w") as file:
            file.write(text)
    _signal_with_parent(signal.SIGTERM)  # the kernel may forget it with a change of credentials


def _bring_loopback_up() -> None:
    request = b"lo".ljust(16, b"\0") + (IFF_UP | IFF_RUNNING).to_bytes(2, sys.byteorder) + bytes(22)  # struct ifreq
    descriptor = _libc.socket(AF_INET, SOCK_DGRAM, 0)
    _call("ioctl", descriptor, SIOCSIFFLAGS, request)
    os.close(descriptor)


def _mount_all(isolation: str, environment: str, scratch: str, layer: str, program: str) -> None:
    _mount(scratch, scratch, "", MS_BIND)
    if "environment" in isolation:
        changes, work = os.path.join(layer, "changes"), os.path.join(layer, "work")
        os.mkdir(changes)
        os.mkdir(work)
        # Mounted before all is read-only: so the overlay can write to the layer, and the command cannot.
        options = f"lowerdir={environment},upperdir={changes},workdir={work},userxattr"
        _mount("overlay", environment, "overlay", MS_NOSUID | MS_NODEV, options)
    elif "files" in isolation:
        _mount(environment, environment, "", MS_BIND)
    if "files" in isolation:
        _set_attributes("/", MOUNT_ATTR_RDONLY, 0, AT_RECURSIVE)
        writable = (scratch, environment)
        for folder in writable:
            _set_attributes(folder, 0, MOUNT_ATTR_RDONLY)
        for folder in ("/dev/shm", "/tmp"):
            needed = any(path.startswith(f"{folder}/") for path in (*writable, os.path.realpath(program)))
            if os.path.isdir(folder) and not needed:
                _mount("tmpfs", folder, "tmpfs", MS_NOSUID | MS_NODEV, "size=256m,mode=1777")
    try:
        _mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)
    except OSError:
        pass  # some containers cover parts of /proc and so forbid it; other processes are visible there
    os.chdir(os.getcwd())  # the same folder, but on the new mounts


def _kill_descendants() -> None:
    """Kill every process below this one. As it is their subreaper, orphans have become its children."""
    while True:
        for name in os.listdir("/proc"):
            try:
                if name.isdigit() and _parent_of(name) == os.getpid():
                    os.kill(int(name), signal.SIGKILL)
            except OSError:
                continue  # it has ended meanwhile
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return


def _parent_of(process: str) -> int:
    with open(f"/proc/{process}/stat", "rb") as file:
        return int(file.read().rpartition(b")")[2].split()[1])


def _wait(child: int) -> int:
    """The wait status of one child; others that end meanwhile are reaped."""
    while True:
        ended, status = os.waitpid(-1, 0)
        if ended == child:
            return status


def _end_as(status: int) -> int:
    """The exit code in a wait status; if it holds a signal, end this process by the same signal."""
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        if number != signal.SIGKILL:
            signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
    return os.WEXITSTATUS(status)


def _signal_with_parent(number: int) -> None:
    _call("prctl", PR_SET_PDEATHSIG, int(number), 0, 0, 0)


def _mount(source: str, target: str, kind: str, flags: int, options: str = "") -> None:
    _call("mount", source.encode(), target.encode(), kind.encode(), ctypes.c_ulong(flags), options.encode())


def _set_attributes(path: str, attributes: int, cleared: int, flags: int = 0) -> None:
    """mount_setattr(2), which the C library need not know."""
    changes = (ctypes.c_uint64 * 4)(attributes, cleared, MS_PRIVATE, 0)  # struct mount_attr
    _call("syscall", SYS_MOUNT_SETATTR, AT_FDCWD, path.encode(), flags, changes, ctypes.c_size_t(32))


def _call(function: str, *arguments: object) -> None:
    if getattr(_libc, function)(*arguments) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def _refuse(error: OSError) -> int:
    print(f"the cell could not be isolated: {error}", file=sys.stderr, flush=True)
    return REFUSED


if __name__ == "__main__":
    os._exit(main())
