"""Prints "passed failed skipped" of a JUnit report, as ctest and pytest write it."""

import sys
import xml.etree.ElementTree as ElementTree


def counts(path):
    passed = failed = skipped = 0
    for case in ElementTree.parse(path).iter("testcase"):
        kinds = {child.tag for child in case}
        # ctest says it in an attribute as well: "notrun" and "disabled" are tests that did not run.
        status = case.get("status", "run")
        if kinds & {"failure", "error"} or status == "fail":
            failed += 1
        elif "skipped" in kinds or status in ("notrun", "disabled"):
            skipped += 1
        else:
            passed += 1
    return passed, failed, skipped


if __name__ == "__main__":
    print(*counts(sys.argv[1]))
