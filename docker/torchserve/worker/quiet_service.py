"""Loads and runs a model's handler as TorchServe's own worker does, but with less work per request. The differences:

- torch is imported only if the handler uses it (upstream's codec imports it; otf_codec replaces that codec);
- an answer names its version (`X-Model-Version`) and how its batch's time was spent (`Server-Timing`);
- requests are not logged unless ACCESS_LOG=all, because Java matches every line of a worker against three patterns;
- PredictionTime, a gauge, is written only once a second, because it is never scraped more often.
"""

import gc
import json
import logging
import os
import sys
import time
from pathlib import Path
from typing import Any, Optional

import batch_observers
import facts
import otf_codec
from batch import Batch, lower_case, request_id

# Must come before any import from `ts`.
sys.modules["ts.protocol.otf_message_handler"] = otf_codec

from ts import model_loader  # noqa: E402
from ts.context import RequestProcessor  # noqa: E402
from ts.metrics.metric_cache_yaml_impl import MetricsCacheYamlImpl  # noqa: E402
from ts.model_service_worker import TorchModelServiceWorker  # noqa: E402
from ts.service import PREDICTION_METRIC, PredictionException, Service  # noqa: E402

METRIC_SECONDS = 1.0
VERSION_HEADER = "X-Model-Version"
# https://www.w3.org/TR/server-timing/; Java prepends the time in the queue, and counts all of them.
TIMING_HEADER = "Server-Timing"
OBSERVERS = batch_observers.observers()
MEASURES = os.environ.get("STACK_METRICS") != "off"


class QuietService(Service):
    """A ts.service.Service with the same answers and errors as upstream's."""

    next_metric = 0.0

    engine = ""

    def run(self, batch: list[otf_codec.Request]) -> "Outcome":
        """Returns the handler's answers to a batch, or the error that replaces all of them."""
        batch_observers.FORMATTER.requests = batch
        # This batch's seconds by stage; stays empty if the batch fails.
        self.spent: dict[str, float] = {}
        began = time.time_ns()
        outcome = self._answered(batch)
        for observe in OBSERVERS:
            observe(self._batch(batch, outcome, began))
        batch_observers.FORMATTER.requests = []
        return outcome

    def _batch(self, batch: list[otf_codec.Request], outcome: "Outcome", began: int) -> Batch:
        version = (self.context.manifest or {}).get("model", {}).get("modelVersion", "")
        return Batch(
            model=self.context.model_name,
            version=version,
            engine=self.engine,
            ids=[request_id(request) for request in batch],
            headers=[lower_case(request.headers) for request in batch],
            statuses=outcome.statuses(),
            began=began,
            ended=time.time_ns(),
            stages=self.spent,
        )

    def _answered(self, batch: list[otf_codec.Request]) -> "Outcome":
        context = self.context
        context.request_ids = context.metrics.request_ids = {i: request.id for i, request in enumerate(batch)}
        context.request_processor = [RequestProcessor(request.headers) for request in batch]
        context.cl_socket = self.cl_socket
        # A handler may record here how its time was spent, in seconds by stage.
        context.stages = {}
        started = time.monotonic()
        try:
            answers = self._entry_point([request.inputs for request in batch], context)
        except MemoryError:
            logging.error("System out of memory", exc_info=True)
            return Outcome(batch, "Out of resources", 507)
        except PredictionException as error:
            logging.error("Prediction error", exc_info=True)
            return Outcome(batch, error.message, error.error_code)
        except Exception as error:
            logging.warning("Invoking custom service failed.", exc_info=True)
            return Outcome(batch, *(("Out of resources", 507) if "CUDA" in str(error) else ("Prediction failed", 503)))
        handled = time.monotonic()
        self._measure(started, handled)
        if not isinstance(answers, list):
            logging.warning("expected a list from the handler, found %s", type(answers).__name__)
            return Outcome(batch, "Invalid model predict output", 503)
        if len(answers) != len(batch):
            logging.warning("expected %d answers from the handler, found %d", len(batch), len(answers))
            return Outcome(batch, "number of batch response mismatched", 503)
        try:
            if not context.stopping_criteria:  # which need the answers unencoded
                answers = [otf_codec.encode_answer(answer) for answer in answers]
        except TypeError:
            logging.warning("expected answers of text, bytes or JSON from the handler", exc_info=True)
            return Outcome(batch, "Unsupported model output data type.", 503)
        self._add_headers(handled - started, time.monotonic() - handled)
        return Outcome(batch, "Prediction success", 200, answers, context)

    def _add_headers(self, handling: float, encoding: float) -> None:
        """Adds the headers for version and time spent to every answer. handling, encoding: seconds."""
        headers = {VERSION_HEADER: (self.context.manifest or {}).get("model", {}).get("modelVersion")}
        self.spent = spent(self.context.stages, handling, encoding)
        if MEASURES:
            headers[TIMING_HEADER] = server_timing(self.spent)
        for request in self.context.request_processor:
            for name, value in headers.items():
                if value:
                    request.add_response_property(name, value)

    def _measure(self, started: float, ended: float) -> None:
        if ended >= self.next_metric:
            self.next_metric = ended + METRIC_SECONDS
            self.context.metrics.add_time(PREDICTION_METRIC, round((ended - started) * 1000, 2))


def spent(stages: dict[str, float], handling: float, encoding: float) -> dict[str, float]:
    """Returns seconds by stage; `encode` is `encoding` plus what the handler's own `stages` leave of `handling`."""
    if not stages:
        stages = {"inference": handling}
    return {**stages, "encode": max(0.0, handling - sum(stages.values())) + encoding}


def server_timing(stages: dict[str, float]) -> str:
    return ", ".join(f"{stage};dur={seconds * 1000:.3f}" for stage, seconds in stages.items())


class Outcome:
    """The result of a batch: `answers` by request, or None with an error's code and text."""

    def __init__(
        self,
        batch: list[otf_codec.Request],
        message: str,
        code: int,
        answers: Optional[list] = None,
        context: Any = None,
    ) -> None:
        self._batch = batch
        self._message = message
        self._code = code
        self._answers = answers
        self._context = context

    def statuses(self) -> list[int]:
        """Returns the HTTP status of each answer."""
        if self._context is None:
            return [self._code] * len(self._batch)
        return [self._context.get_response_status(index)[0] or self._code for index in range(len(self._batch))]

    def encode(self) -> bytes:
        """Returns the message that answers the batch."""
        ids = {index: request.id for index, request in enumerate(self._batch)}
        return otf_codec.create_predict_response(self._answers, ids, self._message, self._code, self._context)


class Loader(TorchModelServiceWorker):
    """Upstream's load_model without its socket. worker: TorchServe's number for this process."""

    def __init__(self, metrics_config: str, worker: str) -> None:
        self.worker = worker
        self.metrics_cache = MetricsCacheYamlImpl(config_file_path=metrics_config)
        self.metrics_cache.initialize_cache()

    def load(self, fields: dict[str, Any], sock: Any) -> tuple[Optional[QuietService], bytes]:
        """Loads a model from a LOAD message's fields. Returns the service (None if loading failed) and the answer."""
        model_loader.Service = QuietService
        file = facts.file_of(fields["modelName"].decode(), _version(Path(fields["modelPath"].decode())), self.worker)
        facts.started(file)
        service, text, code = self.load_model(fields)
        if service is not None:
            service.set_cl_socket(sock)
            engine = getattr(getattr(service._entry_point, "__self__", None), "engine", None)
            facts.loaded(file, engine)
            service.engine = str(getattr(engine, "name", ""))
            # What has been loaded stays, so later garbage collections need not traverse it.
            gc.collect()
            gc.freeze()
        return service, otf_codec.create_load_model_response(code, text)


def _version(archive: Path) -> str:
    """Returns an unpacked archive's version; called before its handler is loaded, which may end the process."""
    try:
        return str(json.loads((archive / "MAR-INF/MANIFEST.json").read_text(encoding="utf-8"))["model"]["modelVersion"])
    except (OSError, ValueError, KeyError):
        return "unknown"
