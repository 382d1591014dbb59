"""Prints the list of parts (SBOM) of a release as SPDX 2.3 in JSON: from what the programs are really linked
with and compiled from, and which packages of Debian these files belong to.

    sbom.py --name NAME --version VERSION --architecture ARCH --epoch SECONDS --build FOLDER
            [--sysroot FOLDER] [--image FOLDER] PROGRAM=FILE…

PROGRAM is the name of a target of the build, FILE what is shipped of it. Archives come from the linker's own
account (BUILD/linked/PROGRAM.d), shared libraries from the programs, headers from ninja's dependencies. With
--sysroot the libraries are those that scripts/lib/debian.sh has unpacked there. --image adds the packages of
the files of an image that is laid out as a folder.
"""

import argparse
import collections
import datetime
import hashlib
import json
import pathlib
import re
import subprocess

Package = collections.namedtuple("Package", "name version source architecture")


def main():
    options = arguments()
    owners = Owners(options.architecture, options.sysroot)
    programs = dict(each.split("=", 1) for each in options.programs)
    packages, relations = {}, set()

    def known(files):
        for package in owners.of(files):
            packages[package] = f"SPDXRef-Package-{identifier(package.name)}"
            yield packages[package]

    def add(element, relation, files):
        relations.update((element, relation, package) for package in known(files))

    for program, file in programs.items():
        element = f"SPDXRef-File-{identifier(program)}"
        shared, static = linked_with(options.build, program, owners)
        add(element, "STATIC_LINK", static)
        add(element, "DYNAMIC_LINK", shared)
    relations.update((package, "BUILD_DEPENDENCY_OF", "SPDXRef-Release")
                     for package in known(headers_of(options.build)))
    if options.image:
        add("SPDXRef-Release", "CONTAINS", files_of_image(options.image))
    print(json.dumps(document(options, programs, packages, relations), indent=1, sort_keys=True))


def arguments():
    parser = argparse.ArgumentParser()
    for name in ("name", "version", "architecture"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--epoch", type=int, required=True)
    parser.add_argument("--build", type=pathlib.Path, required=True)
    parser.add_argument("--sysroot", type=pathlib.Path)
    parser.add_argument("--image", type=pathlib.Path)
    parser.add_argument("programs", nargs="+")
    return parser.parse_args()


# ---- what is in the programs ----

def linked_with(build, program, owners):
    """The shared libraries and the archives that the linker has read for this program."""
    made = (build / "linked" / f"{program}.d").read_text()
    files = re.split(r"\s+|\\\n", made.split(":", 1)[1].split("\n\n")[0])
    files = {str((build / file).resolve()) for file in files if file and file != "\\"}
    outside = {file for file in files if not file.startswith(f"{build.resolve()}/")}
    shared = {file for file in outside if ".so" in pathlib.Path(file).name}
    static = {file for file in outside - shared if file.endswith((".a", ".o"))}
    return {owners.inside(file) for file in shared}, {owners.inside(file) for file in static}


def headers_of(build):
    """What the product's own objects, not the tests', were compiled from beside its sources."""
    listed = subprocess.run(["ninja", "-C", str(build), "-t", "deps"], check=True, text=True,
                            stdout=subprocess.PIPE).stdout
    headers, wanted = set(), False
    for line in listed.splitlines():
        if line.startswith(" "):
            if wanted:
                headers.add(line.strip())
        elif line:
            wanted = not line.startswith("test/")
    return {str((build / header).resolve()) for header in headers if "/include/" in header}


def files_of_image(image):
    return {f"/{file.relative_to(image)}" for file in image.rglob("*")
            if file.is_file() and not file.is_symlink()}


# ---- whose files these are ----

class Owners:
    """Which package of Debian a file belongs to: of this machine, or of a sysroot."""

    def __init__(self, architecture, sysroot):
        self.architecture = architecture
        self.sysroot = sysroot.resolve() if sysroot else None
        self.unpacked = {}
        if self.sysroot:
            for line in (self.sysroot / "var/lib/fsm/packages").read_text().splitlines():
                name, version, source, path = line.split(" ", 3)
                self.unpacked[path] = Package(name, version, source, architecture)

    def inside(self, file):
        """The path in the sysroot, or the one of this machine."""
        prefix = f"{self.sysroot}/" if self.sysroot else None
        return file[len(prefix) - 1:] if prefix and file.startswith(prefix) else file

    def of(self, files):
        files = sorted(self.inside(file) for file in files)
        found = {self.unpacked[path] for file in files for path in spellings(file)
                 if path in self.unpacked}
        rest = [file for file in files if not any(path in self.unpacked for path in spellings(file))]
        return sorted(found | self._installed(rest))

    def _installed(self, files):
        paths = [path for file in files for path in spellings(file)]
        if not paths:
            return set()
        said = subprocess.run(["dpkg-query", "--search", *paths], check=False, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
        names = {name for line in said.splitlines() if not line.startswith("diversion ")
                 for name in line.rsplit(": ", 1)[0].split(", ")}
        if not names:
            return set()
        form = "${Package} ${Version} ${source:Package} ${Architecture}\n"
        said = subprocess.run(["dpkg-query", "--show", f"--showformat={form}", *sorted(names)],
                              check=True, text=True, stdout=subprocess.PIPE).stdout
        return {Package(*line.split(" ")) for line in said.splitlines()}


def spellings(file):
    """/lib and /usr/lib are one folder, and dpkg knows a file by one of the names."""
    return (file, file[4:]) if file.startswith("/usr/") else (file, f"/usr{file}")


# ---- SPDX ----

def document(options, programs, packages, relations):
    created = datetime.datetime.fromtimestamp(options.epoch, datetime.timezone.utc)
    files = [spdx_file(program, pathlib.Path(file)) for program, file in sorted(programs.items())]
    relations = set(relations) | {("SPDXRef-DOCUMENT", "DESCRIBES", "SPDXRef-Release")}
    relations |= {("SPDXRef-Release", "CONTAINS", file["SPDXID"]) for file in files}
    release = {
        "SPDXID": "SPDXRef-Release", "name": options.name, "versionInfo": options.version,
        "downloadLocation": "NOASSERTION", "filesAnalyzed": False, "copyrightText": "NOASSERTION",
        "licenseConcluded": "NOASSERTION", "licenseDeclared": "Apache-2.0 AND GPL-2.0-only",
        "primaryPackagePurpose": "APPLICATION",
    }
    content = {
        "packages": [release] + [spdx_package(package, packages[package])
                                 for package in sorted(packages)],
        "files": files,
        "relationships": [{"spdxElementId": a, "relationshipType": kind, "relatedSpdxElement": b}
                          for a, kind, b in sorted(relations)],
    }
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    return {
        "spdxVersion": "SPDX-2.3", "dataLicense": "CC0-1.0", "SPDXID": "SPDXRef-DOCUMENT",
        "name": options.name,
        "documentNamespace": f"https://spdx.org/spdxdocs/{options.name}-{digest[:32]}",
        "creationInfo": {"created": created.strftime("%Y-%m-%dT%H:%M:%SZ"),
                         "creators": ["Tool: fsm-sbom"]},
        **content,
    }


def spdx_file(program, file):
    content = file.read_bytes()
    return {
        "SPDXID": f"SPDXRef-File-{identifier(program)}", "fileName": f"./{program}",
        "fileTypes": ["BINARY"], "copyrightText": "NOASSERTION", "licenseConcluded": "NOASSERTION",
        "checksums": [
            {"algorithm": "SHA1", "checksumValue": hashlib.sha1(content).hexdigest()},
            {"algorithm": "SHA256", "checksumValue": hashlib.sha256(content).hexdigest()}],
    }


def spdx_package(package, element):
    return {
        "SPDXID": element, "name": package.name, "versionInfo": package.version,
        "supplier": "Organization: Debian", "sourceInfo": f"Debian source package {package.source}",
        "downloadLocation": "NOASSERTION", "filesAnalyzed": False, "copyrightText": "NOASSERTION",
        "licenseConcluded": "NOASSERTION", "licenseDeclared": "NOASSERTION",
        "externalRefs": [{
            "referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl",
            "referenceLocator": f"pkg:deb/debian/{package.name}@{package.version.replace('+', '%2B')}"
                                f"?arch={package.architecture}"}],
    }


def identifier(name):
    return re.sub(r"[^A-Za-z0-9.-]", "-", name)


if __name__ == "__main__":
    main()
