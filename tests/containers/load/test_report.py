"""The report is one self-contained file, and omits nothing that went wrong."""

import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from load.__main__ import main
from load.recorder import histogram, percentiles

LOADING = {"src", "href", "xlink:href", "data", "action", "poster", "srcset"}


def run(mode: str, scale: float, **changes):
    latencies = np.random.default_rng(0).lognormal(np.log(scale), 0.3, 2000)
    return {
        "mode": mode,
        "connections": int(scale) + 1,
        "offered_rate": None if mode == "closed" else 100 * scale,
        "seconds": 15,
        "warmup": 2,
        "requests": 2000,
        "achieved_rate": 99 * scale,
        "latency_ms": percentiles(latencies),
        "lag_ms": None if mode == "closed" else percentiles(latencies / 50),
        "errors": {},
        "histogram": histogram(latencies),
        "generator_cpu": 0.2,
        "generator_limited": False,
        "cpu_ms": 0.5,
        "memory_after": {"used": 800 << 20, "pss": 700 << 20},
        **changes,
    }


@pytest.fixture
def results():
    return {
        "date": "2026-11-22 14:00",
        "model": "mnist",
        "version": "1.0",
        "engine": "openvino <bf16>",
        "sample": {"file": "7.png", "bytes": 321},
        "machine": {"cpu": "AMD EPYC", "cores": 2, "memory_gib": 24, "system": "Debian"},
        "settings": {"workers": 2, "batchSize": 8},
        "runs": [run("closed", 1), run("closed", 8), run("open", 2), run("open", 5)],
    }


@pytest.fixture
def report(tmp_path):
    """Renders results as a page."""

    def write(results) -> str:
        (tmp_path / "results.json").write_text(json.dumps(results))
        assert main(["report", str(tmp_path / "results.json"), str(tmp_path / "report.html")]) == 0
        return (tmp_path / "report.html").read_text()

    return write


class Page(HTMLParser):
    """Returns the page's IDs, and every address that a browser would load."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids, self.loads = [], re.findall(r"url\(([^)]*)\)|@import", text)
        self.feed(text)

    def handle_starttag(self, tag, attributes) -> None:
        self.ids += [value for name, value in attributes if name == "id"]
        self.loads += [value for name, value in attributes if name in LOADING]
        assert tag not in ("script", "link", "iframe", "object", "embed")


def test_the_report_loads_nothing(results, report) -> None:
    text = report(results)
    page = Page(text)
    assert "http://" not in text
    assert "https://" not in text
    assert {address[:1] for address in page.loads} == {"#"}
    assert {address[1:] for address in page.loads} <= set(page.ids)
    assert len(page.ids) == len(set(page.ids))


def test_the_report_has_a_row_per_run_and_three_plots(results, report) -> None:
    text = report(results)
    assert text.count("<svg") == 3
    assert text.count("<tr>\n<td>") == len(results["runs"])
    for word in ("AMD EPYC", "openvino &lt;bf16&gt;", "2026-11-22", "7.png", "batchSize", "200/s", "9 conn."):
        assert word in text


def test_the_plots_take_the_pages_colour(results, report) -> None:
    text = report(results)
    assert "currentColor" in text
    assert "#000000" not in text
    assert "#ffffff" not in text


def test_errors_and_a_slow_generator_are_marked(results, report) -> None:
    assert 'class="bad"' not in report(results)
    results["runs"][0] = run("closed", 1, errors={"reset": 3, "timeout": 1}, generator_limited=True)
    text = report(results)
    assert '<td class="bad">3 reset, 1 timeout</td>' in text
    assert 'class="bad" title="the load generator limited these results"' in text


def test_a_run_without_answers_has_a_row_and_no_plot(results, report) -> None:
    failed = {"latency_ms": None, "histogram": None, "cpu_ms": None, "errors": {"timeout": 50}, "achieved_rate": 0.0}
    results["runs"] = [run("open", 1, **failed)]
    text = report(results)
    assert "50 timeout" in text
    assert "<svg" not in text


def test_the_report_goes_through_pipes_too(results, monkeypatch, capsys) -> None:
    import io
    import sys

    monkeypatch.setattr(sys, "stdin", io.StringIO(json.dumps(results)))
    assert main(["report", "-", "-"]) == 0
    assert capsys.readouterr().out.startswith("<!doctype html>")


def test_every_answer_is_in_the_histogram() -> None:
    for values in (np.array([1.0]), np.array([2.0, 2.0]), np.geomspace(0.2, 3000, 999)):
        assert sum(histogram(values)["counts"]) == len(values)


def candidate(rate: float, **changes):
    return {
        "settings": {"workers": 2},
        "shape": "2 × 1",
        "batching": "≤ 16 at once",
        "precision": "bf16",
        "beside_eager": "0.00% differ",
        "rate": rate,
        "latency_ms": percentiles(np.array([64_000 / (rate or 1)] * 10)),
        "cpu_ms": 0.5,
        "memory": 300 << 20,
        "is_default": False,
        "is_chosen": False,
        "is_finalist": False,
        "is_on_front": False,
        "failure": "",
        "note": "",
        "trials": [{}],
        **changes,
    }


@pytest.fixture
def tuning(results):
    """A results.json as `scripts/stack tune` writes it."""
    del results["runs"], results["settings"]
    failed = {"latency_ms": None, "cpu_ms": None, "memory": None}
    candidates = [
        candidate(900, is_default=True, is_finalist=True, note="default"),
        candidate(3000, is_chosen=True, is_finalist=True, is_on_front=True, precision="int8", note="chosen"),
        candidate(2900, precision=""),
        candidate(0, **failed, failure="<died>", note="failed: <died>"),
    ]
    return {**results, "goal": "p99=20", "connections": 64, "cpus": 2, "best_rate": 3000.0, "candidates": candidates}


def test_the_page_of_a_tuning_loads_nothing_and_shows_every_candidate(tuning, report) -> None:
    text = report(tuning)
    page = Page(text)
    assert {address[:1] for address in page.loads} == {"#"}
    assert {address[1:] for address in page.loads} <= set(page.ids)
    assert len(page.ids) == len(set(page.ids))
    assert text.count("<svg") == 1
    assert text.count("<tr>\n<td>") == len(tuning["candidates"])
    for word in ("tuned for p99=20", "100.0 %", "Pareto front", "0.00% differ", "AMD EPYC"):
        assert word in text
    assert '<td class="bad">failed: &lt;died&gt;</td>' in text


def test_a_tuning_without_a_choice_says_so(tuning, report) -> None:
    tuning["candidates"] = tuning["candidates"][-1:]
    text = report({**tuning, "best_rate": None})
    assert "Nothing was chosen" in text
    assert "<svg" not in text
