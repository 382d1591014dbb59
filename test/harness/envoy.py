"""Envoy as a sidecar, with the listeners and clusters that Istio gives to it."""

import json
import os
import pathlib
import subprocess

from harness.wait import eventually

OUTBOUND = 15001
INBOUND = 15006
# The outbound port with a separate listener that is not bound: it gets connections from the one on
# OUTBOUND, by their original destination.
HTTP_PORT = 8080


class Envoy:
    def __init__(self, binary, pod, directory, uid):
        self.place = pod.root.as_user(uid)
        self._directory = pathlib.Path(directory) / f"envoy-{pod.netns.name}"
        self._directory.mkdir(exist_ok=True)
        os.chmod(self._directory, 0o777)
        self._log = self._directory / "log"
        self._access_log = self._directory / "access"
        configuration = self._directory / "envoy.json"
        configuration.write_text(json.dumps(_configuration(str(self._access_log))))
        with self._log.open("ab") as log:
            self._process = self.place.start(
                binary, "--config-path", configuration, "--concurrency", 2, "--disable-hot-restart",
                "--log-level", "warning", "--file-flush-interval-msec", 50,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        eventually(self._is_listening, 20)

    def stop(self):
        self._process.kill()
        self._process.wait(10)

    def connections(self, listener=None):
        """Envoy's log of ended connections: listener, original, peer, upstream, source (the local address
        of the connection to the upstream)."""
        if not self._access_log.exists():
            return []
        lines = [json.loads(line) for line in self._access_log.read_text().splitlines()]
        return [line for line in lines if listener in (None, line["listener"])]

    def _is_listening(self):
        assert self._process.poll() is None, self._log.read_text()
        listing = self.place.as_user(0).run("ss", "-Hltn").stdout
        return f":{OUTBOUND} " in listing and f":{INBOUND} " in listing


def _note(listener, access_log):
    return [{
        "name": "envoy.access_loggers.file",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog",
            "path": access_log,
            "log_format": {"json_format": {
                "listener": listener,
                "original": "%DOWNSTREAM_LOCAL_ADDRESS%",
                "peer": "%DOWNSTREAM_REMOTE_ADDRESS%",
                "upstream": "%UPSTREAM_HOST%",
                "source": "%UPSTREAM_LOCAL_ADDRESS%"}}}}]


def _tcp(listener, cluster, access_log):
    return {"filters": [{
        "name": "envoy.filters.network.tcp_proxy",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
            "stat_prefix": listener, "cluster": cluster, "access_log": _note(listener, access_log)}}]}


def _http(listener, cluster, access_log):
    return {"filters": [{
        "name": "envoy.filters.network.http_connection_manager",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.network."
                     "http_connection_manager.v3.HttpConnectionManager",
            "stat_prefix": listener, "access_log": _note(listener, access_log),
            "route_config": {"virtual_hosts": [{
                "name": "any", "domains": ["*"],
                "routes": [{"match": {"prefix": "/"}, "route": {"cluster": cluster}}]}]},
            "http_filters": [{"name": "envoy.filters.http.router", "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"}}]
        }}]}


def _address(host, port):
    return {"socket_address": {"address": host, "port_value": port}}


def _original_destination(name, **more):
    return {"name": name, "type": "ORIGINAL_DST", "lb_policy": "CLUSTER_PROVIDED",
            "connect_timeout": "5s", **more}


def _configuration(access_log):
    asks_original = {"name": "envoy.filters.listener.original_dst", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.listener.original_dst.v3.OriginalDst"}}
    return {"static_resources": {
        "listeners": [
            {"name": "virtualOutbound", "address": _address("0.0.0.0", OUTBOUND),
             "use_original_dst": True, "listener_filters": [asks_original],
             "filter_chains": [_tcp("outbound", "PassthroughCluster", access_log)]},
            {"name": f"0.0.0.0_{HTTP_PORT}", "address": _address("0.0.0.0", HTTP_PORT),
             "bind_to_port": False, "filter_chains": [_http("http", "PassthroughCluster", access_log)]},
            {"name": "virtualInbound", "address": _address("0.0.0.0", INBOUND),
             "connection_balance_config": {"exact_balance": {}},
             "listener_filters": [asks_original],
             # A connection to the listener itself would loop.
             "filter_chains": [{"filter_chain_match": {"destination_port": INBOUND},
                                **_tcp("blackhole", "BlackHoleCluster", access_log)}],
             "default_filter_chain": _tcp("inbound", "InboundPassthroughCluster", access_log)},
        ],
        "clusters": [
            _original_destination("PassthroughCluster"),
            _original_destination("InboundPassthroughCluster", upstream_bind_config={
                "source_address": {"address": "127.0.0.6", "port_value": 0}}),
            {"name": "BlackHoleCluster", "type": "STATIC", "connect_timeout": "5s"},
        ],
    }}
