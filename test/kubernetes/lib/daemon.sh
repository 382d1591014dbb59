#!/usr/bin/env bash
# Becomes a daemon of a node, in the node's cgroups, with its process id in a file.
#
#   daemon.sh NODE NAME LOG PROGRAM ARGUMENT…
set -euo pipefail
node=$1 name=$2 log=$3
shift 3
for hierarchy in /sys/fs/cgroup/*/"$node"; do
    echo 0 >"$hierarchy/system/cgroup.procs"
done
echo $$ >"/run/services/$name.pid"
exec "$@" </dev/null >>"$log" 2>&1
