"""Load through a mesh, by the stream tool."""

import json
import pathlib
import signal
import subprocess

from harness import programs
from harness.wait import eventually

SERVER_PORT = 8090
SERVER_FIRST_PORT = 8091
# Checked streams take a few seconds. The tool gives up on a stalled one after 60 s; before that,
# the test prints its sockets.
STANDS_STILL = 45
LOAD_LIMIT = 90
# A connection that has waited this long is lost, also on a busy machine.
FORGOTTEN_SECONDS = 4
# Enough to cover every moment of a change, but few enough for repeated loads: the connections of
# one minute must not fill half of a pod's ports with TIME_WAIT. Above that, the kernel takes tens
# of milliseconds to find a port for each connect(), under iptables as well.
FRESH_CONNECTIONS_PER_SECOND = 400


def listening_sockets(member, port):
    listing = member.pod.root.run("ss", "-Hltn").stdout
    return sum(f":{port} " in line for line in listing.splitlines())


def start_server(member, ports=SERVER_PORT, *options, last_port=SERVER_PORT):
    member.start(programs.STREAM, "server", "--port", ports, *options, stdin=subprocess.DEVNULL)
    eventually(lambda: listening_sockets(member, last_port))


def start_checking_server(member):
    """For check_streams()."""
    start_server(member, SERVER_PORT, "--server-first-port", SERVER_FIRST_PORT, "--max-size",
                 1 << 20)
    eventually(lambda: listening_sockets(member, SERVER_FIRST_PORT))


def start_load(client, server, requests_per_connection=0, connections=8, address=None, serve=True,
               at_least=100):
    """Requests from the client's application to the server's, until finished(). With
    `requests_per_connection`, each connection ends after that many, and a new one follows."""
    if serve:
        start_server(server)
    limit = ()
    if requests_per_connection:
        limit = ("--requests-per-connection", requests_per_connection,
                 "--connections-per-second", FRESH_CONNECTIONS_PER_SECOND)
        # A reused port can match conntrack's entry of its former use, under iptables as well.
        for member in (client, server):
            member.pod.sysctl("net.ipv4.ip_local_port_range=16384 65535")
    load = client.start(programs.STREAM, "load", "--address", address or server.pod.ip4, "--port",
                        SERVER_PORT, "--connections", connections, "--seconds", LOAD_LIMIT,
                        "--at-least", at_least, "--request", 100, "--response", 1000, *limit,
                        stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True)
    eventually(lambda: _catches_sigterm(load.process.pid))
    load.connections, load.at_least = connections, at_least
    return load


def _catches_sigterm(pid):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("SigCgt:"):
            return int(line.split()[1], 16) >> (signal.SIGTERM - 1) & 1
    return False


def finished(load):
    """Ends a load once it has made the required number of requests; returns its counts."""
    load.process.terminate()
    output, _ = load.process.communicate(timeout=LOAD_LIMIT + 30)
    result = json.loads(output)
    # A connection whose other end is gone silently is not an error of the load: it waits.
    assert result["waiting_us"] < FORGOTTEN_SECONDS * 1e6, result
    assert result["requests"] >= load.at_least, result
    return result


def expect_flawless(load):
    """Ends a load; no request may have failed."""
    result = finished(load)
    assert result["errors"] == result["connect_errors"] == 0, result
    return result


def expect_few_cut(load, share=0.05):
    """Ends a load; connections that were open or being opened at the moment of a change may be cut. On a
    busy machine the moment is longer."""
    result = finished(load)
    assert result["errors"] <= max(2 * load.connections, share * result["connections"]), result
    assert result["connect_errors"] == 0, result
    return result


def run_stream(member, *arguments, timeout=120, check=True):
    """A mode of the stream tool, as the application. Returns its lines of JSON."""
    result = member.pod.application.run(programs.STREAM, *arguments, timeout=timeout, check=check,
                                        stdin=subprocess.DEVNULL)
    return [json.loads(line) for line in result.stdout.splitlines()]


def check_streams(client, server, address, *options):
    """Checked streams in parallel; on a failure prints the tool's output and, for a stalled stream, the
    sockets of both pods."""
    tool = client.start(programs.STREAM, "integrity", "--address", address, "--port", SERVER_PORT,
                        "--server-first-port", SERVER_FIRST_PORT, *options,
                        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                        text=True).process
    sockets = ""
    try:
        output, words = tool.communicate(timeout=STANDS_STILL)
    except subprocess.TimeoutExpired:
        sockets = "\n".join(f"{member.pod.name}:\n{_sockets(member)}" for member in (client, server))
        output, words = tool.communicate(timeout=120)
    assert tool.returncode == 0, f"{output}\n{words}\n{sockets}"


def _sockets(member):
    return (member.pod.root.run("ss", "-tanimoe").stdout
            + member.pod.root.run("nstat", "-as").stdout)
