"""The command line prints one JSON object to standard output, or one line if it fails."""

import json

import pytest

from conftest import BODY
from contract.failure import read_failure
from load.__main__ import main


@pytest.fixture
def image(tmp_path):
    file = tmp_path / "image"
    file.write_bytes(BODY)
    return str(file)


def test_run_prints_one_json_object_and_marks_the_window(serve, image, capsys) -> None:
    options = ["--seconds", "0.5", "--warmup", "0.1", "--timeout", "5", "--header", "X-Test: 1"]
    server = serve()
    assert main(["run", "--url", server.url, "--body", image, "--connections", "2", *options]) == 0
    out, err = capsys.readouterr()
    result = json.loads(out)
    assert err.splitlines() == ["measuring", "measured"]
    assert (result["mode"], result["connections"], result["seconds"], result["warmup"]) == ("closed", 2, 0.5, 0.1)
    assert result["latency_ms"].keys() == {"p50", "p90", "p99", "p99.9", "max", "mean"}
    edges, counts = result["histogram"]["edges_ms"], result["histogram"]["counts"]
    assert len(edges) == len(counts) + 1 == 101
    assert edges == sorted(edges)
    assert all(b"X-Test: 1" in request for request in server.requests)


def test_the_expected_answer_is_told_from_others(serve, image, capsys) -> None:
    options = ["--connections", "1", "--seconds", "0.2", "--warmup", "0", "--timeout", "5"]
    for text, errors in (("ok", set()), ("7", {"wrong"})):
        assert main(["run", "--url", serve().url, "--body", image, "--expect", text, *options]) == 0
        assert json.loads(capsys.readouterr().out)["errors"].keys() == errors


def test_a_failure_is_one_line(image, capsys) -> None:
    assert main(["run", "--url", "http://127.0.0.1:9/", "--body", image, "--rate", "1"]) == 1
    failure = read_failure(capsys.readouterr().err)
    assert failure
    assert failure.expected
    assert failure.found
    assert failure.remedy


def test_a_missing_body_is_refused(capsys) -> None:
    assert main(["run", "--url", "http://127.0.0.1:9/", "--body", "/nowhere", "--rate", "1"]) == 1
    failure = read_failure(capsys.readouterr().err)
    assert failure
    assert failure.found == "/nowhere"


@pytest.mark.parametrize("mode", [[], ["--rate", "1", "--connections", "1"], ["--rate", "0"], ["--connections", "0"]])
def test_exactly_one_positive_mode_is_asked_for(image, mode) -> None:
    with pytest.raises(SystemExit):
        main(["run", "--url", "http://127.0.0.1:9/", "--body", image, *mode])
