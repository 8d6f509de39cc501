"""Runs Docker for the tests; if a command fails, its output becomes the failure's message."""

import subprocess

import pytest


def run(command: list[str]) -> None:
    ended = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if ended.returncode != 0:
        pytest.fail(f"{' '.join(command[:3])}…\n{ended.stdout}", pytrace=False)
    print(ended.stdout)
