"""Debian's Prometheus as a process in a place, and its queries."""

import json
import subprocess
import urllib.error
import urllib.parse
import urllib.request

from harness.wait import eventually

PORT = 9090


class Prometheus:
    def __init__(self, place, directory, target, rule_files):
        self._place = place
        self._log = directory / "log"
        configuration = directory / "prometheus.yaml"
        configuration.write_text(json.dumps({  # JSON is YAML
            "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
            "rule_files": [str(path) for path in rule_files],
            "scrape_configs": [{"job_name": "fsm-interceptor",
                                "static_configs": [{"targets": [target]}]}]}))
        with self._log.open("wb") as log:
            self._process = place.start(
                "prometheus", f"--config.file={configuration}",
                f"--storage.tsdb.path={directory / 'data'}",
                f"--web.listen-address=127.0.0.1:{PORT}", "--log.level=warn",
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def __enter__(self):
        eventually(self._has_scraped, 60)
        return self

    def __exit__(self, *_):
        self._process.kill()
        self._process.wait(10)

    def _has_scraped(self):
        if self._process.poll() is not None:
            raise RuntimeError(f"prometheus ended: {self._log.read_text()}")
        return self.query("up == 1")

    def query(self, expression):
        """[(labels, value)] now."""
        result = self._ask("query", query=expression)["result"]
        return [(series["metric"], float(series["value"][1])) for series in result]

    def rules(self):
        """The rules by name, as Prometheus evaluated them last."""
        return {rule["name"]: rule for group in self._ask("rules")["groups"]
                for rule in group["rules"]}

    def _ask(self, what, **arguments):
        url = f"http://127.0.0.1:{PORT}/api/v1/{what}?{urllib.parse.urlencode(arguments)}"
        status, body = self._place.call(_get, url)
        assert status == 200, f"{arguments}: {body}"
        return json.loads(body)["data"]


def _get(url):
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as refusal:  # of a wrong query, or while it starts
        return refusal.code, refusal.read().decode()
