#!/bin/bash
# Healthy is a Prometheus that answers queries; exit 1 says why it is not.
exec 3<>/dev/tcp/localhost/9090 || exit 1
printf 'GET /-/ready HTTP/1.0\r\n\r\n' >&3
answer=$(tail -n 1 <&3)
echo "$answer"
[[ $answer == *"is Ready"* ]]
