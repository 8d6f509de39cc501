"""A worker process that serves many lanes (lane.py): whatever lies in them when it is free is its next batch."""

import logging
import os
import select
import socket
import sys
from pathlib import Path
from typing import Optional

import otf_codec
import quiet_service
import single_worker

MAX_LANES = 1024


class Lane:
    """One of TorchServe's workers: the process that stands for it, its listening socket, then its connection."""

    def __init__(self, process: socket.socket, path: str, output: list[int]) -> None:
        self.process = process
        self.path = path
        self.output = output
        self.listener = single_worker.listen(path)
        self.connection: Optional[otf_codec.Connection] = None

    def accept(self) -> None:
        """Takes the front end's one connection."""
        self.connection = otf_codec.Connection(self.listener.accept()[0])
        # An answer is far smaller than the buffer: writing never waits.
        self.connection.sock.setblocking(True)

    def close(self) -> None:
        """Lets go of all of it; the process is Java's to end."""
        for sock in (self.process, self.listener, self.connection and self.connection.sock):
            if sock:
                sock.close()
        for descriptor in self.output:
            os.close(descriptor)


class SharedWorker:
    """All lanes of one process, in one loop; ends with the last lane."""

    def __init__(self, door: socket.socket, metrics_config: str, batch_size: int) -> None:
        self._door = door
        self._loader = quiet_service.Loader(metrics_config)
        self._service: Optional[quiet_service.QuietService] = None
        self._batch_size = batch_size
        # Of Java's batches: LANE_SIZE in runtime/unpack.py.
        self._lane_size = min(2, batch_size)
        self._epoll = select.epoll()
        self._epoll.register(door, select.EPOLLIN)
        # By the number of each descriptor that says something about a lane.
        self._lanes: dict[int, Lane] = {}

    def run(self) -> None:
        """Serves until no lane is left."""
        while True:
            if batch := self._next_batch():
                self._answer(batch)
            if not self._lanes:
                return

    def _next_batch(self) -> list[tuple[Lane, list[otf_codec.Request]]]:
        """Waits for something to happen, then takes what lies in the lanes, up to the batch size."""
        batch: list[tuple[Lane, list[otf_codec.Request]]] = []
        room, seconds = self._batch_size, None
        while room >= self._lane_size:
            most = room // self._lane_size
            events = self._epoll.poll(seconds, most)
            for descriptor, _ in events:
                if descriptor == self._door.fileno():
                    self._add_lane()
                elif descriptor in self._lanes:
                    batch += self._read(self._lanes[descriptor], descriptor)
            if len(events) < most:
                break
            room, seconds = self._batch_size - sum(len(requests) for _, requests in batch), 0.0
        return batch

    def _add_lane(self) -> None:
        process, _ = self._door.accept()
        message, output, _, _ = socket.recv_fds(process, 4096, 2)
        lane = Lane(process, message.decode(), output)
        for sock in (process, lane.listener):
            self._watch(sock, lane)
        process.send(str(os.getpid()).encode())

    def _watch(self, sock: socket.socket, lane: Lane) -> None:
        self._lanes[sock.fileno()] = lane
        self._epoll.register(sock, select.EPOLLIN)

    def _read(self, lane: Lane, descriptor: int) -> list[tuple[Lane, list[otf_codec.Request]]]:
        """The lane and the requests that came in over one of its descriptors; nothing where none did."""
        if descriptor == lane.process.fileno():  # it never says anything: it has ended
            self._remove(lane)
            return []
        if lane.connection is None:
            lane.accept()
            self._watch(lane.connection.sock, lane)
            return []
        try:
            message = lane.connection.receive()
        except (EOFError, ConnectionError):
            self._remove(lane)
            return []
        if message is None:
            return []
        command, content = message
        if command == otf_codec.LOAD:
            self._load(lane, content)
            return []
        return [(lane, content)]

    def _load(self, lane: Lane, fields: dict) -> None:
        """The first lane's LOAD loads the model; the others find it loaded."""
        answer = otf_codec.create_load_model_response(200, "loaded with another lane")
        if self._service is None:
            self._service, answer = self._loader.load(fields, lane.connection.sock)
        lane.connection.sock.sendall(answer)
        if self._service is None:
            raise RuntimeError("the model did not load")

    def _answer(self, batch: list[tuple[Lane, list[otf_codec.Request]]]) -> None:
        if self._service is None:
            raise RuntimeError("expected LOAD before the first prediction")
        outcome = self._service.run([request for _, requests in batch for request in requests])
        end = 0
        for lane, requests in batch:
            start, end = end, end + len(requests)
            try:
                lane.connection.sock.sendall(outcome.encode(range(start, end)))
            except OSError:  # the front end let go of this lane; the others want their answers
                self._remove(lane)

    def _remove(self, lane: Lane) -> None:
        descriptors = [number for number, known in self._lanes.items() if known is lane]
        if not descriptors:
            return
        for descriptor in descriptors:
            self._epoll.unregister(descriptor)
            del self._lanes[descriptor]
        lane.close()
        if self._lanes:
            # What is printed goes to a lane's output, read by Java: to that of one that is still there.
            for standard, descriptor in zip((1, 2), next(iter(self._lanes.values())).output):
                os.dup2(descriptor, standard)


def main() -> None:
    """`shared_worker.py NAME METRICS_CONFIG BATCH_SIZE`: lanes ask to be served at the abstract socket NAME."""
    name, metrics_config, batch_size = sys.argv[1:]
    here = Path(__file__).resolve().parent
    # A model's own modules may have the names of this folder's.
    sys.path = [entry for entry in sys.path if Path(entry or ".").resolve() != here]
    logging.basicConfig(stream=sys.stdout, format="%(message)s", level=logging.INFO)
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as door:
        door.bind("\0" + name)
        door.listen(MAX_LANES)
        try:
            SharedWorker(door, metrics_config, int(batch_size)).run()
        except Exception:
            logging.exception("Backend worker process died.")
            sys.exit(1)


if __name__ == "__main__":
    main()
