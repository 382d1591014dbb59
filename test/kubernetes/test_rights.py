"""The interceptor has the rights that the chart's README explains, and no others."""

import pytest

from conftest import CONTROL
from product import DAEMONSET, NAMESPACE, SERVICE_ACCOUNT



def rights_listed(cluster, namespace):
    """{(resource, its names)} -> verbs, as granted to the account; without the rights of every account:
    self reviews, and the API's description."""
    listing = cluster.kubectl("auth", "can-i", "--list", "--as", SERVICE_ACCOUNT, "--namespace",
                              namespace).stdout
    rights = {}
    for line in listing.splitlines()[1:]:
        resource, _, rest = line.partition(" ")
        if not resource or resource.startswith(("self", "[")) or "selfsubject" in resource:
            continue
        urls, names, verbs = (part.split("]")[0].split() for part in rest.split("[")[1:])
        assert not urls, line
        rights[resource, tuple(names)] = set(verbs)
    return rights


@pytest.mark.parametrize("namespace", ["default", "kube-system", NAMESPACE])
def test_nothing_beyond_what_is_explained(cluster, product, namespace):  # pylint: disable=unused-argument
    expected = {("pods", ()): {"get", "list", "watch"}, ("events", ()): {"create"},
                ("nodes", ()): {"get"}}
    if namespace == NAMESPACE:
        expected["daemonsets.apps", (DAEMONSET,)] = {"get", "list", "watch"}
    assert rights_listed(cluster, namespace) == expected


def test_pod_is_not_privileged(cluster, product):
    """It has the capabilities that the chart explains, and a root file system that it cannot write."""
    name = product.pod_on(CONTROL)
    container = cluster.get("pod", name, namespace=NAMESPACE)["spec"]["containers"][0]
    context = container["securityContext"]
    assert not context.get("privileged") and context["capabilities"]["drop"] == ["ALL"]
    assert context["readOnlyRootFilesystem"]
    assert set(context["capabilities"]["add"]) <= {
        "BPF", "NET_ADMIN", "PERFMON", "SYS_ADMIN", "SYS_PTRACE", "DAC_READ_SEARCH"}
