"""Prints what the interceptor finds out about the running kernel, as its status has it."""

import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

# pylint: disable=wrong-import-position
from harness.interceptor import Interceptor  # noqa: E402
from harness.node import Node  # noqa: E402


def main():
    node = Node()
    interceptor = Interceptor(node)
    try:
        status = interceptor.start().get("status")
    finally:
        interceptor.remove()
        node.delete()
    json.dump({"capabilities": status["capabilities"],
               "acceleration": status["automaticAcceleration"]["scope"]},
              sys.stdout, indent=1)


if __name__ == "__main__":
    main()
