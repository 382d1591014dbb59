"""Runs the probe between two pods with sidecars and records the observations of the four processes."""

import concurrent.futures
import json
import pathlib
import subprocess
import time

from pods import APPLICATION_UID, SIDECAR_UID, Network, SetupError, run, writable_by_all

FAMILIES = ("v4", "v6", "mapped")
PROCESSES = ("client", "client-sidecar", "server-sidecar", "server")
OUTBOUND_PORT = 15001
INBOUND_PORT = 15003
# The ports that the cases name. The kernel chooses all others: connection tracking uses any port
# from 1024 on if two flows would collide.
KNOWN_PORTS = (*range(8080, 8085), OUTBOUND_PORT, INBOUND_PORT, *range(20000, 20100))
QUIET_SECONDS = 0.08
CASE_LIMIT_SECONDS = 15


def probe_options(network):
    names = {network.client.ipv4: "CLIENT", network.client.ipv6: "CLIENT",
             network.server.ipv4: "SERVER", network.server.ipv6: "SERVER",
             f"{network.prefix4}.99": "MISSING", f"{network.prefix6}::99": "MISSING",
             f"{network.prefix4}.255": "BROADCAST"}
    options = {
        "--server4": network.server.ipv4, "--own4": network.client.ipv4,
        "--missing4": f"{network.prefix4}.99",
        "--server6": network.server.ipv6, "--own6": network.client.ipv6,
        "--missing6": f"{network.prefix6}::99",
        "--broadcast": f"{network.prefix4}.255",
        "--sidecar-outbound": str(OUTBOUND_PORT),
        "--known-ports": ",".join(map(str, KNOWN_PORTS)),
        "--names": ",".join(f"{address}={name}" for address, name in names.items()),
    }
    return names, [word for pair in options.items() for word in pair]


class SidecarReport:
    """The lines that a relay has written since the last call, in the probe's format."""

    def __init__(self, path, names):
        self._path = path
        self._names = names
        self._offset = 0

    def size(self):
        return self._path.stat().st_size if self._path.exists() else 0

    def take(self):
        if not self._path.exists():
            return []
        with self._path.open() as report:
            report.seek(self._offset)
            text = report.read()
            self._offset = report.tell()
        seen = []
        for line in text.splitlines():
            fields = json.loads(line)
            seen.append([f"{name} = {self._named(value)}" for name, value in fields.items()])
        # Connections of one case may be accepted in either order.
        seen.sort()
        return [f"connection {number}: {fact}"
                for number, facts in enumerate(seen, start=1) for fact in facts]

    def _named(self, value):
        address, colon, port = value.rpartition(":")
        if not colon or not port.isdigit():
            return value  # the listener's name, or an error's
        address = address.strip("[]")
        bare = address.removeprefix("::ffff:")
        name = self._names.get(bare, bare)
        if bare != address:
            name = f"mapped({name})"
        return f"{name} port {port if int(port) in KNOWN_PORTS else 'EPHEMERAL'}"


class Observation:
    """One family, in its own pair of pods, so that the families can run in parallel."""

    def __init__(self, network, family, programs, directory, relay_options):
        self._network = network
        self._family = family
        self._programs = programs
        self._directory = directory
        self._relay_options = relay_options
        self._names, self._options = probe_options(network)
        self._reports = {}
        self._lines = {process: [] for process in PROCESSES}

    def run(self, mechanism, cases):
        with self._network, writable_by_all(self._directory):
            enrolled = []
            try:
                for pod in self._network.pods():
                    mechanism.enrol(pod)
                    enrolled.append(pod)
                self._start_programs()
                for case in cases:
                    self._run_case(case)
                if not all(pod.running() for pod in self._network.pods()):
                    raise SetupError("a sidecar or the server ended during the run; see "
                                     f"{self._directory}")
            finally:
                for pod in enrolled:
                    mechanism.withdraw(pod)
        self._collect_server()
        return self._lines

    def _start_programs(self):
        for pod, process in ((self._network.client, "client-sidecar"),
                             (self._network.server, "server-sidecar")):
            report = self._directory / f"{process}.jsonl"
            report.unlink(missing_ok=True)
            self._reports[process] = SidecarReport(report, self._names)
            pod.start(SIDECAR_UID, self._programs / "relay", "--outbound", OUTBOUND_PORT,
                      "--inbound", INBOUND_PORT, "--report", report, *self._relay_options,
                      stdout=subprocess.DEVNULL,
                      stderr=(self._directory / f"{process}.log").open("w"))
            pod.await_listener(OUTBOUND_PORT)
        self._server_output = self._directory / "server.raw"
        self._network.server.start(APPLICATION_UID, self._programs / "probe", "server",
                                   *self._options, stdout=self._server_output.open("w"),
                                   stderr=(self._directory / "server.log").open("w"))
        self._network.server.await_listener(8080)

    def _run_case(self, case):
        command = self._network.client.command(
            APPLICATION_UID, self._programs / "probe", "client", "--case", case, "--family",
            self._family, *self._options)
        done = subprocess.run(command, capture_output=True, text=True, check=False,
                              timeout=CASE_LIMIT_SECONDS * 2)
        if done.returncode != 0:
            raise SetupError(f"probe client {case}: {done.stderr.strip()}")
        self._lines["client"] += done.stdout.splitlines()
        self._await_quiet()
        for process, report in self._reports.items():
            self._lines[process] += [f"{self._family}/{case} {process}: {fact}"
                                     for fact in report.take()]

    def _await_quiet(self):
        """The other three processes have written all facts of the case."""
        deadline = time.monotonic() + 5
        seen = None
        while time.monotonic() < deadline:
            now = (self._server_output.stat().st_size,
                   *(report.size() for report in self._reports.values()))
            if now == seen:
                return
            seen = now
            time.sleep(QUIET_SECONDS)

    def _collect_server(self):
        # Each of its connections is a separate process: within a case, a stable sort keeps the
        # order.
        lines = self._server_output.read_text().splitlines()
        self._lines["server"] = [line.replace("v4/", "mapped/", 1)
                                 if self._family == "mapped" else line for line in sorted(lines)]


def list_cases(programs, family):
    lines = run(str(programs / "probe"), "list").splitlines()
    return [line.split("/", 1)[1] for line in lines if line.startswith(f"{family}/")]


def observe(arguments, mechanism):
    """Writes client.txt, client-sidecar.txt, server-sidecar.txt and server.txt to `arguments.out`."""
    programs = pathlib.Path(arguments.programs).resolve()
    out = pathlib.Path(arguments.out).resolve()
    out.mkdir(parents=True, exist_ok=True)

    def one_family(index, family):
        network = Network(f"{arguments.prefix}{index}", arguments.network, index)
        cases = [case for case in list_cases(programs, family)
                 if not arguments.case or case in arguments.case]
        observation = Observation(network, family, programs, out / family,
                                  (arguments.relay_options or "").split())
        return observation.run(mechanism, cases)

    with concurrent.futures.ThreadPoolExecutor(len(arguments.family)) as pool:
        jobs = [pool.submit(one_family, FAMILIES.index(family) + 1, family)
                for family in arguments.family]
        results = [job.result() for job in jobs]
    for process in PROCESSES:
        lines = [line for result in results for line in result[process]]
        (out / f"{process}.txt").write_text("".join(f"{line}\n" for line in lines))
