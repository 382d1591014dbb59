"""The annotations of a pod's owner, and the events that the owner gets."""

from applications import OWN_SOURCE, PORT, client, request, server, service
from conftest import CONTROL
from harness.wait import eventually


def test_change_applies_to_new_connections(cluster, product):  # pylint: disable=unused-argument
    address = cluster.addresses("server")[0]
    own = cluster.addresses("client")[0]
    assert request(cluster, "client", address, PORT).seen == OWN_SOURCE
    cluster.annotate("server", inbound_port_exclusion_list=PORT)
    try:
        eventually(lambda: request(cluster, "client", address, PORT).seen == own)
    finally:
        cluster.annotate("server", inbound_port_exclusion_list=None)
    eventually(lambda: request(cluster, "client", address, PORT).seen == OWN_SOURCE)


def test_bad_annotation_is_told_by_an_event(cluster, product, pods):
    """The rest of the list still applies."""
    product.expect("default/careless.*eighty")
    pods.start(client("careless", annotations={
        "outbound_port_exclusion_list": "9999, eighty"}))
    assert product.enrolled(CONTROL, "careless")
    event = eventually(lambda: next(
        (event for event in cluster.events("careless") if "eighty" in event["message"]), None))
    assert event["type"] == "Warning"
    assert "outbound-port-exclusion-list" in event["message"]


def test_injection_switched_off(cluster, product, pods):
    pods.start(client("off", annotations={"sidecar_injection": "disabled"}),
               server("plainserver", annotations={"sidecar_injection": "disabled"}),
               service("plainserver"))
    assert not product.enrolled(CONTROL, "off")
    answer = eventually(lambda: request(cluster, "off", "plainserver"))
    assert answer.seen == cluster.addresses("off")[0]
