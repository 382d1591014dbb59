"""The release of amd64, made once for all tests."""

import os
import pathlib
import subprocess
import tarfile

import pytest

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
EPOCH = 1700000000


class Release:
    def __init__(self, folder):
        self.folder = folder
        self.name = next(folder.glob("fsm-*.spdx.json")).name.removesuffix(".spdx.json")
        self.version = self.name.split("-")[1]
        self.program_archive = folder / f"{self.name}.tar.gz"
        self.debug_archive = folder / f"{self.name}-debug.tar.gz"
        self.image = folder / f"fsm-interceptor-{self.name.removeprefix('fsm-')}.oci.tar"
        self.parts = folder / f"{self.name}.spdx.json"
        self.unpacked = folder.parent / f"{folder.name}-unpacked"
        for archive in (self.program_archive, self.debug_archive):
            with tarfile.open(archive) as opened:
                opened.extractall(self.unpacked)
        self.programs = self.unpacked / self.name
        self.debug = self.unpacked / f"{self.name}-debug"


def make(folder):
    subprocess.run([REPOSITORY / "scripts/release.sh", "--output", folder, "amd64"], check=True,
                   env={**os.environ, "SOURCE_DATE_EPOCH": str(EPOCH)})
    return Release(folder)


@pytest.fixture(scope="session")
def release(tmp_path_factory):
    return make(tmp_path_factory.mktemp("release") / "first")


@pytest.fixture(scope="session")
def made_again(tmp_path_factory, release):  # pylint: disable=unused-argument  # after it
    return make(tmp_path_factory.mktemp("release") / "second")
