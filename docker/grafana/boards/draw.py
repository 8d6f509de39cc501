"""Draws the dashboards from a live Prometheus, using matplotlib in the builder's image; docker/grafana/draw runs it."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import tempfile
import time
from datetime import datetime, timezone
from pathlib import Path

from boards.queries import Choice, Json, Prometheus, Window, dashboards, panels

HERE = Path(__file__).resolve().parent
PICTURES = HERE.parents[2] / "docs/evidence/dashboards"


def draw(prometheus: Prometheus, window: Window, folder: Path, chosen: dict[str, Choice] | None = None) -> list[Path]:
    """Draws one PNG per dashboard and returns their paths; chosen: variables to set instead of Grafana's defaults."""
    folder.mkdir(exist_ok=True)
    drawn = []
    for dashboard in dashboards():
        target = folder / f"{dashboard['uid'].partition('-')[2]}.png"
        plot(answers(prometheus, dashboard, window, chosen or {}), target)
        drawn.append(target)
    return drawn


def answers(prometheus: Prometheus, dashboard: Json, window: Window, chosen: dict[str, Choice]) -> Json:
    """Returns the input of boards.plot: the dashboard, and for each panel the results of its queries."""
    choices = prometheus.choices(dashboard, window, chosen)
    asked = {
        panel["id"]: [
            [
                {"labels": series.labels, "points": series.points}
                for series in prometheus.answer(target, choices, window)
            ]
            for target in panel["targets"]
        ]
        for panel in panels(dashboard)
    }
    when = datetime.fromtimestamp(window.end, timezone.utc)
    span = {"start": window.end - window.seconds, "end": window.end, "seconds": window.seconds}
    return {"dashboard": dashboard, "chosen": choices, "answers": asked, "when": f"{when:%Y-%m-%d %H:%M} UTC", **span}


def plot(found: Json, target: Path) -> None:
    """Plots in the builder's image, so that this machine does not need matplotlib."""
    tag = os.environ.get("STACK_TAG") or os.environ.get("COMPOSE_PROJECT_NAME") or "torchserve-stack"
    with tempfile.TemporaryDirectory() as folder:
        shared = Path(folder)
        shared.chmod(0o755)
        (shared / "answers.json").write_text(json.dumps(found))
        command = ["docker", "run", "--rm", "--network=none", f"--user={os.getuid()}:{os.getgid()}", "--env=HOME=/tmp"]
        command += [f"--volume={HERE}:/code/boards:ro", f"--volume={shared}:/shared", "--workdir=/code"]
        command += ["--env=PYTHONDONTWRITEBYTECODE=1", "--entrypoint=python", f"torchserve-stack/builder:{tag}"]
        subprocess.run([*command, "-m", "boards.plot", "/shared/answers.json", "/shared/out.png"], check=True)
        target.write_bytes((shared / "out.png").read_bytes())


def main() -> None:
    parser = argparse.ArgumentParser(prog="docker/grafana/draw", description=__doc__)
    parser.add_argument(
        "--prometheus", default="http://127.0.0.1:9090", help="address of Prometheus (default: %(default)s)"
    )
    parser.add_argument("--minutes", type=float, default=15, help="minutes to draw, up to now (default: %(default)s)")
    parser.add_argument("--model", help="for the dashboard Model (default: the first by name)")
    parser.add_argument("--out", type=Path, default=PICTURES, help="where to write (default: docs/evidence/dashboards)")
    given = parser.parse_args()
    prometheus = Prometheus(given.prometheus)
    window = Window(time.time(), given.minutes * 60, prometheus.scrape_interval())
    for file in draw(prometheus, window, given.out, {"model": given.model} if given.model else {}):
        print(file)


if __name__ == "__main__":
    main()
