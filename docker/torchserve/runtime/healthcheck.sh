#!/bin/sh
# The container's HEALTHCHECK: the entrypoint's last verdict, one readable line and exit status 0 or 1.
# The shell alone reads it: starting Python every few seconds cost 0.2 s of CPU each time, and requests their latency.
max_age=15
file="${TEMP:-/home/model-server/tmp}/.stack-health"
if ! read -r written status line 2>/dev/null <"$file"; then
  echo "unhealthy: the entrypoint is still preparing the models"
  exit 1
fi
read -r uptime _ </proc/uptime
age=$((${uptime%.*} - written))
if [ "$age" -gt "$max_age" ]; then
  echo "unhealthy: the entrypoint has not looked for $age s; before that: $line"
  exit 1
fi
echo "$line"
exit "$status"
