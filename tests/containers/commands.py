"""How the tests run Docker: what a failed command printed is the failure's text."""

import subprocess

import pytest


def run(command: list[str]) -> None:
    ended = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if ended.returncode != 0:
        pytest.fail(f"{' '.join(command[:3])}…\n{ended.stdout}", pytrace=False)
    print(ended.stdout)
