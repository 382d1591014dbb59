"""Pods of a mesh: manifest, namespace, ADD, sidecar and application, and their removal."""

from harness.application import Application
from harness.sidecar import FSM_UID, HaProxy, Relay

INBOUND_ANNOTATION = "fsm.flomesh.io/inbound"
ACCELERATION_ANNOTATION = "fsm.flomesh.io/acceleration"
# The marks of a pod of each mesh: keyword arguments of Mesh.member(), by profile.
POD_OF = {
    "fsm": {"containers": ("app", "sidecar"), "uid": FSM_UID, "more_annotations": {}},
    "istio": {"containers": ("app", "istio-proxy"), "uid": 1337,
              "more_annotations": {"sidecar.istio.io/status": "{}"}},
    "kuma": {"containers": ("app", "kuma-sidecar"), "uid": 5678,
             "more_annotations": {"kuma.io/sidecar-injected": "true"}},
}
# A mechanism that is not an annotation but the interceptor's mode.
IPTABLES = "iptables"


class Mesh:
    """Makes pods on a node with an interceptor. `defaults` are annotations of every meshed pod."""

    def __init__(self, node, interceptor, inbound=None, acceleration=None):
        self.node = node
        self.interceptor = interceptor
        self.defaults = {}
        if inbound and inbound != IPTABLES:
            self.defaults[INBOUND_ANNOTATION] = inbound
        if acceleration:
            self.defaults[ACCELERATION_ANNOTATION] = acceleration
        self.inbound = inbound
        self._members = []

    def member(self, name, annotations=None, like=None, enrol=True, containers=("app", "sidecar"),
               uid=FSM_UID, more_annotations=None, environment=None):
        """A pod of the mesh, without any process yet."""
        member = Member(self, self.node.pod(name, like),
                        {**(self.defaults if annotations is None else annotations),
                         **(more_annotations or {})},
                        containers, uid, environment)
        self._members.append(member)
        if enrol:
            member.enrol()
        return member

    def outsider(self, name, like=None):
        """A pod that the interceptor knows, but that is not in the mesh."""
        return self.member(name, annotations={}, like=like, containers=("app",))

    def stranger(self, name, like=None):
        """A pod that the interceptor does not know."""
        return self.member(name, annotations={}, like=like, enrol=False)

    def pair(self, *ports, sidecar="relay", annotations=None, listen=()):
        """A client and a server, both with sidecars, the server's application on `ports`."""
        client = self.member("client", more_annotations=annotations)
        server = self.member("server", more_annotations=annotations)
        for member in (client, server):
            member.start_sidecar(sidecar, *listen)
        if ports:
            server.serve(*ports)
        return client, server

    def remove(self):
        problems = []
        for member in self._members:
            try:
                member.remove()
            except Exception as problem:  # pylint: disable=broad-except  # remove the others too
                problems.append(f"{member.pod.name}: {problem}")
        self._members.clear()
        assert not problems, "; ".join(problems)


class Member:
    def __init__(self, mesh, pod, annotations, containers, uid, environment=None):
        self._mesh = mesh
        self._interceptor = mesh.interceptor
        self.pod = pod
        self.annotations = annotations
        self.containers = containers
        self.uid = uid
        self.running = {}  # as in the manifest's status
        self.init_containers = ()
        self.environment = environment
        self.enrolled = False
        self.relay = None
        self._things = []

    # ---- the interceptor ----

    def enrol(self):
        self.describe()
        _, seconds = self._interceptor.cni.add(self.pod)
        self.enrolled = True
        return seconds

    def describe(self, **annotations):
        """Writes the manifest, with these annotations in addition to the pod's own."""
        self.annotations = {**self.annotations, **annotations}
        self._interceptor.write_manifest(self.pod, annotations=self.annotations,
                                         containers=self.containers, uid=self.uid,
                                         running=self.running,
                                         init_containers=self.init_containers,
                                         environment=self.environment)

    def withdraw(self):
        """DEL, as called by the runtime."""
        self._interceptor.cni.delete(self.pod)
        self.enrolled = False

    def state(self):
        return self._interceptor.pod_state(self.pod)

    # ---- processes ----

    def start_sidecar(self, kind="relay", *options, **ports):
        if kind == "haproxy":
            sidecar = HaProxy(self.pod, self._interceptor.directory)
        else:
            sidecar = Relay(self.pod, self._interceptor.directory, *options, uid=self.uid, **ports)
        self.relay = sidecar
        if self._mesh.inbound == IPTABLES and self.enrolled:
            # The interceptor checks every 5 s, and at a repeated ADD, whether the sidecar listens
            # on IPv6.
            self.enrol()
        return self.keep(sidecar)

    def serve(self, *ports, **options):
        return self.keep(Application(self.pod, *ports, **options))

    def start(self, *command, place=None, **options):
        """A program, as the application's user unless `place` is given."""
        return self.keep(_Program((place or self.pod.application).start(*command, **options)))

    def call(self, function, *arguments, **options):
        """A Python function, as the application's user."""
        return self.pod.application.call(function, *arguments, **options)

    def call_as_sidecar(self, function, *arguments, **options):
        return self.pod.root.as_user(self.uid).call(function, *arguments, **options)

    def keep(self, thing):
        self._things.append(thing)
        return thing

    def stop_processes(self):
        for thing in reversed(self._things):
            thing.stop()
        self._things.clear()

    def remove(self):
        """At any stage of the test."""
        self.stop_processes()
        if self.enrolled and self._interceptor.is_running:
            self.withdraw()
        self.pod.delete()
        self._interceptor.remove_manifest(self.pod)


class _Program:
    def __init__(self, process):
        self.process = process

    def stop(self):
        self.process.kill()
        self.process.wait(10)
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            if pipe:
                pipe.close()
