"""The interceptor's pod is replaced under load."""

import json

from applications import STREAM_PORT, client, request
from conftest import CONTROL
from harness.wait import eventually
from product import IMAGE, NAMESPACE, NEXT_TAG

LOAD_SECONDS = 12


def start_load(cluster, requests_per_connection):
    return cluster.start_in("client", "stream", "load", "--address",
                            cluster.addresses("server")[0], "--port", STREAM_PORT,
                            "--connections", 8, "--seconds", LOAD_SECONDS, "--request", 100,
                            "--response", 1000, "--requests-per-connection",
                            requests_per_connection)


def expect_flawless(load, least):
    output, errors = load.communicate(timeout=90)
    assert load.returncode == 0, errors
    result = json.loads(output)
    assert result["errors"] == result["connect_errors"] == 0, result
    assert result["requests"] > least, result


def test_deleted_pod(cluster, product):
    loads = [start_load(cluster, 1), start_load(cluster, 100000)]
    product.replace_pod(CONTROL)
    for load in loads:
        expect_flawless(load, 1000)


def test_upgraded_image(cluster, product):
    loads = [start_load(cluster, 1), start_load(cluster, 100000)]
    product.upgrade(f"fsm.image.tag={NEXT_TAG}")
    for load in loads:
        expect_flawless(load, 1000)
    running = cluster.get("pod", product.pod_on(CONTROL), namespace=NAMESPACE)
    assert running["spec"]["containers"][0]["image"] == f"{IMAGE}:{NEXT_TAG}"
    assert product.enrolled(CONTROL, "client") and product.enrolled(CONTROL, "server")


def test_pod_that_starts_while_the_interceptor_is_away(cluster, product, pods):
    """Its sandbox is created when the interceptor is back; it never bypasses its sidecar."""
    name = product.pod_on(CONTROL)
    product.keep_logs()
    cluster.kubectl("--namespace", NAMESPACE, "delete", "pod", name, "--wait=false")
    pods.start(client("impatient"))
    product.wait_rolled_out()
    eventually(lambda: product.enrolled(CONTROL, "impatient"))
    assert eventually(lambda: request(cluster, "impatient", "server"))
