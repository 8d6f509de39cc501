"""The live metrics combine all TorchServes that answer: changes between two readings, and current values."""

from __future__ import annotations

import math
from typing import Any

import pytest
from expositions import exposition

from supervisor.numbers import Reading, Replica, numbers, quantile, read_exposition

BEFORE = exposition({"2xx": 100, "4xx": 10, "5xx": 1}, (50, 100, 100, 100))
AFTER = exposition({"2xx": 200, "4xx": 30, "5xx": 1}, (100, 199, 200, 200)).replace("total 12.5", "total 17.5")


def replica(before: str | None, after: str | None, seconds: float = 10.0, instance: str = "a:8082") -> Replica:
    readings = [Reading(at, read_exposition(text)) if text else None for at, text in ((0.0, before), (seconds, after))]
    return Replica(instance, *readings)


def only_model(*replicas: Replica) -> dict[str, Any]:
    (model,) = numbers(replicas, {})["models"]
    return dict(model)


def test_one_torchserves_numbers_are_all_there() -> None:
    assert numbers([replica(BEFORE, AFTER)], {("mnist", "1.0"): 90.0}) == {
        "seconds": 10.0,
        "models": [
            {
                "name": "mnist",
                "version": "1.0",
                "share": 90.0,
                "rate": {"2xx": 10.0, "4xx": 2.0, "5xx": 0.0},
                "p50_ms": 1.0,
                "p99_ms": 2.0,
                "in_flight": 3,
                "queue": 2,
                "queue_capacity": 1000,
                "workers": {"ready": 2, "starting": 1, "failed": 0},
                "restarts": 4,
                "memory_bytes": 200_000_000,
                "engine": "openvino",
                "precision": "f32",
                "weights": "train",
                "accuracy": 0.991,
                "trained": True,
            }
        ],
        "torchserve": [
            {
                "instance": "a:8082",
                "memory_bytes": 1_000_000_000,
                "memory_limit_bytes": 4_000_000_000,
                "cpu_cores": 0.5,
            }
        ],
    }


def test_several_torchserves_count_together_each_over_its_own_seconds() -> None:
    found = only_model(replica(BEFORE, AFTER), replica(BEFORE, AFTER, 5.0, "b:8082"))
    assert found["rate"] == {"2xx": 30.0, "4xx": 6.0, "5xx": 0.0}
    assert (found["p50_ms"], found["in_flight"], found["workers"]["ready"]) == (1.0, 6, 4)


def test_a_torchserve_that_does_not_answer_is_named_and_has_no_numbers() -> None:
    found = numbers([replica(BEFORE, AFTER), replica(BEFORE, None, instance="b:8082")], {})
    assert found["models"][0]["in_flight"] == 3
    assert found["models"][0]["rate"]["2xx"] == 10.0
    assert found["torchserve"][1] == {
        "instance": "b:8082",
        "memory_bytes": None,
        "memory_limit_bytes": None,
        "cpu_cores": None,
    }


def test_where_none_answers_there_are_no_models() -> None:
    assert numbers([replica(BEFORE, None)], {("mnist", "1.0"): 100.0})["models"] == []
    assert numbers([], {}) == {"seconds": 0.0, "models": [], "torchserve": []}


def test_a_torchserve_seen_once_has_no_rates_yet() -> None:
    found = only_model(replica(None, AFTER))
    assert (found["rate"], found["p50_ms"], found["p99_ms"]) == (None, None, None)
    assert (found["workers"]["ready"], found["memory_bytes"]) == (2, 200_000_000)


def test_a_torchserve_that_was_started_again_counts_from_zero() -> None:
    found = only_model(replica(AFTER, exposition({"2xx": 20, "4xx": 30}, (10, 20, 20, 20))))
    assert found["rate"] == {"2xx": 2.0, "4xx": 0.0, "5xx": 0.0}


def test_without_requests_there_is_no_quantile() -> None:
    found = only_model(replica(BEFORE, BEFORE))
    assert found["rate"] == {"2xx": 0.0, "4xx": 0.0, "5xx": 0.0}
    assert (found["p50_ms"], found["p99_ms"]) == (None, None)


def test_a_model_that_came_in_between_counts_from_zero() -> None:
    found = numbers([replica(BEFORE, BEFORE + exposition({"2xx": 5}, name="new"))], {})["models"]
    assert [(model["name"], model["rate"]["2xx"]) for model in found] == [("mnist", 0.0), ("new", 0.5)]


def test_requests_for_no_served_model_are_no_model() -> None:
    assert [model["name"] for model in numbers([replica(BEFORE, AFTER)], {})["models"]] == ["mnist"]


def test_an_untrained_model_says_so_and_has_no_accuracy() -> None:
    found = only_model(replica(None, exposition(trained="false", accuracy="", weights="random")))
    assert (found["trained"], found["accuracy"], found["weights"]) == (False, None, "random")


def test_where_one_worker_fell_back_both_engines_are_named() -> None:
    found = only_model(replica(None, AFTER), replica(None, exposition(engine="eager"), instance="b:8082"))
    assert (found["engine"], found["precision"]) == ("eager, openvino", "f32")


@pytest.mark.parametrize(
    ("share", "expected"),
    # 10 up to 1, 20 from 1 to 2, 60 from 2 to 5, 10 beyond.
    [(0.05, 0.5), (0.1, 1.0), (0.2, 1.5), (0.3, 2.0), (0.6, 3.5), (0.9, 5.0), (0.99, 5.0)],
)
def test_a_quantile_lies_within_its_bucket(share: float, expected: float) -> None:
    found = quantile(share, {math.inf: 100, 1.0: 10, 2.0: 30, 5.0: 90})
    assert found == pytest.approx(expected)


@pytest.mark.parametrize("buckets", [{}, {math.inf: 0.0, 1.0: 0.0}, {1.0: 5.0, 2.0: 5.0}, {math.inf: 5.0}])
def test_of_nothing_there_is_no_quantile(buckets: dict[float, float]) -> None:
    assert quantile(0.99, buckets) is None


def test_an_empty_bucket_below_is_passed_over() -> None:
    assert quantile(0.5, {1.0: 0.0, 2.0: 0.0, 5.0: 10.0, math.inf: 10.0}) == pytest.approx(3.5)


def test_what_is_no_exposition_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"could not convert|not enough|substring"):
        read_exposition('model_info{model="m"} no number\n')
