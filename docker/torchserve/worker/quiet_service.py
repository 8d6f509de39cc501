"""Loads a model's handler and runs it, as TorchServe's own worker does, with less work per request. What differs:

- no torch is imported that the handler does not use (upstream's codec imports it; otf_codec takes its place);
- an answer says which version gave it: `X-Model-Version`;
- nothing is logged for a request: Java matches every line that a worker prints against three patterns;
- PredictionTime, a gauge, is written once a second: it cannot be scraped more often than that.
"""

import gc
import logging
import sys
import time
from typing import Any, Optional

import otf_codec

# Before anything of `ts` is imported.
sys.modules["ts.protocol.otf_message_handler"] = otf_codec

from ts import model_loader  # noqa: E402
from ts.context import RequestProcessor  # noqa: E402
from ts.metrics.metric_cache_yaml_impl import MetricsCacheYamlImpl  # noqa: E402
from ts.model_service_worker import TorchModelServiceWorker  # noqa: E402
from ts.service import PREDICTION_METRIC, PredictionException, Service  # noqa: E402

METRIC_SECONDS = 1.0
VERSION_HEADER = "X-Model-Version"


class QuietService(Service):
    """ts.service.Service with the same answers and errors."""

    next_metric = 0.0

    def run(self, batch: list[otf_codec.Request]) -> "Outcome":
        """The handler's answers to a batch, or the error that takes the place of all of them."""
        context = self.context
        context.request_ids = context.metrics.request_ids = {i: request.id for i, request in enumerate(batch)}
        context.request_processor = [RequestProcessor(request.headers) for request in batch]
        context.cl_socket = self.cl_socket
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
        self._measure(started)
        version = (context.manifest or {}).get("model", {}).get("modelVersion")
        if version:
            for request in context.request_processor:
                request.add_response_property(VERSION_HEADER, version)
        if not isinstance(answers, list):
            logging.warning("expected a list from the handler, found %s", type(answers).__name__)
            return Outcome(batch, "Invalid model predict output", 503)
        if len(answers) != len(batch):
            logging.warning("expected %d answers from the handler, found %d", len(batch), len(answers))
            return Outcome(batch, "number of batch response mismatched", 503)
        return Outcome(batch, "Prediction success", 200, answers, context)

    def _measure(self, started: float) -> None:
        ended = time.monotonic()
        if ended >= self.next_metric:
            self.next_metric = ended + METRIC_SECONDS
            self.context.metrics.add_time(PREDICTION_METRIC, round((ended - started) * 1000, 2))


class Outcome:
    """What became of a batch: `answers` by request, or None beside an error's code and text."""

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

    def encode(self) -> bytes:
        """The message that answers the batch."""
        ids = {index: request.id for index, request in enumerate(self._batch)}
        return otf_codec.create_predict_response(self._answers, ids, self._message, self._code, self._context)


class Loader(TorchModelServiceWorker):
    """Upstream's load_model, without its socket."""

    def __init__(self, metrics_config: str) -> None:
        self.metrics_cache = MetricsCacheYamlImpl(config_file_path=metrics_config)
        self.metrics_cache.initialize_cache()

    def load(self, fields: dict[str, Any], sock: Any) -> tuple[Optional[QuietService], bytes]:
        """fields: of the LOAD message → the service (None where loading failed) and the answer to the message."""
        model_loader.Service = QuietService
        service, text, code = self.load_model(fields)
        if service is not None:
            service.set_cl_socket(sock)
            # What is loaded stays loaded: no later collection has to look through it.
            gc.collect()
            gc.freeze()
        return service, otf_codec.create_load_model_response(code, text)
