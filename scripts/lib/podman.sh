# shellcheck shell=bash
# A podman of our own: storage, networks and conflist live below one folder, so the machine's podman
# and /etc/cni/net.d are never touched and cleaning up is removing the pods and then the folder.
#
# What podman 4.3.1 with its CNI backend hands to the plugins of the chain (seen with a plugin that
# writes its environment to a file; the pod source has to recognise pods by it):
#
#   CNI_ARGS=IgnoreUnknown=1;K8S_POD_NAME=<name>
#
#   - `podman play kube FILE --network NET`: one ADD per pod, for the infra container; <name> is the
#     manifest's metadata.name. There is no K8S_POD_NAMESPACE, no K8S_POD_UID and no
#     K8S_POD_INFRA_CONTAINER_ID: a manifest is found by its name alone.
#   - `podman pod create --name POD [--infra-name X]` + `podman run --pod POD`: one ADD; <name> is the
#     *pod's* name, never the infra container's.
#   - `podman run --name C` without a pod: <name> is the container's name.
#   - with --ip or --mac-address: `;IP=10.1.2.3` or `;MAC=...` is appended.
#   - DEL carries the same CNI_ARGS, CNI_CONTAINERID (the infra container's 64 hexadecimal digits),
#     CNI_NETNS=/run/netns/netns-<uuid> (still there at DEL) and prevResult.
#   - VERSION is asked first, with CNI_CONTAINERID empty and CNI_NETNS=CNI_PATH=CNI_IFNAME=dummy.
#
# Containers run in cgroup /libpod_parent/<pod>/libpod-<id> of every hierarchy, version 2 included.
# Without --network, play kube makes a network "podman-default-kube-network" and does not call ours.
