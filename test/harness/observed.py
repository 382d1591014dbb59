"""Whether a connection goes to a sidecar, as observed by the sidecar and the application."""

from harness.application import ask


def is_intercepted_outbound(client, address, port):
    """Whether a new connection goes to the client's sidecar; it must work in either case."""
    before = len(client.relay.reports("outbound"))
    answer = client.call(ask, address, port)
    assert answer["port"] == port
    return len(client.relay.reports("outbound")) > before


def is_intercepted_inbound(server, client, address, port):
    before = len(server.relay.reports("inbound"))
    answer = client.call(ask, address, port)
    assert answer["application"] == server.pod.name
    intercepted = len(server.relay.reports("inbound")) > before
    # The application's observation must agree.
    assert (answer["peer"] not in (client.pod.ip4, client.pod.ip6)) == intercepted
    return intercepted
