#!/usr/bin/env bash
# An engine with its data in /nodes/NAME and its socket in /run/node. REGISTRY_PORT on its loopback, where engines ask for
# no certificate, is the registry's: so images have the name here that they have on the machine that bakes them.
set -euo pipefail
socat "TCP-LISTEN:$REGISTRY_PORT,bind=127.0.0.1,fork,reuseaddr" TCP:registry:5000 &
# With cgroup v2, only a group that holds no process itself can delegate its controllers.
if [ -f /sys/fs/cgroup/cgroup.controllers ]; then
  mkdir -p /sys/fs/cgroup/init
  xargs -rn1 </sys/fs/cgroup/cgroup.procs >/sys/fs/cgroup/init/cgroup.procs || true
  sed -e 's/ / +/g' -e 's/^/+/' </sys/fs/cgroup/cgroup.controllers >/sys/fs/cgroup/cgroup.subtree_control
fi
mkdir -p /run/node
# A killed machine leaves it.
rm -f /run/node/docker.sock
exec dockerd --log-level=warn --data-root="/nodes/$NAME" --host=unix:///run/node/docker.sock --host=unix:///var/run/docker.sock
