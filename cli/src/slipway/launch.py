"""Become another program: python launch.py PARENT_PID DEATH_SIGNAL IDENTITY PROGRAM [ARGUMENT…]

The supervisor starts each part through this file, because three things must happen between fork and exec:

- The part takes on IDENTITY (see below): Postgres refuses to run as root.
- On Linux the kernel is asked to send DEATH_SIGNAL when the supervisor dies, even by SIGKILL.
- A part whose supervisor is already gone does not start.

It is run by path with `python -I -S`, in about 10 ms, and imports nothing but the standard library.
"""

from __future__ import annotations

import ctypes
import os
import pwd
import sys
from pathlib import Path

AS_CALLER = "-"
"""Stay who you are."""
AS_MAPPED_ROOT = "namespace"
"""In a user namespace: the same rights to files, but another name than root, and no capability."""
# Every other identity is the name of a user to change to.

_CLONE_NEWUSER = 0x10000000
_PR_SET_PDEATHSIG = 1


def main(arguments: list[str]) -> None:
    parent, death_signal, identity, *program = arguments
    if identity == AS_MAPPED_ROOT:
        _enter_user_namespace()
    elif identity != AS_CALLER:
        _change_user(identity)
    if sys.platform == "linux":
        # After the change of identity, which clears it.
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(death_signal))
    if os.getppid() != int(parent):
        raise SystemExit("The supervisor is gone.")
    os.execv(program[0], program)  # noqa: S606 - becoming the program is the purpose


def _enter_user_namespace() -> None:
    user = next(entry for entry in pwd.getpwall() if entry.pw_uid != 0)  # initdb wants a name for its uid
    uid, gid = os.geteuid(), os.getegid()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_CLONE_NEWUSER) != 0:
        raise OSError(ctypes.get_errno(), "user namespaces are not available here")
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{user.pw_uid} {uid} 1")
    Path("/proc/self/gid_map").write_text(f"{user.pw_gid} {gid} 1")


def _change_user(name: str) -> None:
    user = pwd.getpwnam(name)
    os.setgroups([])
    os.setgid(user.pw_gid)
    os.setuid(user.pw_uid)


if __name__ == "__main__":
    main(sys.argv[1:])
