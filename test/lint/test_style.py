"""scripts/lib/style.py finds what breaks a rule, and nothing in a tree that breaks none."""

import contextlib
import io
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

LIBRARY = Path(__file__).resolve().parents[2] / "scripts/lib"
sys.path.insert(0, str(LIBRARY))

import function_lengths  # noqa: E402
import style  # noqa: E402

RULES = """
[arrows]
"common" = []
"common/cni" = ["common"]
"bpf/abi.h" = []
"bpf" = ["bpf/abi.h"]
"datapath" = ["common", "bpf"]
"sync" = ["datapath", "common/cni"]

[private]
"datapath" = ["bpf", "bpf/abi.h"]

[against_arrows]

[layout]
files = ["bpf/abi.h", "bpf/maps.h"]
number = 0
digest = ""

[limits]
function = 6
file = 12

[long_files]

[long_functions]

[words]
checked = true
pattern = '\\b(nobody|whoever)\\b'
allowed = ['user nobody']
unchecked_files = []
"""

ABI = """/* The contract. */
#define FSM_ABI_LAYOUT 3
struct fsm_pod {
    __u32 flags; /* which */
};
#define FSM_COUNTERS(X) X(SEEN, "seen", "What was seen")
"""


class Tree:
    def __init__(self, root):
        self.root = root
        subprocess.run(["git", "init", "--quiet", str(root)], check=True)
        self.write("scripts/lib/style.toml", RULES)
        self.write("bpf/abi.h", ABI)
        self.write("bpf/maps.h", "struct { int type; } fsm_pods;\n")
        self.write("common/fd.h", "class Fd;\n")
        assert self.run("--record-layout") == ""

    def write(self, name, text):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def replace(self, name, old, new):
        text = (self.root / name).read_text()
        assert old in text
        self.write(name, text.replace(old, new))

    def run(self, *arguments):
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            status = style.main(["--root", str(self.root), *arguments])
        assert (status == 0) == (printed.getvalue() == ""), printed.getvalue()
        return printed.getvalue()


@pytest.fixture
def tree(tmp_path):
    assert shutil.which("git")
    return Tree(tmp_path)


def test_a_tree_that_breaks_no_rule(tree):
    tree.write("datapath/a.cpp", '#include "bpf/abi.h"\n#include "common/fd.h"\n')
    tree.write("sync/a.cpp", '#include "common/cni/a.h"\n#include "common/fd.h"\n'
                             '#include "datapath/a.h"\n')
    tree.write("elsewhere/a.cpp", '#include "sync/a.h"\n')
    assert tree.run() == ""


@pytest.mark.parametrize("name, included, part", [
    ("common/a.cpp", "sync/a.h", "common must not use sync"),
    ("common/a.h", "common/cni/a.h", "common must not use common/cni"),
    ("datapath/a.cpp", "sync/a.h", "datapath must not use sync"),
    ("sync/a.cpp", "bpf/abi.h", "sync must not use bpf/abi.h"),
    ("sync/a.cpp", "bpf/all.skel.h", "sync must not use bpf"),
    ("bpf/tc.bpf.c", "common/fd.h", "bpf must not use common"),
])
def test_an_include_against_the_arrow(tree, name, included, part):
    tree.write(name, f'// First line.\n#include "{included}"\n')
    assert f"{name}:2: {part}:" in tree.run()


def test_a_link_against_the_arrow(tree):
    tree.write("sync/CMakeLists.txt", "add_library(fsm_sync STATIC a.cpp)\n"
                                      "target_link_libraries(fsm_sync PUBLIC fsm_common)\n")
    tree.write("common/CMakeLists.txt", "add_library(fsm_common STATIC a.cpp)\n")
    assert tree.run() == ""
    tree.replace("common/CMakeLists.txt", "a.cpp)", "a.cpp)\ntarget_link_libraries(fsm_common\n"
                                                    "  PRIVATE fsm_sync)")
    assert "common/CMakeLists.txt: common must not use sync:" in tree.run()


def test_an_exception_is_for_the_file_that_has_it(tree):
    tree.replace("scripts/lib/style.toml", "[against_arrows]",
                 '[against_arrows]\n"sync" = ["common/a.cpp"]')
    tree.write("common/a.cpp", '#include "sync/a.h"\n')
    tree.write("common/b.cpp", '#include "sync/a.h"\n')
    output = tree.run()
    assert "common/b.cpp" in output and "common/a.cpp" not in output


@pytest.mark.parametrize("old, new", [
    ("__u32 flags;", "__u64 flags;"),
    ("__u32 flags;", "__u32 flags;\n    __u32 more;"),
    ("X(SEEN,", 'X(FIRST, "first", "") \\\n X(SEEN,'),
])
def test_a_layout_that_changes_and_keeps_its_number(tree, old, new):
    tree.replace("bpf/abi.h", old, new)
    assert "FSM_ABI_LAYOUT is still 3: raise it to 4" in tree.run()
    assert "raise it first" in tree.run("--record-layout")
    tree.replace("bpf/abi.h", "LAYOUT 3", "LAYOUT 4")
    assert "--record-layout" in tree.run()
    assert tree.run("--record-layout") == "" and tree.run() == ""


def test_a_map_is_part_of_the_layout(tree):
    tree.replace("bpf/maps.h", "int type", "long type")
    assert "raise it to 4" in tree.run()


def test_comments_and_texts_are_no_part_of_the_layout(tree):
    tree.replace("bpf/abi.h", "/* which */", "// of\n // which\n")
    tree.replace("bpf/abi.h", "What was seen", "What has been seen")
    assert tree.run() == ""


def test_a_layout_of_which_only_names_change_is_recorded_as_the_same(tree):
    tree.replace("bpf/abi.h", "flags", "bits")
    assert "raise it to 4" in tree.run()
    assert tree.run("--record-layout", "same") == "" and tree.run() == ""


def test_a_file_that_is_too_long(tree):
    tree.write("common/a.py", "\n" * 12)
    assert tree.run() == ""
    tree.write("common/a.py", "\n" * 13)
    assert "common/a.py: file has 13 lines, 12 are allowed" in tree.run()
    tree.replace("scripts/lib/style.toml", "[long_files]", '[long_files]\n"common/a.py" = 13')
    assert tree.run() == ""
    tree.write("common/a.py", "\n" * 14)
    assert "file has 14 lines, 13 are allowed" in tree.run()
    tree.write("common/a.py", "\n")
    assert "common/a.py is not too long any more" in tree.run()


@pytest.mark.parametrize("name, text", [
    ("a.cpp", "namespace a {\nint f() {\n1;\n2;\n3;\n4;\n5;\n}\n}\n"),
    ("a.h", "class A {\n    int f() const {\n1;\n2;\n3;\n4;\n5;\n}\n};\n"),
    ("a.py", "def f():\n    1\n    2\n    3\n    4\n    5\n    6\n"),
    ("a.sh", "f() {\n1\n2\n3\n4\n5\n}\n"),
    ("run", "#!/bin/sh\nf() {\n1\n2\n3\n4\n5\n}\n"),
])
def test_a_function_that_is_too_long(tree, name, text):
    tree.write(f"common/{name}", text)
    assert "function f has 7 lines, 6 are allowed" in tree.run()
    tree.write(f"common/{name}", re.sub(r" *5;?\n", "", text))
    assert tree.run() == ""


def test_words(tree):
    tree.write("README.md", "Nobody knows.\nThe user nobody does.\nNobodyness\n")
    assert tree.run() == 'README.md:1: "Nobody": name the component\n'
    tree.replace("scripts/lib/style.toml", "checked = true", "checked = false")
    assert tree.run() == ""
    assert "README.md:1" in tree.run("--words")


SOURCE = r'''
#include "a.h"
#define BRACE {
namespace a {
struct Point { int x; int y; };
enum class Kind : int { one, two };
constexpr int kTable[] = {1, 2};
Config::Config(int a) : a_{a}, b_(2) {
    const char* text = R"({ not a block)" "{";
    char brace = '{';
}
template <typename T>
Result<T> Enroller::create(const T& request, const std::function<void()>& done)
    noexcept {
    if (done) {
        request();  // {
    }
    const auto lambda = [&](int x) { return x; };
}
class A : public B {
  public:
    bool operator==(const A& other) const {
        return true;
    }
};
SEC("tc")
int fsm_tc_in(struct __sk_buff* skb) {
    return 0;
}
}
'''


def test_functions_of_c_plus_plus():
    found = {function.name: (function.line, function.lines)
             for function in function_lengths.of_source("a.cpp", SOURCE)}
    assert found == {"Config::Config": (8, 4), "Enroller::create": (12, 8), "operator==": (22, 3),
                     "fsm_tc_in": (26, 4)}
