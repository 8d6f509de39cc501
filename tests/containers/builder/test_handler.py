"""common/image_handler.py: batches, answers, errors and explanations, through TorchServe's own context."""

import io
import json

import numpy as np
import pytest
from PIL import Image
from ts.context import RequestProcessor

from builder.export.exported import ExportedModel
from builder.export.folder import Export
from builder.spec import load_spec


def png(level: int) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.full((4, 4), level, np.uint8)).save(file, format="PNG")
    return file.getvalue()


@pytest.fixture
def served(build, model_folder):
    """The small model's handler as in a worker, loaded from the archived folder."""
    _, staging = build()
    spec = load_spec(model_folder / "model.yaml")
    return ExportedModel(spec, Export(staging / "export", "weights.pth", "model.py", "handler.py"), "f32")


def handle(served: ExportedModel, requests: list, **headers: str):
    """Return (answers, statuses) for one batch, in which every request has the same headers."""
    return handle_each(served, [(request, headers) for request in requests])


def handle_each(served: ExportedModel, requests: list):
    """Return (answers, statuses) for one batch of (request, headers)."""
    requests, headers = zip(*requests)
    processors = [RequestProcessor(dict(own)) for own in headers]
    served._context.request_processor = processors
    answers = served.handler.handle(list(requests), served._context)
    return answers, processors


def test_a_bad_image_never_costs_its_neighbours_their_answers(served: ExportedModel) -> None:
    alone, _ = handle(served, [{"body": png(10)}])
    answers, processors = handle(served, [{"body": b"junk"}, {"body": png(10)}, {"data": b""}, {"body": png(10)}])
    assert [processor.get_response_status_code() for processor in processors] == [400, 200, 400, 200]
    assert answers[1] == answers[3] == alone[0]
    assert answers[0]["code"] == 400
    assert answers[0]["type"] == "BadRequestException"
    assert "expected an image" in answers[0]["message"]


REFUSED = {
    "no image": ({"body": b"junk"}, 400, "BadRequestException", "Bad Request"),
    "no body": ({}, 400, "BadRequestException", "Bad Request"),
    "another field": ({"image": png(10)}, 400, "BadRequestException", "Bad Request"),
    "too many pixels": ({"body": b"P5 9999 9999 255\n"}, 413, "PayloadTooLargeException", "Payload Too Large"),
    "a document": ({"body": b"%PDF-1.7"}, 415, "UnsupportedMediaTypeException", "Unsupported Media Type"),
}


@pytest.mark.parametrize(("request_", "status", "kind", "phrase"), REFUSED.values(), ids=REFUSED)
def test_each_refusal_has_its_status(
    served: ExportedModel, request_: dict, status: int, kind: str, phrase: str
) -> None:
    answers, processors = handle(served, [{"body": png(10)}, request_])
    assert processors[0].get_response_status_code() == 200
    assert processors[1].get_response_status_code() == status
    assert processors[1].get_response_status_phrase() == phrase
    assert (answers[1]["code"], answers[1]["type"]) == (status, kind)
    assert "expected " in answers[1]["message"]
    assert processors[1].get_response_headers()["content-type"] == "application/json"


def test_a_batch_of_bad_images_is_answered(served: ExportedModel) -> None:
    _, processors = handle(served, [{"body": b"junk"}, {}])
    assert [processor.get_response_status_code() for processor in processors] == [400, 400]


def test_the_form_field_data_is_taken_as_the_image(served: ExportedModel) -> None:
    assert handle(served, [{"data": png(9)}])[0] == handle(served, [{"body": png(9)}])[0]


def test_every_answer_of_an_untrained_model_says_so(served: ExportedModel) -> None:
    _, processors = handle(served, [{"body": png(10)}])
    headers = processors[0].get_response_headers()
    assert headers["X-Model-Untrained"] == "true"
    assert headers["content-type"] == "application/json"


def test_an_explanation_has_the_shape_of_the_input(served: ExportedModel) -> None:
    answers, _ = handle(served, [{"body": png(200)}], explain="True")
    assert np.shape(answers[0]) == (1, 4, 4)
    assert np.abs(answers[0]).max() > 0
    json.dumps(answers[0])


ACCEPTS = {
    "JSON alone": ({"Accept": "application/json"}, True),
    "as a proxy writes it": ({"accept": " Application/JSON "}, True),
    "anything, as curl": ({"Accept": "*/*"}, False),
    "anything as well, as axios": ({"Accept": "application/json, text/plain, */*"}, False),
    "text": ({"Accept": "text/plain"}, False),
    "nothing said": ({}, False),
    "a form field of that name": ({"accept": {"content-type": "application/json"}}, False),
}


def test_each_request_of_a_batch_gets_the_answer_that_it_accepts(
    served: ExportedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(served.handler, "answer", lambda scores: "bare")
    monkeypatch.setattr(served.handler, "answer_json", lambda scores: "all")
    answers, _ = handle_each(served, [({"body": png(10)}, headers) for headers, _ in ACCEPTS.values()])
    assert dict(zip(ACCEPTS, answers)) == {name: "all" if wants else "bare" for name, (_, wants) in ACCEPTS.items()}


def test_a_refusal_and_an_explanation_are_the_same_whatever_is_accepted(served: ExportedModel) -> None:
    requests = [({"body": b"junk"}, {}), ({"body": png(200)}, {"explain": "True"})]
    accepting = [(request, {**headers, "Accept": "application/json"}) for request, headers in requests]
    assert handle_each(served, accepting)[0] == handle_each(served, requests)[0]
