"""The paths of the programs under test and of the tests' own programs."""

import os
import pathlib

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("FSM_BUILD_DIR", REPOSITORY / "build/release")).resolve()

INTERCEPTOR = BUILD / "interceptor/fsm-interceptor"
PLUGIN = BUILD / "cni-plugin/fsm-cni"
RELAY = BUILD / "test/bin/relay"
STREAM = BUILD / "test/bin/stream"
PROBE = BUILD / "test/bin/probe"
IPTABLES_MESH = REPOSITORY / "test/harness/iptables_mesh.sh"


def require():
    """Fails, instead of skipping, if a program is missing."""
    if os.geteuid() != 0:
        raise RuntimeError("these tests need root: they make network namespaces and load programs")
    missing = [str(path) for path in (INTERCEPTOR, PLUGIN, RELAY, STREAM, PROBE)
               if not os.access(path, os.X_OK)]
    if missing:
        raise RuntimeError(f"not built (FSM_BUILD_DIR says {BUILD}): {', '.join(missing)}")
