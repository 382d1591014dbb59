"""Which processes count as the sidecar: those with the uid or gid of its mesh that are not in a container
known to be another one. If the pod's status lists the running containers, an application with the
sidecar's uid is intercepted like any other; unknown containers are judged by their uid, so that a sidecar
is never mistaken for an application."""

import pathlib
import uuid

import pytest

from harness import attacks
from harness.mesh import POD_OF
from harness.place import Place
from harness.wait import eventually

from test_security_outbound import is_intercepted

PORT = 8080
# A pass every 5 s.
TOLD = 12


class Containers:
    """The cgroups of a pod's containers, as created by a kubelet and a runtime."""

    PATHS = {"cgroupfs": ("kubepods/burstable/pod{uid}", "{id}"),
             "systemd": ("kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{slice}.slice",
                         "cri-containerd-{id}.scope"),
             "guaranteed": ("kubepods/pod{uid}", "{id}")}

    def __init__(self, member, node, driver):
        self.member = member
        uid = str(uuid.uuid4())
        path, self._name = self.PATHS[driver]
        self._directory = pathlib.Path(node.pod_cgroup) / path.format(
            uid=uid, slice=uid.replace("-", "_"))

    def start(self, name, reported=True):
        """A new container; its place runs as root. `reported`: the status lists it."""
        identity = uuid.uuid4().hex * 2
        directory = self._directory / self._name.format(id=identity)
        directory.mkdir(parents=True)
        if reported:
            self.member.running = {**self.member.running, name: identity}
            self.member.describe()
        return Place(self.member.pod.netns.path, directory)


@pytest.fixture(params=["cgroupfs"])
def driver(request):
    return request.param


class Scene:
    """A pod of the mesh with its sidecar's container and an application's, both with the sidecar's
    uid."""

    def __init__(self, mesh, driver):
        self.interceptor = mesh.interceptor
        server = mesh.outsider("server")
        server.serve(PORT)
        self.target = server.pod.ip4, PORT
        self.client = mesh.member("client")
        self.containers = Containers(self.client, mesh.node, driver)
        self.sidecar = self.containers.start("sidecar")
        self.client.pod.root = self.sidecar
        self.client.start_sidecar()
        self.application = self.containers.start("app")

    def goes_to_the_sidecar(self, place, connect=attacks.plain):
        return is_intercepted(self.client, connect, *self.target,
                              place=place.as_user(self.client.uid))


@pytest.fixture
def scene(make_mesh, driver):
    return Scene(make_mesh("sk_lookup"), driver)


@pytest.mark.parametrize("driver", Containers.PATHS, indirect=True)
def test_application_with_the_sidecars_uid_is_intercepted(scene):
    eventually(lambda: scene.goes_to_the_sidecar(scene.application), TOLD)
    assert not scene.goes_to_the_sidecar(scene.sidecar)


@pytest.mark.parametrize("way", ["fast open", "MPTCP", "io_uring", "io_uring's worker", "v4-mapped"])
def test_by_whatever_way_it_connects(scene, way):
    eventually(lambda: scene.goes_to_the_sidecar(scene.application), TOLD)
    assert scene.goes_to_the_sidecar(scene.application, attacks.OUTBOUND[way])
    assert not scene.goes_to_the_sidecar(scene.sidecar, attacks.OUTBOUND[way])


def test_cgroup_that_a_container_makes_belongs_to_it(scene):
    eventually(lambda: scene.goes_to_the_sidecar(scene.application), TOLD)
    for container, intercepted in ((scene.application, True), (scene.sidecar, False)):
        nested = container.cgroup / "a" / "b"
        nested.mkdir(parents=True)
        assert scene.goes_to_the_sidecar(Place(container.netns, nested)) == intercepted


def test_sidecar_that_starts_again_is_never_mistaken(scene):
    """Its new container is not in the status at first, and is added later."""
    eventually(lambda: scene.goes_to_the_sidecar(scene.application), TOLD)
    again = scene.containers.start("sidecar", reported=False)
    assert not scene.goes_to_the_sidecar(again)
    reported = scene.containers.start("sidecar")
    scene.containers.start("other")
    eventually(lambda: _entries(scene) == 3, TOLD)
    assert not scene.goes_to_the_sidecar(again) and not scene.goes_to_the_sidecar(reported)


def _entries(scene):
    """The pod's own, and one for each other container."""
    return scene.interceptor.map_entries()["fsm_containers"]


def test_application_that_starts_again_counts_as_soon_as_the_status_tells(scene):
    eventually(lambda: scene.goes_to_the_sidecar(scene.application), TOLD)
    again = scene.containers.start("app", reported=False)
    assert not scene.goes_to_the_sidecar(again), "not known: by its uid"
    again = scene.containers.start("app")
    eventually(lambda: scene.goes_to_the_sidecar(again), TOLD)
    assert _entries(scene) == 2


def test_what_is_known_outlives_the_interceptor(scene):
    interceptor = scene.interceptor
    eventually(lambda: scene.goes_to_the_sidecar(scene.application), TOLD)
    interceptor.kill()
    assert scene.goes_to_the_sidecar(scene.application)
    interceptor.start()
    assert scene.goes_to_the_sidecar(scene.application)
    assert not scene.goes_to_the_sidecar(scene.sidecar)
    scene.client.stop_processes()
    scene.client.withdraw()
    eventually(lambda: _entries(scene) == 0, TOLD)


def test_gid_of_the_sidecar_is_as_little(make_mesh):
    details = POD_OF["istio"]
    mesh = make_mesh("sk_lookup", profile="istio")
    server = mesh.outsider("server")
    server.serve(PORT)
    client = mesh.member("client", **details)
    containers = Containers(client, mesh.node, "cgroupfs")
    client.pod.root = containers.start("istio-proxy")
    client.start_sidecar(inbound=15006)
    application = containers.start("app")

    def is_with_gid(place):
        return is_intercepted(client, attacks.with_gid, client.uid, server.pod.ip4, PORT, place=place)

    eventually(lambda: is_with_gid(application), TOLD)
    assert not is_with_gid(client.pod.root)


def test_init_container_with_the_sidecars_uid_is_let_pass(scene):
    """The meshes' recommendation for init containers that need the network before the sidecar runs;
    istio-validation is one."""
    scene.client.init_containers = ("setup",)
    container = scene.containers.start("setup")
    eventually(lambda: scene.goes_to_the_sidecar(scene.application), TOLD)
    assert not scene.goes_to_the_sidecar(container)


def test_call_to_the_own_pod_stays_in_it(scene):
    """The application's call bypasses the sidecar; the sidecar's own call is redirected to itself."""
    scene.client.serve(PORT, place=scene.application)
    address = scene.client.pod.ip4
    eventually(lambda: scene.goes_to_the_sidecar(scene.application), TOLD)
    for place, reports in ((scene.application, 0), (scene.sidecar, 1)):
        before = len(scene.client.relay.reports("inbound"))
        place.as_user(scene.client.uid).call(_call, address)
        assert len(scene.client.relay.reports("inbound")) == before + reports


def _call(address):
    with attacks.plain(address, PORT) as connection:
        assert "application" in attacks.ask_on(connection)
