"""What makes a memory fault hard to exploit is in everything that is installed: cmake/hardening.cmake
asks for it, and here it is looked for in what the compiler and the linker have made."""

import os
import re
import subprocess
from functools import cache
from pathlib import Path

import pytest

pytestmark = pytest.mark.shipped

BUILD = Path(os.environ.get("FSM_BUILD_DIR", "build/release"))
PLUGIN = "cni-plugin/fsm-cni"
WITH_SYMBOLS = ["interceptor/fsm-interceptor", "cli/fsm"]
LIBRARIES = ["common", "interceptor", "cni-plugin", "cli"]

of_all = pytest.mark.parametrize("program", [PLUGIN, *WITH_SYMBOLS])
of_those_with_symbols = pytest.mark.parametrize("program", WITH_SYMBOLS)


@cache
def readelf(*arguments):
    return subprocess.run(["readelf", "-W", *map(str, arguments)], capture_output=True, text=True,
                          check=True).stdout


def segment(program, kind):
    return [line.split() for line in readelf("-l", BUILD / program).splitlines()
            if line.split()[:1] == [kind]]


@of_all
def test_is_loaded_at_any_address(program):
    assert re.search(r"Type:\s+DYN \(Position-Independent Executable", readelf("-h", BUILD / program))
    assert "TEXTREL" not in readelf("-d", BUILD / program)


@of_all
def test_cannot_write_what_the_loader_has_resolved(program):
    assert segment(program, "GNU_RELRO")
    assert re.search(r"\(FLAGS_1\)\s+Flags: .*\bNOW\b", readelf("-d", BUILD / program))


@of_all
def test_cannot_run_its_stack_or_write_its_code(program):
    assert [words[-2] for words in segment(program, "GNU_STACK")] == ["RW"]
    for words in segment(program, "LOAD"):
        flags = "".join(words[6:-1])
        assert not {"W", "E"} <= set(flags), words


@of_those_with_symbols
def test_looks_whether_its_stack_is_whole_and_its_buffers_suffice(program):
    symbols = readelf("--syms", BUILD / program)
    assert "__stack_chk_fail" in symbols
    assert re.search(r"\b__\w+_chk\b", symbols)


@of_all
def test_looks_whether_an_index_is_in_range(program):
    """By the assertions of the C++ library: their text names the condition."""
    assert b"__n < this->size()" in (BUILD / program).read_bytes()


def libraries():
    return sorted(path for folder in LIBRARIES for path in (BUILD / folder).rglob("*.a"))


def test_every_source_was_compiled_with_it():
    """The compiler writes its options into the debug information."""
    machine = re.search(r"Machine:\s+(.*)", readelf("-h", BUILD / PLUGIN))[1]
    wanted = {"-fstack-protector-strong", "-fstack-clash-protection", "-fPIE",
              "-mbranch-protection=standard" if "AArch64" in machine else "-fcf-protection=full"}
    sources = 0
    for library in libraries():
        information = readelf("--debug-dump=info", "--dwarf-depth=1", library)
        for producer in re.findall(r"DW_AT_producer\s*: (.*)", information):
            sources += 1
            assert wanted <= set(producer.split()), f"{library}: {producer}"
    assert sources > 100, "the libraries have no debug information to look into"


def test_what_the_plugin_shares_checks_the_size_of_buffers():
    """The plugin has no symbols left, but the library that writes into buffers has."""
    library, = (path for path in libraries() if path.stem == "libfsm_common")
    assert re.search(r"\b__\w+_chk\b", readelf("--syms", library))
