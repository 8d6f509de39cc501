"""The entrypoint refuses settings that would simply make TorchServe or a worker die."""

import pytest

from runtime import entrypoint
from runtime.errors import ServingError


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DRAIN_SECONDS", "soon"),
        ("DRAIN_SECONDS", "-1"),
        ("OTEL_TRACES_SAMPLER_ARG", "some"),
        ("OTEL_TRACES_SAMPLER_ARG", "1.5"),
    ],
)
def test_a_setting_that_is_no_number_it_can_be_is_refused_by_name(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ServingError, match=f"expected {name} to be a number .*found '{value}'; try {name}="):
        entrypoint.serve()
