"""Runs a command as a container's only process; call it in new mount and pid namespaces.

The root is read-only and so is its /run; the node's /var/run and the configuration are mounted where the
chart mounts them, and only the named capabilities are left. The one argument is JSON.
"""

import ctypes
import json
import os
import subprocess
import sys

PR_CAPBSET_DROP = 24
# capability.h; the others that a chart may name are not needed here.
CAPABILITIES = {"CHOWN": 0, "DAC_OVERRIDE": 1, "DAC_READ_SEARCH": 2, "FOWNER": 3, "NET_ADMIN": 12,
                "NET_RAW": 13, "SYS_PTRACE": 19, "SYS_ADMIN": 21}


def mount(*words):
    subprocess.run(["/usr/bin/mount", *words], check=True)


def lay_out(description):
    root = description["root"]
    mount("--make-rprivate", "/")
    mount("--bind", root, root)
    for folder in ("host/proc", "host/var/run", "etc/fsm", "proc"):
        os.makedirs(f"{root}/{folder}", exist_ok=True)
    mount("-t", "proc", "proc", f"{root}/proc")
    mount("--rbind", "/proc", f"{root}/host/proc")
    mount("--bind", description["run"], f"{root}/host/var/run")
    mount("--bind", description["config"], f"{root}/etc/fsm")
    mount("-o", "remount,bind,ro", root)


def drop_capabilities(kept):
    libc = ctypes.CDLL(None, use_errno=True)
    numbers = {CAPABILITIES[name] for name in kept}
    with open("/proc/sys/kernel/cap_last_cap", encoding="ascii") as file:
        last = int(file.read())
    for number in set(range(last + 1)) - numbers:
        if libc.prctl(PR_CAPBSET_DROP, number, 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), f"drop capability {number}")


def main():
    description = json.loads(sys.argv[1])
    lay_out(description)
    # The bounding set limits the capabilities after exec; this process keeps its own.
    drop_capabilities(description["capabilities"])
    os.chroot(description["root"])
    os.chdir("/")
    command = description["command"]
    os.execve(command[0], command, description["environment"])


main()
