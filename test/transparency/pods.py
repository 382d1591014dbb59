"""Two pods on a bridge: network namespaces with an address of each family, and programs in them."""

import contextlib
import os
import pathlib
import signal
import subprocess
import time

SIDECAR_UID = 1500
APPLICATION_UID = 1000


class SetupError(Exception):
    """A part of the test's environment could not be created."""


def run(*command, **options):
    done = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    if done.returncode != 0:
        raise SetupError(f"{' '.join(map(str, command))}: {(done.stderr or done.stdout).strip()}")
    return done.stdout


class Pod:
    """A network namespace with eth0 on the bridge. `number` is the last part of its addresses."""

    def __init__(self, name, network, number):
        self.name = name
        self.ipv4 = f"{network.prefix4}.{number}"
        self.ipv6 = f"{network.prefix6}::{number}"
        self.netns = pathlib.Path("/run/netns") / name
        self._network = network
        self._host_end = f"{network.name}v{number}"
        self._processes = []

    def create(self):
        run("ip", "netns", "add", self.name)
        run("ip", "link", "add", self._host_end, "type", "veth",
            "peer", "name", "eth0", "netns", self.name)
        run("ip", "link", "set", self._host_end, "master", self._network.bridge, "up")
        for link in ("lo", "eth0"):
            run("ip", "-n", self.name, "link", "set", link, "up")
        run("ip", "-n", self.name, "address", "add", f"{self.ipv4}/24",
            "broadcast", f"{self._network.prefix4}.255", "dev", "eth0")
        run("ip", "-n", self.name, "address", "add", f"{self.ipv6}/64", "dev", "eth0", "nodad")
        run("ip", "-n", self.name, "route", "add", "default", "via",
            f"{self._network.prefix4}.1")
        run("ip", "-n", self.name, "-6", "route", "add", "default", "via",
            f"{self._network.prefix6}::1")

    def await_addresses(self):
        """Duplicate address detection of the link-local address has ended."""
        deadline = time.monotonic() + 10
        while run("ip", "-n", self.name, "address", "show", "dev", "eth0", "tentative").strip():
            if time.monotonic() > deadline:
                raise SetupError(f"the addresses of {self.name} stay tentative")
            time.sleep(0.05)

    def command(self, uid, *arguments):
        return ["nsenter", f"--net={self.netns}", "setpriv", "--reuid", str(uid), "--regid",
                str(uid), "--clear-groups", *map(str, arguments)]

    def start(self, uid, *arguments, stdout, stderr):
        process = subprocess.Popen(self.command(uid, *arguments), stdout=stdout, stderr=stderr,
                                   stdin=subprocess.DEVNULL)
        self._processes.append(process)
        return process

    def running(self):
        return all(process.poll() is None for process in self._processes)

    def remove(self):
        for process in self._processes:
            process.send_signal(signal.SIGTERM)
        for process in self._processes:
            try:
                process.wait(timeout=5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        # The kernel removes a namespace some time after its end: remove its interface now.
        subprocess.run(["ip", "link", "del", self._host_end], capture_output=True, check=False)
        subprocess.run(["ip", "netns", "del", self.name], capture_output=True, check=False)

    def await_listener(self, port):
        """The program in the pod listens on `port`, or SetupError after five seconds."""
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline:
            listening = run("nsenter", f"--net={self.netns}", "ss", "-Hltn", f"sport = :{port}")
            if listening.strip():
                return
            time.sleep(0.02)
        raise SetupError(f"nothing listens on port {port} in {self.name}")


class Network:
    """The bridge. `second` and `third` are parts of its network: 10.second.third.0/24."""

    def __init__(self, name, second, third):
        if len(name) > 12:
            raise SetupError(f"the name {name} is too long for an interface")
        self.name = name
        self.bridge = f"{name}br"
        self.prefix4 = f"10.{second}.{third}"
        self.prefix6 = f"fd00:{second}:{third}"
        self.client = Pod(f"{name}-client", self, 2)
        self.server = Pod(f"{name}-server", self, 3)

    def __enter__(self):
        self.remove()
        try:
            run("ip", "link", "add", self.bridge, "type", "bridge")
            run("ip", "link", "set", self.bridge, "up")
            run("ip", "address", "add", f"{self.prefix4}.1/24", "dev", self.bridge)
            run("ip", "address", "add", f"{self.prefix6}::1/64", "dev", self.bridge, "nodad")
            for pod in self.pods():
                pod.create()
            for pod in self.pods():
                pod.await_addresses()
        except BaseException:
            self.remove()
            raise
        return self

    def __exit__(self, *_):
        self.remove()

    def pods(self):
        return (self.client, self.server)

    def remove(self):
        for pod in self.pods():
            pod.remove()
        subprocess.run(["ip", "link", "del", self.bridge], capture_output=True, check=False)


@contextlib.contextmanager
def writable_by_all(directory):
    """A directory in which programs of other users can write."""
    directory.mkdir(parents=True, exist_ok=True)
    mode = directory.stat().st_mode
    os.chmod(directory, 0o777)
    try:
        yield directory
    finally:
        os.chmod(directory, mode)
