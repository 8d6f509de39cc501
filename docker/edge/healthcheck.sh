#!/usr/bin/env bash
# The container's HEALTHCHECK: prints one readable line. Exits 0 if HAProxy answers and a TorchServe behind it is ready or,
# with the argument `alive`, if HAProxy answers.
path=${1:-health}
if ! exec 3<>/dev/tcp/127.0.0.1/8404; then
  echo "unhealthy: HAProxy does not answer"
  exit 1
fi
printf 'GET /%s HTTP/1.0\r\n\r\n' "$path" >&3
read -r -t 3 _ status _ <&3
if [ "$status" != 200 ]; then
  echo "unhealthy: no TorchServe is ready"
  exit 1
fi
if [ "$path" = alive ]; then
  echo "healthy: HAProxy answers"
else
  echo "healthy: routing to TorchServe"
fi
