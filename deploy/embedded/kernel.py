"""Linux system calls that Python has no function for. On other systems these functions do nothing."""

import ctypes
import os
import sys
from pathlib import Path

PR_SET_PDEATHSIG = 1
PR_SET_KEEPCAPS = 8
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_RAISE = 2
CAPABILITY_VERSION_3 = 0x20080522
CLONE_NEWUSER = 0x10000000

# Lets the server enter directories that only root may enter, so a checkout below /root can stay closed.
READ_ANY_DIRECTORY = (1 << 1) | (1 << 2)  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH

LINUX = sys.platform == "linux"


class CapabilityHeader(ctypes.Structure):
    _fields_ = [("version", ctypes.c_uint32), ("pid", ctypes.c_int)]


class Capabilities(ctypes.Structure):
    _fields_ = [("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32)]


def die_with(parent: int, signal: int) -> None:
    """Have the kernel send `signal` to this process when `parent`, which started it, ends for whatever reason."""
    if LINUX:
        call("prctl", PR_SET_PDEATHSIG, signal, 0, 0, 0)
    if os.getppid() != parent:  # it ended before we asked
        os.kill(os.getpid(), signal)


def switch_user(uid: int, gid: int) -> None:
    """Switch from root to another user, keeping the right to enter root's directories if root may pass it on."""
    kept = permitted() & READ_ANY_DIRECTORY if LINUX else 0
    if kept:
        call("prctl", PR_SET_KEEPCAPS, 1, 0, 0, 0)
    os.setgroups([])
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)
    if kept:
        keep_capabilities(kept)


def permitted() -> int:
    header, sets = CapabilityHeader(CAPABILITY_VERSION_3, 0), (Capabilities * 2)()
    call("capget", ctypes.byref(header), sets)
    return int(sets[0].permitted)


def keep_capabilities(kept: int) -> None:
    """Keep these capabilities for ourselves and for programs that we execute (make them `ambient`)."""
    header, sets = CapabilityHeader(CAPABILITY_VERSION_3, 0), (Capabilities * 2)()
    sets[0] = Capabilities(kept, kept, kept)
    call("capset", ctypes.byref(header), sets)
    for capability in range(kept.bit_length()):
        if kept & (1 << capability):
            call("prctl", PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability, 0, 0)


def map_user(uid: int) -> None:
    """Appear as another user id inside our own user namespace. Files still belong to the real one."""
    real = os.geteuid()
    call("unshare", CLONE_NEWUSER)
    Path("/proc/self/uid_map").write_text(f"{uid} {real} 1")


def call(name: str, *arguments: object) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc[name](*arguments) != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{name}: {os.strerror(code)}")
