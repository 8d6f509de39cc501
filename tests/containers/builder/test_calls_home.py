"""Nothing installed in the image sends telemetry, in any process that a build starts."""

import importlib.util
import os
import subprocess
import sys

COUNT_THREADS = """
import os, numpy
before = len(os.listdir("/proc/self/task"))
import onnxruntime
print(len(os.listdir("/proc/self/task")) - before)
"""


def test_the_package_by_which_openvino_and_nncf_report_is_not_installed() -> None:
    assert importlib.util.find_spec("openvino_telemetry") is None


def test_importing_onnxruntime_starts_no_thread_that_reports() -> None:
    ended = subprocess.run([sys.executable, "-c", COUNT_THREADS], capture_output=True, text=True, check=True)
    assert ended.stdout == "0\n"


def test_npm_and_pip_do_not_ask_for_newer_versions_of_themselves() -> None:
    assert os.environ["NPM_CONFIG_UPDATE_NOTIFIER"] == "false"
    assert os.environ["PIP_DISABLE_PIP_VERSION_CHECK"] == "1"
