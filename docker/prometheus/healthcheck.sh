#!/bin/bash
# Exits 0 if Prometheus can answer queries; otherwise prints why not and exits 1.
exec 3<>/dev/tcp/localhost/9090 || exit 1
printf 'GET /-/ready HTTP/1.0\r\n\r\n' >&3
answer=$(tail -n 1 <&3)
echo "$answer"
[[ $answer == *"is Ready"* ]]
