#!/usr/bin/python3
"""Container images made of this machine's own programs: no registry, no network.

They are written in docker-archive form, which containerd's `ctr images import` and podman take.

    images.py FOLDER      writes what a node needs before any pod can start: the pause image
"""

import hashlib
import io
import json
import os
import pathlib
import re
import subprocess
import sys
import tarfile

PAUSE_IMAGE = "localhost/pause:1"
SEARCH_PATH = "PATH=/usr/sbin:/usr/bin:/sbin:/bin"
PASSWD = b"root:x:0:0::/:/bin/sh\nnobody:x:65534:65534::/:/bin/false\n"
GROUP = b"root:x:0:\nnogroup:x:65534:\n"


class Layer:
    """The only layer of an image. A name is added once."""

    def __init__(self):
        self._buffer = io.BytesIO()
        self._names = set()
        # No times and owners: the same content gives the same image.
        self._tar = tarfile.open(fileobj=self._buffer, mode="w")

    def close(self):
        self._tar.close()
        return self._buffer.getvalue()

    def folder(self, path, mode=0o755):
        self._add(path, tarfile.DIRTYPE, mode)

    def file(self, path, data, mode=0o644):
        self._add(path, tarfile.REGTYPE, mode, data)

    def link(self, path, target):
        self._add(path, tarfile.SYMTYPE, 0o777, link=target)

    def program(self, source, path=None):
        """A program of this machine, with the libraries that it loads."""
        source = pathlib.Path(source)
        self.file(path or source, source.read_bytes(), 0o755)
        for library in _libraries(source):
            self.file(library, pathlib.Path(library).read_bytes(), 0o755)

    def _add(self, path, kind, mode, data=b"", link=""):
        name = str(path).strip("/")
        if name in self._names:
            return
        if os.path.dirname(name):
            self.folder(os.path.dirname(name))
        self._names.add(name)
        entry = tarfile.TarInfo(name)
        entry.type, entry.mode, entry.size, entry.linkname = kind, mode, len(data), link
        self._tar.addfile(entry, io.BytesIO(data))


def _libraries(program):
    """The libraries under their loader names; none for a static program."""
    listing = subprocess.run(["ldd", program], capture_output=True, text=True, check=False).stdout
    return sorted(set(re.findall(r"(/\S+) \(0x", listing)))


def write_image(folder, name, layer, entrypoint):
    """Writes the archive of an image into the folder and returns its path."""
    blob = layer.close()
    digest = hashlib.sha256(blob).hexdigest()
    description = json.dumps({
        "architecture": "amd64", "os": "linux", "created": "1970-01-01T00:00:00Z",
        "config": {"Env": [SEARCH_PATH], "Entrypoint": entrypoint, "WorkingDir": "/"},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
    }).encode()
    description_name = hashlib.sha256(description).hexdigest() + ".json"
    layer_name = f"{digest}/layer.tar"
    manifest = [{"Config": description_name, "RepoTags": [name], "Layers": [layer_name]}]
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / (re.sub(r"[^\w.-]", "_", name) + ".tar")
    with tarfile.open(path, "w") as archive:
        for inner, data in ((description_name, description), (layer_name, blob),
                            ("manifest.json", json.dumps(manifest).encode())):
            entry = tarfile.TarInfo(inner)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return path


def rename_image(source, target, name):
    """Writes the archive of the same image under another name."""
    with tarfile.open(source) as old, tarfile.open(target, "w") as new:
        for entry in old:
            data = old.extractfile(entry).read() if entry.isfile() else b""
            if entry.name == "manifest.json":
                data = json.dumps([{**json.loads(data)[0], "RepoTags": [name]}]).encode()
                entry.size = len(data)
            new.addfile(entry, io.BytesIO(data))


def pause_image(folder):
    """The program that keeps the namespaces of a pod."""
    binaries = pathlib.Path(os.environ["FSM_K8S"]) / "bin"
    layer = Layer()
    layer.program(binaries / "pause", "/pause")
    return write_image(folder, PAUSE_IMAGE, layer, ["/pause"])


def program_image(folder, name, programs, files):
    """A shell, and programs of this machine under /usr/bin; `files` is path -> text."""
    layer = Layer()
    layer.program("/usr/bin/busybox", "/bin/busybox")
    applets = subprocess.run(["/usr/bin/busybox", "--list"], capture_output=True, text=True,
                             check=True).stdout.split()
    for applet in applets:
        layer.link(f"/bin/{applet}", "busybox")
    layer.file("/etc/passwd", PASSWD)
    layer.file("/etc/group", GROUP)
    layer.file("/etc/nsswitch.conf", b"hosts: files dns\n")
    layer.folder("/tmp", 0o1777)
    for folder_name in ("/run", "/var/log/nginx", "/var/lib/nginx"):
        layer.folder(folder_name)
    for program in programs:
        layer.program(program, f"/usr/bin/{pathlib.Path(program).name}")
    # glibc loads the resolver's parts by name, so ldd does not list them.
    for part in pathlib.Path("/lib/x86_64-linux-gnu").glob("libnss_dns.so*"):
        layer.program(part)
    for path, text in files.items():
        layer.file(path, text.encode())
    return write_image(folder, name, layer, None)


if __name__ == "__main__":
    print(pause_image(sys.argv[1]))
