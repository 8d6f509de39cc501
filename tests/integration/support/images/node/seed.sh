#!/usr/bin/env bash
# seed.sh REFERENCES NODE…: pulls the images into /nodes/seed, once, and gives each node a copy. Layers are never written to:
# the copies are links, and what is gigabytes lies on the disk once.
set -euo pipefail
read -ra references <<<"$1"
shift
export NAME=seed
bash /opt/node/node.sh >/tmp/dockerd.log 2>&1 &
engine=$!
for _ in $(seq 120); do
  if docker info >/dev/null 2>&1; then break; fi
  sleep 0.5
done
docker info >/dev/null || { cat /tmp/dockerd.log && exit 1; }
before=$(docker images --no-trunc --quiet | sort -u)
for reference in "${references[@]}"; do
  docker pull --quiet "$reference"
done
now=$(docker inspect --format '{{.Id}}' "${references[@]}" | sort -u)
for image in $(comm -23 <(echo "$before") <(echo "$now")); do
  docker rmi --force "$image" >/dev/null
done
kill "$engine"
wait "$engine" || true
for node in "$@"; do
  rm -rf "/nodes/$node"
  mkdir "/nodes/$node"
  cp -a /nodes/seed/image "/nodes/$node/"
  cp -al /nodes/seed/overlay2 "/nodes/$node/"
done
