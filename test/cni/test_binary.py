"""The binary: it must run on a host without any of the project's libraries."""

import os
import re
import shutil
import subprocess

import pytest

MEBIBYTE = 1 << 20


# Builds with sanitizers cannot be linked statically, and debug builds are large; neither is shipped,
# and their tests are run with -m "not shipped".
shipped = pytest.mark.shipped


@shipped
def test_is_linked_statically(binary):
    headers = subprocess.run(["readelf", "-lW", binary], capture_output=True, text=True,
                             check=True).stdout
    assert "INTERP" not in headers
    needs = subprocess.run(["readelf", "-dW", binary], capture_output=True, text=True,
                           check=True).stdout
    assert "(NEEDED)" not in needs


@shipped
def test_runs_in_an_empty_root(binary, tmp_path):
    target = tmp_path / "fsm-cni"
    shutil.copy(binary, target)
    answer = subprocess.run(["/usr/sbin/chroot", str(tmp_path), "/fsm-cni"],
                            env={"CNI_COMMAND": "VERSION"}, input=b"{}", capture_output=True,
                            check=False)
    assert answer.returncode == 0, answer.stderr
    assert b"supportedVersions" in answer.stdout


@shipped
def test_is_small(binary):
    assert os.path.getsize(binary) < 2 * MEBIBYTE


def test_explains_itself_to_a_person(runtime):
    for arguments in ([], ["--version"], ["--help"]):
        answer = runtime.call(None, "", arguments=arguments)
        assert answer.status != 0
        assert re.search(r"fsm-cni \d+\.\d+\.\d+: CNI plugin", answer.stderr)


def test_reports_a_missing_command_to_a_runtime(runtime):
    runtime.call(None, "").expect_error(4, "CNI_COMMAND")


def test_reports_stdout_that_cannot_be_written(runtime):
    with open("/dev/full", "wb") as full:
        process = subprocess.run([runtime.binary], env={"CNI_COMMAND": "VERSION"}, input=b"{}",
                                 stdout=full, stderr=subprocess.PIPE, check=False)
    assert process.returncode != 0
    assert b"stdout" in process.stderr
