"""Prints a go.mod with which the packages of k8s.io/kubernetes can be built as a dependency.

Its own go.mod says of the modules of the same repository `v0.0.0` and where they lie in its source
tree. They are published as well: v0.34.4 belongs to v1.34.4. All else stays as Kubernetes has it.

    go_mod.py GO_MOD_OF_KUBERNETES VERSION
"""

import pathlib
import re
import sys

# In the repository, but not used by its programs.
NOT_NEEDED = ("k8s.io/sample-", "k8s.io/code-generator")


def go_mod(text, version):
    published = "v0." + version.partition(".")[2]
    staged = re.findall(r"^\s*(k8s\.io/\S+) => \./staging", text, flags=re.M)
    text = re.sub(r"^module .*", "module local/hyperkube", text, flags=re.M)
    text = re.sub(r"^godebug .*\n", "", text, flags=re.M)
    text = re.sub(r"^\s*k8s\.io/\S+ v0\.0\.0\n", "", text, flags=re.M)
    text = re.sub(r"^\s*k8s\.io/\S+ => \./staging\S*\n", "", text, flags=re.M)
    replaced = [f"\t{module} => {module} {published}" for module in staged]
    required = [f"\tk8s.io/kubernetes v{version}"]
    required += [f"\t{module} {published}" for module in staged
                 if not module.startswith(NOT_NEEDED)]
    return "\n".join([text, "replace (", *replaced, ")", "require (", *required, ")", ""])


if __name__ == "__main__":
    print(go_mod(pathlib.Path(sys.argv[1]).read_text(), sys.argv[2]), end="")
