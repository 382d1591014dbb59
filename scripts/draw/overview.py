#!/usr/bin/env python3
"""Draws the picture of the README: the way of a request, with iptables and with this project.

    scripts/draw/overview.py >docs/pictures/overview.svg
"""

import sys

sys.dont_write_bytecode = True

from svg import BLUE, GREEN, GREY, INK, ORANGE, Picture  # noqa: E402  # after the setting

PODS = ((20, "client pod"), (480, "server pod"))
POD_WIDTH = 400


def pod(picture, x, y, name):
    picture.box(x, y, POD_WIDTH, 92, fill="white", dashed=True)
    picture.text(x + 10, y + 17, name, size=11, colour=GREY, anchor="start")


def process(picture, x, y, name, colour):
    picture.box(x, y, 120, 44, fill="white", line=colour)
    picture.text(x + 60, y + 27, name, colour=colour, bold=True)


def kernel(picture, x, y, width, words, colour=GREY):
    picture.box(x, y, width, 30, line=colour)
    picture.text(x + width / 2, y + 20, words, size=11, colour=INK)


def pods(picture, y):
    """The four processes; returns where each stands."""
    for x, name in PODS:
        pod(picture, x, y, name)
    places = {"application": 45, "sidecar": 275, "server's sidecar": 505, "server": 735}
    for name, x in places.items():
        is_sidecar = "sidecar" in name
        process(picture, x, y + 32, "sidecar" if is_sidecar else "application",
                BLUE if is_sidecar else INK)
    return places


def down_and_up(picture, left, right, y, depth, colour):
    picture.arrow([(left, y), (left, y + depth), (right, y + depth), (right, y)], colour)


def with_iptables(picture, y):
    picture.text(20, y, "With the mesh's iptables rules", size=15, anchor="start", bold=True)
    pods(picture, y + 14)
    bottom = y + 14 + 76
    for left, right, middle in ((105, 335, 165), (335, 565, 395), (565, 795, 625)):
        down_and_up(picture, left + 15, right - 15, bottom, 58, ORANGE)
        kernel(picture, middle, bottom + 43, 110, "TCP, netfilter", ORANGE)
    picture.text(450, y + 182, "every packet passes the network stack and connection tracking three "
                 "times", size=12, colour=ORANGE)


def with_fsm(picture, y):
    picture.text(20, y, "With FSM eBPF interception", size=15, anchor="start", bold=True)
    pods(picture, y + 14)
    bottom = y + 14 + 76
    for left, right in ((105, 335), (335, 565), (565, 795)):
        down_and_up(picture, left + 15, right - 15, bottom, 42, GREEN)
    kernel(picture, 155, bottom + 27, 130, "connect(): to sidecar", GREEN)
    kernel(picture, 385, bottom + 27, 130, "queue to queue", GREEN)
    kernel(picture, 615, bottom + 27, 130, "not intercepted", GREEN)
    picture.text(450, y + 170, "decided once, when a connection is made; the sidecar asks for "
                 "SO_ORIGINAL_DST as before;", size=12, colour=GREEN)
    picture.text(450, y + 188, "within a node, data moves from socket to socket without TCP",
                 size=12, colour=GREEN)


def draw():
    picture = Picture(900, 440, "The way of a request: with iptables, and with FSM eBPF "
                                "interception")
    with_iptables(picture, 28)
    with_fsm(picture, 246)
    return str(picture)


if __name__ == "__main__":
    sys.stdout.write(draw())
