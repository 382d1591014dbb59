"""What a user downloads."""

import hashlib
import io
import json
import os
import pathlib
import shutil
import subprocess
import tarfile

import pytest

from conftest import EPOCH, REPOSITORY

PROGRAMS = ["fsm", "fsm-interceptor", "fsm-cni"]


def run(*command, status=0, **more):
    done = subprocess.run([str(each) for each in command], check=False, text=True, errors="replace",
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **more)
    assert done.returncode == status, f"{command} ended with {done.returncode}:\n{done.stdout}"
    return done.stdout


def test_checksums_are_those_of_every_file(release):
    said = run("sha256sum", "--check", "--strict", "SHA256SUMS", cwd=release.folder)
    named = {line.split(":")[0] for line in said.splitlines()}
    assert named == {path.name for path in release.folder.iterdir()} - {"SHA256SUMS"}


def test_archive_has_what_is_installed(release):
    have = {path.name for path in release.programs.iterdir()}
    assert have >= {*PROGRAMS, "charts", "manifests", "profiles", "README.md", "LICENSE", "LICENSE.bpf"}
    assert (release.programs / "charts/fsm/Chart.yaml").is_file()
    assert sorted(path.name for path in (release.programs / "profiles").iterdir()) == \
        sorted(path.name for path in (REPOSITORY / "profiles").iterdir())


@pytest.mark.parametrize("archive", ["program_archive", "debug_archive"])
def test_archive_names_no_user_and_no_time_of_its_own(release, archive):
    with tarfile.open(getattr(release, archive)) as opened:
        members = opened.getmembers()
    assert [member.name for member in members] == sorted(member.name for member in members)
    assert {(member.uid, member.gid, member.uname, member.gname, member.mtime)
            for member in members} == {(0, 0, "", "", EPOCH)}


# fsm-cni is nothing to call by hand, says so and ends with 1.
@pytest.mark.parametrize("command, status", [
    (["fsm", "version", "--cli-only"], 0), (["fsm-interceptor", "--version"], 0),
    (["fsm-cni", "--version"], 1)], ids=PROGRAMS)
def test_program_says_the_version(release, command, status):
    said = run(release.programs / command[0], *command[1:], status=status)
    assert release.version in said.splitlines()[0]


@pytest.mark.parametrize("program", ["fsm", "fsm-cni"])
def test_program_needs_no_library(release, program):
    assert "NEEDED" not in run("readelf", "--dynamic", release.programs / program)


@pytest.mark.parametrize("program", PROGRAMS)
def test_debug_information_is_found(release, program):
    """By the name that stands in the program, and by its build ID; gdb tells where main() is."""
    stripped = run("readelf", "--sections", "--wide", release.programs / program)
    assert ".debug_info" not in stripped and ".symtab" not in stripped
    assert f"{program}.debug" in run("readelf", "--string-dump=.gnu_debuglink",
                                     release.programs / program)
    said = run("gdb", "--batch", "--nx", "-iex", f"set debug-file-directory {release.debug}",
               "-ex", "info line main", release.programs / program)
    assert "main.cpp" in said, said


@pytest.mark.parametrize("program", PROGRAMS)
def test_no_path_of_the_machine_is_inside(release, program):
    here = {str(REPOSITORY).encode(), str(pathlib.Path.home()).encode() + b"/",
            str(release.folder).encode()}
    for file in (release.programs / program, release.debug / f"{program}.debug"):
        # Sections of debug information may be compressed.
        plain = release.unpacked / f"{file.name}.plain"
        run("objcopy", "--decompress-debug-sections", file, plain)
        found = {path for path in here if path in plain.read_bytes()}
        assert not found, f"{file.name} has {found}"


def test_list_of_parts_names_what_is_linked(release):
    parts = json.loads(release.parts.read_text())
    assert parts["spdxVersion"] == "SPDX-2.3" and parts["dataLicense"] == "CC0-1.0"
    assert parts["creationInfo"]["created"] == "2023-11-14T22:13:20Z"
    elements = {each["SPDXID"]: each for each in parts["packages"] + parts["files"]}
    assert len(elements) == len(parts["packages"]) + len(parts["files"]), "an SPDXID is given twice"
    relations = {(each["spdxElementId"], each["relationshipType"], each["relatedSpdxElement"])
                 for each in parts["relationships"]}
    for source, _, target in relations:
        assert {source, target} <= {*elements, "SPDXRef-DOCUMENT"}
    packages = {each["name"]: each["versionInfo"] for each in parts["packages"]}
    assert packages["libbpf1"] == installed_version("libbpf1")
    linked = {("fsm-interceptor", "DYNAMIC_LINK", "libbpf1"),
              ("fsm-interceptor", "DYNAMIC_LINK", "libssl3"),
              ("fsm-interceptor", "STATIC_LINK", "libyaml-cpp-dev"),
              ("fsm", "STATIC_LINK", "libyaml-cpp-dev"),
              ("fsm-cni", "STATIC_LINK", "libc6-dev")}
    for program, kind, package in linked:
        assert (f"SPDXRef-File-{program}", kind, f"SPDXRef-Package-{package}") in relations
    assert ("SPDXRef-Package-nlohmann-json3-dev", "BUILD_DEPENDENCY_OF", "SPDXRef-Release") in relations
    assert ("SPDXRef-Release", "CONTAINS", "SPDXRef-Package-iptables") in relations


def test_list_of_parts_has_every_library_that_a_program_needs(release):
    """The loader's own account, against the linker's."""
    parts = json.loads(release.parts.read_text())
    named = {each["name"] for each in parts["packages"]}
    loaded = [word for word in run("ldd", release.programs / "fsm-interceptor").split()
              if word.startswith("/")]
    owners = {line.split(":")[0] for path in loaded
              for line in run("dpkg-query", "--search", f"*{path.removeprefix('/lib')}").splitlines()
              if "-cross" not in line}
    assert owners and owners <= named, owners - named


def installed_version(package):
    return run("dpkg-query", "--show", "--showformat=${Version}", package)


@pytest.mark.parametrize("program", PROGRAMS)
def test_list_of_parts_has_the_programs_checksums(release, program):
    parts = json.loads(release.parts.read_text())
    file = next(each for each in parts["files"] if each["fileName"] == f"./{program}")
    sums = {each["algorithm"]: each["checksumValue"] for each in file["checksums"]}
    assert sums["SHA256"] == hashlib.sha256((release.programs / program).read_bytes()).hexdigest()


def test_image_is_an_oci_archive_of_the_architecture(release):
    with tarfile.open(release.image) as image:
        def blob(descriptor):
            content = image.extractfile(f"./blobs/{descriptor['digest'].replace(':', '/')}").read()
            assert hashlib.sha256(content).hexdigest() == descriptor["digest"].split(":")[1]
            return content

        index = json.load(image.extractfile("./index.json"))
        manifest = json.loads(blob(index["manifests"][0]))
        configuration = json.loads(blob(manifest["config"]))
        layers = [tarfile.open(fileobj=io.BytesIO(blob(layer))) for layer in manifest["layers"]]
    assert (configuration["os"], configuration["architecture"]) == ("linux", "amd64")
    assert configuration["config"]["Entrypoint"] == ["/app/fsm-interceptor"]
    files = {name.removeprefix("./") for layer in layers for name in layer.getnames()}
    assert {"app/fsm-interceptor", "app/fsm-cni", "usr/sbin/iptables"} <= files


def test_second_run_gives_the_same_bytes(release, made_again):
    differ = [path.name for path in sorted(release.folder.iterdir())
              if path.read_bytes() != (made_again.folder / path.name).read_bytes()]
    assert not differ


def test_build_in_another_folder_gives_the_same_bytes(release, tmp_path):
    """Without ccache: the smallest program, and the BPF programs, which lie in the interceptor."""
    source = tmp_path / "elsewhere"
    for file in run("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard",
                    cwd=REPOSITORY).split("\0"):
        if file and (REPOSITORY / file).exists():
            (source / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(REPOSITORY / file, source / file)
    environment = {**os.environ, "CCACHE_DISABLE": "1"}
    run("cmake", "--preset", "release", "-DFSM_BUILD_TESTS=OFF", cwd=source, env=environment)
    run("cmake", "--build", "--preset", "release", "--target", "fsm-cni", "fsm_bpf_skeleton",
        cwd=source, env=environment)
    same = ["cni-plugin/fsm-cni", "cni-plugin/fsm-cni.debug", "generated/bpf/fsm_bpf.skel.h"]
    differ = [file for file in same if (source / "build/release" / file).read_bytes() !=
              (REPOSITORY / "build/release" / file).read_bytes()]
    assert not differ
    assert run("readelf", "--notes", release.programs / "fsm-cni") == \
        run("readelf", "--notes", source / "build/release/cni-plugin/fsm-cni")
