"""A worker process: one connection to Java, one batch at a time."""

import logging
import os
import socket
import sys
from argparse import Namespace
from contextlib import suppress
from pathlib import Path

import batch_observers
import otf_codec
import quiet_service
from ts.arg_parser import ArgParser

ACCEPT_SECONDS = 30.0


def run() -> None:
    """Listens on Java's address and serves its connection. Always exits; Java then starts another worker."""
    logging.basicConfig(stream=sys.stdout, level=logging.INFO)
    logging.getLogger().handlers[0].setFormatter(batch_observers.FORMATTER)
    go_first_when_memory_runs_out()
    options = ArgParser.model_service_worker_args().parse_args()
    try:
        with listen(options) as listener:
            worker = options.port or options.sock_name.rpartition(".")[2]
            loader = quiet_service.Loader(options.metrics_config, worker)
            # Java matches these two lines literally.
            print(f"[PID]{os.getpid()}\nTorch worker started.", flush=True)
            serve(otf_codec.Connection(listener.accept()[0]), loader)
    except EOFError:
        sys.exit(0)
    except socket.timeout:
        logging.error("expected a connection from the front end, found none; exiting")
    except Exception:
        logging.exception("Backend worker process died.")
    finally:
        if options.sock_name:
            with suppress(OSError):
                Path(options.sock_name).unlink()
    sys.exit(1)


def go_first_when_memory_runs_out() -> None:
    """Makes the kernel kill a worker, which is restarted within seconds, rather than Java or the entrypoint."""
    with suppress(OSError):
        # Counts as a fifth of the container's memory on top of the worker's own, more than Java ever has.
        Path("/proc/self/oom_score_adj").write_text("200")


def listen(options: Namespace) -> socket.socket:
    """Returns a listening socket: TCP if use_native_io=false, else a Unix socket, which replaces a stale one."""
    if options.sock_type == "tcp":
        listener = socket.create_server(("127.0.0.1", int(options.port)), backlog=1)
    else:
        Path(options.sock_name).unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(options.sock_name)
        listener.listen(1)
    listener.settimeout(ACCEPT_SECONDS)
    return listener


def serve(connection: otf_codec.Connection, loader: quiet_service.Loader) -> None:
    """Answers the front end's messages. Raises EOFError once the front end is gone."""
    connection.sock.setblocking(True)
    service = None
    while True:
        command, content = connection.wait_for_message()
        if command == otf_codec.LOAD:
            service, answer = loader.load(content, connection.sock)
            connection.sock.sendall(answer)
            if service is None:
                raise RuntimeError("the model did not load")
        elif service is None:
            raise RuntimeError("expected LOAD before the first prediction")
        else:
            connection.sock.sendall(service.run(content).encode())
