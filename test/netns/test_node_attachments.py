"""Node-wide attachments that other programs remove are restored, while pods keep running."""

import subprocess
import time

import pytest

from harness.application import ask
from harness.wait import eventually

CGROUP_PROGRAMS = ("fsm_connect4", "fsm_connect6", "fsm_getsockopt", "fsm_sockops")


@pytest.fixture
def running(make_mesh):
    mesh = make_mesh("sk_lookup")
    client, server = mesh.pair(8080)
    return mesh.interceptor, client, server


def expect_both_sidecars(client, server):
    """A new request goes through both; their reports may come a little later."""
    ends = ((client.relay, "outbound"), (server.relay, "inbound"))
    before = [len(relay.reports(direction)) for relay, direction in ends]
    assert client.call(ask, server.pod.ip4, 8080)["application"] == "server"
    for (relay, direction), count in zip(ends, before):
        eventually(lambda: len(relay.reports(direction)) > count, 2)
    return True


def bpftool(*arguments):
    subprocess.run(["bpftool", *map(str, arguments)], check=True, capture_output=True)


def pins(interceptor, folder):
    found = [path for path in interceptor.bpffs.rglob(folder) if path.is_dir()]
    assert len(found) == 1, f"{folder} is {len(found)} times below {interceptor.bpffs}"
    return found[0]


def test_detached_programs_are_attached_again(running):
    """Otherwise the outbound connections of all pods would bypass their sidecars permanently."""
    interceptor, client, server = running
    expect_both_sidecars(client, server)
    links = pins(interceptor, "links")
    for program in CGROUP_PROGRAMS:
        bpftool("link", "detach", "pinned", links / program)
    eventually(lambda: expect_both_sidecars(client, server), 10)
    eventually(lambda: "fsm_connect4 (cgroup/connect4) was detached" in interceptor.log_tail())

    def all_attached():
        attached = {each["name"]: each["attached"]
                    for each in interceptor.get("programs")["programs"]}
        return all(attached[program] for program in CGROUP_PROGRAMS)

    eventually(all_attached)


def test_pins_that_were_removed_take_nothing_down(running):
    interceptor, client, server = running
    root = pins(interceptor, "links").parent
    subprocess.run(["rm", "--recursive", str(root)], check=True)
    ends = time.monotonic() + 3
    while time.monotonic() < ends:
        expect_both_sidecars(client, server)
    assert (root / "links" / "fsm_connect4").exists() and (root / "maps" / "fsm_pods").exists()
    # The new pins outlive the interceptor.
    interceptor.kill()
    expect_both_sidecars(client, server)
    interceptor.start()
    expect_both_sidecars(client, server)


def test_bpffs_that_was_unmounted_takes_nothing_down(running):
    interceptor, client, server = running
    subprocess.run(["umount", "--lazy", str(interceptor.bpffs)], check=True)
    expect_both_sidecars(client, server)
    eventually(lambda: pins(interceptor, "links"), 5)
    interceptor.kill()
    expect_both_sidecars(client, server)
    interceptor.start()
    expect_both_sidecars(client, server)
