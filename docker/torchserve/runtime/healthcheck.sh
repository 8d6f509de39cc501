#!/bin/sh
# The container's HEALTHCHECK: prints the entrypoint's latest verdict on one line, and exits with 0 or 1.
# A shell script, because starting Python every few seconds cost 0.2 s of CPU each time and slowed down requests.
max_age=15
file="${TEMP:-/home/model-server/tmp}/.stack-health"
if ! read -r written status line 2>/dev/null <"$file"; then
  echo "unhealthy: the entrypoint is still preparing the models"
  exit 1
fi
read -r uptime _ </proc/uptime
age=$((${uptime%.*} - written))
if [ "$age" -gt "$max_age" ]; then
  echo "unhealthy: the entrypoint's last check, $age s ago, said: $line"
  exit 1
fi
echo "$line"
exit "$status"
