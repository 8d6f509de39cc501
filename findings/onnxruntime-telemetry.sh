#!/usr/bin/env bash
# Surprise: `import onnxruntime` alone calls home. Ten seconds later the process asks for the address of
# mobile.events.data.microsoft.com and opens a TLS connection to it, and again every few seconds while it cannot reach
# it; no session was made and no option was set. It also keeps a device id in
# ~/.cache/Microsoft/DeveloperTools/.onnxruntime. The wheels of Linux do so since 1.29.0 (1.28.0 does not).
# ORT_DISABLE_TELEMETRY=1 ends both.
#
# Shown here on onnxruntime 1.32.0, in a network namespace without a way out whose name server and port 443 are this
# script's own, so that nothing leaves the machine. Needs Linux, python3 (3.11 or later), pip's registry for the
# installation, and root or user namespaces. Takes two minutes. Seen on 2026-11-29, Debian 12, Python 3.11.7:
#
#   ORT_DISABLE_TELEMETRY is not set:
#     10.0 s: asks for mobile.events.data.microsoft.com
#     10.1 s: a TLS ClientHello to port 443
#     15.6 s: asks for mobile.events.data.microsoft.com
#     15.7 s: a TLS ClientHello to port 443
#     files: deviceid onnxruntime.db
#   ORT_DISABLE_TELEMETRY=1:
#     files: none
#
# Ends with 0 while that is so, with 1 once it is not, with 2 where it cannot be tried.
set -euo pipefail

version=1.32.0
seconds=20
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet "onnxruntime==$version" || exit 2

# Runs in the namespace: prints what `import onnxruntime` asks for and connects to within SECONDS.
cat >"$folder/observe.py" <<'PYTHON'
import fcntl, socket, struct, subprocess, sys, threading, time

SECONDS, STARTED = float(sys.argv[1]), time.monotonic()


def say(text):
    print(f"{time.monotonic() - STARTED:6.1f} s: {text}", flush=True)


def answer_questions(server):
    """Every name is this host."""
    while True:
        question, client = server.recvfrom(4096)
        labels, at = [], 12
        while size := question[at]:
            labels.append(question[at + 1 : at + 1 + size].decode())
            at += 1 + size
        end = at + 5  # of the question: a byte of root, two of type, two of class
        if question[at + 1 : at + 3] == b"\0\1":  # A
            say(f"asks for {'.'.join(labels)}")
            record = b"\xc0\x0c\0\1\0\1\0\0\0\0\0\4" + socket.inet_aton("127.0.0.1")
            server.sendto(question[:2] + b"\x81\x80\0\1\0\1\0\0\0\0" + question[12:end] + record, client)
        else:
            server.sendto(question[:2] + b"\x81\x80\0\1\0\0\0\0\0\0" + question[12:end], client)


def take_connections(server):
    while True:
        connection, _ = server.accept()
        with connection:
            begins = connection.recv(1)
            say(f"{'a TLS ClientHello' if begins == bytes([22]) else repr(begins)} to port 443")


names = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
up = struct.pack("16sh", b"lo", 1)
fcntl.ioctl(names, 0x8914, up)  # SIOCSIFFLAGS
names.bind(("127.0.0.1", 53))
connections = socket.create_server(("127.0.0.1", 443))
threading.Thread(target=answer_questions, args=(names,), daemon=True).start()
threading.Thread(target=take_connections, args=(connections,), daemon=True).start()
subprocess.run([sys.executable, "-c", f"import onnxruntime, time; time.sleep({SECONDS})"], check=True)
PYTHON
echo "nameserver 127.0.0.1" >"$folder/resolv.conf"

namespaces=(unshare --net --mount)
[ "$(id -u)" = 0 ] || namespaces+=(--user --map-root-user)

# Prints what is seen of one import; the arguments are variables of its environment.
observe() {
    rm -rf "${folder:?}/home"
    mkdir "$folder/home"
    # shellcheck disable=SC2016 # $1 and $2 are the inner shell's
    env --unset=ORT_DISABLE_TELEMETRY HOME="$folder/home" "$@" "${namespaces[@]}" sh -ec \
        'mount --bind "$1/resolv.conf" /etc/resolv.conf; exec "$1/venv/bin/python" "$1/observe.py" "$2"' \
        sh "$folder" "$seconds" || exit 2
    files=$(find "$folder/home" -type f -printf '%f\n' | sort | tr '\n' ' ')
    echo "files: ${files:-none}"
}

echo "onnxruntime $version"
echo "ORT_DISABLE_TELEMETRY is not set:"
default=$(observe)
echo "$default"
echo "ORT_DISABLE_TELEMETRY=1:"
disabled=$(observe ORT_DISABLE_TELEMETRY=1)
echo "$disabled"

if grep -q "asks for" <<<"$default" && grep -q "ClientHello" <<<"$default" && [ "$disabled" = "files: none" ]; then
    echo "as described"
else
    echo "expected names and connections without the variable, and nothing with it: found the above; read what onnxruntime says of its telemetry" >&2
    exit 1
fi
