"""Every image people have, however they send it, gets the right answer; every other input a 4xx that says why.

docs/reference/inputs.md is what these tests observed: they compare it, or write it when asked with --write-docs.
"""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest
import requests
from PIL import Image

from integration.support.inputs.bad import TYPES, BadInput, bad_inputs, oversize
from integration.support.inputs.image_files import TRANSPORTS, Files, image_files, one_bit_files
from integration.support.stack import Deployment
from integration.support.users import PROJECT_ROOT

DOCUMENT = PROJECT_ROOT / "docs/reference/inputs.md"
WRITE = "pytest tests/integration/api/test_input_matrix.py --write-docs"
MODELS = ("mnist", "efficientnet_lite0")
CLIENTS = 4
HEAD = """# What may be sent, and what is answered

Written by `pytest tests/integration/api/test_input_matrix.py --write-docs` from what the running stack answered; change
nothing here by hand. A test compares it.
"""


@dataclass(frozen=True)
class Sent:
    """One file, sent in one way to one model."""

    model: str
    format: str
    mode: str
    transport: str


@dataclass(frozen=True)
class Answer:
    """`given`: the digit, or the best label; or the status and the body of anything but a 200."""

    given: str
    expected: str

    @property
    def right(self) -> bool:
        return self.given == self.expected


@pytest.fixture(scope="module")
def answers(running_stack: Deployment) -> dict[Sent, Answer]:
    """The input matrix: format × mode × transport × model."""
    requests_of: dict[Sent, tuple[bytes, str]] = {}
    for model in MODELS:
        files, expected = files_for(model, running_stack)
        for (kind, mode), data in files.items():
            requests_of.update({Sent(model, kind, mode, transport): (data, expected) for transport in TRANSPORTS})

    def ask(sent: Sent) -> Answer:
        data, expected = requests_of[sent]
        return Answer(best(TRANSPORTS[sent.transport](running_stack, sent.model, data)), expected)

    with ThreadPoolExecutor(CLIENTS) as clients:
        return dict(zip(requests_of, clients.map(ask, requests_of), strict=True))


def files_for(model: str, stack: Deployment) -> tuple[Files, str]:
    """A digit as it is drawn on paper: 200×280, dark on light; a photo as it is."""
    samples = stack.model_src / model / "samples"
    if model == "mnist":
        digit = Image.open(samples / "7.png").resize((200, 280), Image.Resampling.BICUBIC)
        paper = digit.point(lambda level: 255 - level).convert("RGB")
        return image_files(paper) | one_bit_files(paper), "7"
    with Image.open(samples / "espresso.jpg") as photo:
        return image_files(photo.convert("RGB")), "espresso"


def best(answer: requests.Response) -> str:
    if answer.status_code != 200:
        return f"{answer.status_code} {answer.text[:300]}"
    document = json.loads(answer.text)
    return next(iter(document)) if isinstance(document, dict) else str(document)


@pytest.fixture(scope="module")
def refusals(running_stack: Deployment) -> dict[tuple[str, str], requests.Response]:
    """The error matrix: (bad input, model) → the answer."""
    inputs = [(bad, model) for bad in [*bad_inputs(), oversize()] for model in MODELS]
    with ThreadPoolExecutor(CLIENTS) as clients:
        found = clients.map(lambda pair: pair[0].send(running_stack, pair[1]), inputs)
        return {(bad.name, model): answer for (bad, model), answer in zip(inputs, found, strict=True)}


@pytest.mark.parametrize("model", MODELS)
def test_every_image_gets_its_answer_however_it_is_sent(answers: dict[Sent, Answer], model: str) -> None:
    wrong = {sent: answer.given for sent, answer in answers.items() if sent.model == model and not answer.right}
    assert not wrong, "\n".join(f"{sent}: {given}" for sent, given in wrong.items())


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("bad", [*bad_inputs(), oversize()], ids=lambda bad: bad.name)
def test_a_bad_input_is_refused_in_words(
    refusals: dict[tuple[str, str], requests.Response], bad: BadInput, model: str
) -> None:
    answer = refusals[bad.name, model]
    assert answer.status_code == bad.status, f"{answer.status_code}: {answer.text[:500]}"
    assert answer.headers["Content-Type"] == "application/json"
    document = answer.json()
    assert set(document) == {"code", "type", "message"}
    assert (document["code"], document["type"]) == (bad.status, TYPES[bad.status])
    assert document["message"].startswith("expected ")
    assert bad.message in document["message"]


def test_no_input_costs_a_worker_its_life(running_stack: Deployment) -> None:
    before = {model: processes(running_stack, model) for model in MODELS}
    assert all(before.values()), f"expected workers of every model, found {before}"
    for bad in bad_inputs():
        for model in MODELS:
            bad.send(running_stack, model)
    assert {model: processes(running_stack, model) for model in MODELS} == before


def processes(stack: Deployment, model: str) -> list[tuple[str, int]]:
    return sorted((worker["id"], worker["pid"]) for worker in stack.workers(model))


def test_the_document_says_what_was_observed(
    answers: dict[Sent, Answer], refusals: dict[tuple[str, str], requests.Response], write_docs: bool
) -> None:
    observed = document(answers, refusals)
    if write_docs:
        DOCUMENT.write_text(observed)
    written = DOCUMENT.read_text() if DOCUMENT.exists() else ""
    assert written == observed, f"FAIL: expected {DOCUMENT.name} to say what was observed, found otherwise; try {WRITE}"


def document(answers: dict[Sent, Answer], refusals: dict[tuple[str, str], requests.Response]) -> str:
    sections = [HEAD, *(input_table(model, answers) for model in MODELS), error_table(refusals)]
    return "\n".join(sections)


def input_table(model: str, answers: dict[Sent, Answer]) -> str:
    """One row per format; a cell names the modes that were answered wrongly, if there are any."""
    own = {sent: answer for sent, answer in answers.items() if sent.model == model}
    right = sum(answer.right for answer in own.values())
    lines = [f"## {model}: format × mode × transport\n"]
    lines += ["Each file shows the same sample; ✓ says that the answer was right for all modes of the row."]
    lines += [f"Right: {right} of {len(own)} requests.\n"]
    lines += table_head("format", "modes", *TRANSPORTS)
    for kind in dict.fromkeys(sent.format for sent in own):
        modes = list(dict.fromkeys(sent.mode for sent in own if sent.format == kind))
        cells = []
        for transport in TRANSPORTS:
            wrong = [mode for mode in modes if not own[Sent(model, kind, mode, transport)].right]
            cells.append("not " + ", ".join(wrong) if wrong else "✓")
        lines.append(row(kind, ", ".join(modes), *cells))
    return "\n".join(lines) + "\n"


def error_table(refusals: dict[tuple[str, str], requests.Response]) -> str:
    """The columns of the models say what was observed; type and message are what both have to contain."""
    lines = ["## What is refused\n\nThe answer is JSON with `code`, `type` and `message`; the message contains:\n"]
    lines += table_head("input", *MODELS, "type", "message")
    for bad in [*bad_inputs(), oversize()]:
        statuses = [str(refusals[bad.name, model].status_code) for model in MODELS]
        lines.append(row(bad.name, *statuses, f"`{TYPES[bad.status]}`", bad.message))
    return "\n".join(lines) + "\n"


def table_head(*titles: str) -> list[str]:
    return [row(*titles), row(*("---" for _ in titles))]


def row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"
