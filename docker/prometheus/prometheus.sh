#!/bin/sh
# Starts Prometheus. Its configuration cannot contain variables, so the interval is written into a copy.
set -eu
sed "s/SCRAPE_INTERVAL/${SCRAPE_INTERVAL:-15s}/" /etc/prometheus/prometheus.yaml >/tmp/prometheus.yaml
exec prometheus \
    --config.file=/tmp/prometheus.yaml \
    --storage.tsdb.path=/data \
    --storage.tsdb.retention.time="${RETENTION_TIME:-30d}" \
    --storage.tsdb.retention.size="${RETENTION_SIZE:-5GB}" \
    --web.listen-address=:9090
