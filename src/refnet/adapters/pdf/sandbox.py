"""What a process gives up before it touches a hostile file: memory, time, files, network, other processes.

The limits of resources hold on every system that has them. RLIMIT_NOFILE stands at the descriptors already open, so that a
socket cannot be made nor a file opened for want of a number. On Linux, Landlock and seccomp say no a second and a third
time; where the kernel lacks them `lock_down` goes on without, and tells.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import platform
import resource
import struct
import sys

_PR_SET_DUMPABLE, _PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS, _SECCOMP_MODE_FILTER = 4, 22, 38, 2
_LANDLOCK_CREATE, _LANDLOCK_RESTRICT = 444, 446
#: How many rights over files each version of Landlock knows, and which knows TCP and what is beyond the process
#: (linux/landlock.h).
_FILE_RIGHTS = {1: 13, 2: 14, 3: 15, 4: 15}
_LATER_FILE_RIGHTS, _TCP_SINCE, _SCOPE_SINCE = 16, 4, 6

#: System calls that are refused: their numbers on x86_64 and aarch64 (asm/unistd_64.h, asm-generic/unistd.h).
_REFUSED = {
    "open": (2, None), "creat": (85, None), "openat": (257, 56), "openat2": (437, 437), "truncate": (76, 45),
    "rename": (82, None), "renameat": (264, 38), "renameat2": (316, 276), "link": (86, None), "linkat": (265, 37),
    "symlink": (88, None), "symlinkat": (266, 36), "unlink": (87, None), "unlinkat": (263, 35), "rmdir": (84, None),
    "mkdir": (83, None), "mkdirat": (258, 34), "mknod": (133, None), "mknodat": (259, 33), "chmod": (90, None),
    "fchmodat": (268, 53), "chown": (92, None), "fchownat": (260, 54), "memfd_create": (319, 279),
    "socket": (41, 198), "socketpair": (53, 199), "connect": (42, 203), "bind": (49, 200), "accept": (43, 202),
    "accept4": (288, 242), "sendto": (44, 206), "sendmsg": (46, 211), "io_uring_setup": (425, 425),
    "fork": (57, None), "vfork": (58, None), "execve": (59, 221), "execveat": (322, 281),
    "kill": (62, 129), "tkill": (200, 130), "pidfd_send_signal": (424, 424),
    "pidfd_open": (434, 434), "pidfd_getfd": (438, 438), "ptrace": (101, 117), "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271), "shmget": (29, 194), "msgget": (68, 186), "mq_open": (240, 180),
    "mount": (165, 40), "umount2": (166, 39), "chroot": (161, 51), "unshare": (272, 97), "setns": (308, 268),
    "bpf": (321, 280), "perf_event_open": (298, 241), "userfaultfd": (323, 282), "add_key": (248, 217),
    "keyctl": (250, 219), "fchmodat2": (452, 452), "utime": (132, None), "utimes": (235, None),
    "futimesat": (261, None), "utimensat": (280, 88), "setxattr": (188, 5), "lsetxattr": (189, 6), "fsetxattr": (190, 7),
    "removexattr": (197, 14), "lremovexattr": (198, 15), "fremovexattr": (199, 16), "rt_sigqueueinfo": (129, 138),
    "rt_tgsigqueueinfo": (297, 240), "setpriority": (141, 140), "ioprio_set": (251, 30), "sched_setparam": (142, 118),
    "sched_setscheduler": (144, 119), "sched_setaffinity": (203, 122), "sched_setattr": (314, 274),
}  # fmt: skip
#: The audit number of the architecture, its column above, and its number of `clone`.
_ARCHITECTURES = {"x86_64": (0xC000003E, 0, 56), "aarch64": (0xC00000B7, 1, 220)}
#: … of `tgkill`, by which a process ends itself, and of `prlimit64`, by which it lowers its own limits.
_TGKILL = {"x86_64": 234, "aarch64": 131}
_PRLIMIT = {"x86_64": 302, "aarch64": 261}
_CLONE3, _CLONE_THREAD, _X32 = 435, 0x00010000, 0x40000000


def lock_down(memory: int, processor_seconds: int) -> tuple[str, ...]:
    """Give up what reading does not need; `processor_seconds` are those of the whole life of the process.

    Returns the kinds that are on: `rlimits`, `no new privileges`, `landlock`, `seccomp`. From now on nothing can be opened,
    so whatever is to be imported has been. Landlock and seccomp hold for this thread and those that it starts.
    """
    highest = max((number for number in range(64) if _is_open(number)), default=2)
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_FSIZE, 0)
    _limit(resource.RLIMIT_AS, memory)
    _limit(resource.RLIMIT_CPU, processor_seconds)
    kinds: list[str] = []
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        libc.prctl(_PR_SET_DUMPABLE, *_words(0, 0, 0, 0))
        if libc.prctl(_PR_SET_NO_NEW_PRIVS, *_words(1, 0, 0, 0)) == 0:
            kinds.append("no new privileges")
            # Each needs what the next takes away: a descriptor, a system call.
            kinds += ["landlock"] * landlock(libc)
            kinds += ["rlimits"] * _limit(resource.RLIMIT_NOFILE, highest + 1)
            kinds += ["seccomp"] * seccomp(libc)
            return tuple(sorted(kinds))
    return ("rlimits",) * _limit(resource.RLIMIT_NOFILE, highest + 1)


def start_nothing_more() -> None:
    """Let this process start neither processes nor threads. The system exempts root."""
    _limit(resource.RLIMIT_NPROC, 0)


def allow_processor(seconds: int) -> None:
    """Let this process go on for so many seconds of the processor from now; then the system ends it."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
    wanted = int(used.ru_utime + used.ru_stime) + seconds + 1
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_CPU, (wanted if hard == resource.RLIM_INFINITY else min(wanted, hard), hard))


def landlock(libc: ctypes.CDLL) -> bool:
    """No file by name, no TCP, no signal to and no abstract socket of another process; whether the kernel does that."""
    version = libc.syscall(_LANDLOCK_CREATE, *_words(0, 0, 1))
    if version < 1:
        return False
    files = (1 << _FILE_RIGHTS.get(version, _LATER_FILE_RIGHTS)) - 1
    rights = [files, *[0b11] * (version >= _TCP_SINCE), *[0b11] * (version >= _SCOPE_SINCE)]
    held = ctypes.create_string_buffer(struct.pack(f"{len(rights)}Q", *rights), 8 * len(rights))
    rules = libc.syscall(_LANDLOCK_CREATE, *_words(ctypes.addressof(held), 8 * len(rights), 0))
    if rules < 0:
        return False
    try:
        return bool(libc.syscall(_LANDLOCK_RESTRICT, *_words(rules, 0)) == 0)
    finally:
        os.close(rules)


def seccomp(libc: ctypes.CDLL) -> bool:
    """Have the kernel refuse the system calls by which one reaches out; whether it does. Threads may be started."""
    if platform.machine() not in _ARCHITECTURES:
        return False
    architecture, column, clone = _ARCHITECTURES[platform.machine()]
    refused = [numbers[column] for numbers in _REFUSED.values()]
    allow, refuse, unknown = 0x7FFF0000, 0x00050000 | errno.EPERM, 0x00050000 | errno.ENOSYS
    load, equal, at_least, any_bit, answer = 0x20, 0x15, 0x35, 0x45, 0x06
    program = [
        # Another architecture's numbers mean other calls, and so do those from 2^30 on.
        (load, 0, 0, 4), (equal, 1, 0, architecture), (answer, 0, 0, refuse),
        (load, 0, 0, 0), (at_least, 0, 1, _X32), (answer, 0, 0, refuse),
        # Its flags cannot be looked at; the C library then takes `clone`, whose can.
        (equal, 0, 1, _CLONE3), (answer, 0, 0, unknown),
        *[step for number in refused if number is not None for step in ((equal, 0, 1, number), (answer, 0, 0, refuse))],
        (equal, 0, 3, clone), (load, 0, 0, 16), (any_bit, 1, 0, _CLONE_THREAD), (answer, 0, 0, refuse),
        (load, 0, 0, 0), (equal, 0, 3, _TGKILL[platform.machine()]),
        (load, 0, 0, 16), (equal, 1, 0, os.getpid()), (answer, 0, 0, refuse),
        # 0 is the caller itself, whose limit of the processor is set anew for each paper.
        (load, 0, 0, 0), (equal, 0, 3, _PRLIMIT[platform.machine()]),
        (load, 0, 0, 16), (equal, 1, 0, 0), (answer, 0, 0, refuse),
        (answer, 0, 0, allow),
    ]  # fmt: skip
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in program))
    held = ctypes.create_string_buffer(struct.pack("HxxxxxxQ", len(program), ctypes.addressof(code)))
    return bool(libc.prctl(_PR_SET_SECCOMP, *_words(_SECCOMP_MODE_FILTER, ctypes.addressof(held), 0, 0)) == 0)


def _words(*values: int) -> list[ctypes.c_ulong]:
    return [ctypes.c_ulong(value) for value in values]


def _limit(which: int, wanted: int) -> bool:
    hard = resource.getrlimit(which)[1]
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    try:
        resource.setrlimit(which, (most, most))
    except (ValueError, OSError):  # macOS takes no limit of address space
        return False
    return True


def _is_open(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError:
        return False
    return True
