#!/bin/sh
# Starts Grafana with its own password: from the secret or, without one, generated at the first start and kept in its volume.
set -eu
password=/run/secrets/grafana_password
if [ ! -s "$password" ]; then
    password=/var/lib/grafana/admin-password
    if [ ! -s "$password" ]; then
        (umask 077 && head -c 18 /dev/urandom | base64 >"$password")
    fi
    echo "Grafana: the user is admin, the password is in $password in this container"
fi
GF_SECURITY_ADMIN_PASSWORD=$(cat "$password")
export GF_SECURITY_ADMIN_PASSWORD
exec /run.sh
