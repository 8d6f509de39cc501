"""Write model folders for the builder to build, as a user would; they never go into the user's model_src."""

import io
import json
import shutil
import zipfile
from pathlib import Path
from typing import Any

import yaml
from PIL import Image

HERE = Path(__file__).parent
WORDS_HANDLER = '''"""The digit in words, so that the second version of mnist is told from the first."""

from common.image_handler import ImageHandler

WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


class DigitInWords(ImageHandler):
    def answer(self, scores):
        return WORDS[int(scores.argmax())]
'''


def grey_picture(level: int) -> bytes:
    """Makes an 8×8 PNG of one level, 0 (black) to 255 (white)."""
    file = io.BytesIO()
    Image.new("L", (8, 8), level).save(file, format="PNG")
    return file.getvalue()


DARK_PICTURE, BRIGHT_PICTURE = grey_picture(20), grey_picture(235)


def write_brightness_model(model_src: Path, name: str, handler: str = "handler.py", **settings: Any) -> Path:
    """Writes a copy of brightness/ under another name; `settings` replace keys of its model.yaml."""
    folder = model_src / name
    shutil.copytree(HERE / "brightness", folder)
    if handler != "handler.py":
        (folder / handler).replace(folder / "handler.py")
    (folder / "samples").mkdir()
    (folder / "samples/dark.png").write_bytes(DARK_PICTURE)
    (folder / "samples/bright.png").write_bytes(BRIGHT_PICTURE)
    (folder / "samples/expected.json").write_text(json.dumps({"dark.png": "dark", "bright.png": "bright"}))
    change_settings(folder, name=name, **settings)
    add_common(model_src)
    return folder


def write_day_and_night(model_src: Path) -> Path:
    """Writes two brightness models; returns their folder."""
    for name in ("day", "night"):
        write_brightness_model(model_src, name)
    return model_src


def copy_mnist(source: Path, archive: Path, model_src: Path, folder: str, **settings: Any) -> Path:
    """Copies the user's mnist folder; the weights come from its built archive, and no test set is needed."""
    target = model_src / folder
    shutil.copytree(source / "mnist", target, ignore=shutil.ignore_patterns("__pycache__"))
    with zipfile.ZipFile(archive) as mar:
        serialized = json.loads(mar.read("MAR-INF/MANIFEST.json"))["model"]["serializedFile"]
        (target / "trained.pth").write_bytes(mar.read(serialized))
    exact = {"data": None, "labelled": None, "calibration": None, "engine": None}
    change_settings(target, weights={"file": "trained.pth"}, **exact, **settings)
    add_common(model_src)
    return target


def change_settings(folder: Path, **settings: Any) -> None:
    """Replace keys of a folder's model.yaml; None removes a key."""
    file = folder / "model.yaml"
    document = yaml.safe_load(file.read_text())
    document.update(settings)
    file.write_text(yaml.safe_dump({key: value for key, value in document.items() if value is not None}))


def add_common(model_src: Path) -> None:
    """Adds the handler code that every archive contains."""
    if not (model_src / "common").exists():
        shutil.copytree(users_common(), model_src / "common", ignore=shutil.ignore_patterns("__pycache__"))


def users_common() -> Path:
    return HERE.parents[3] / "model_src/common"


def answer_in_words(mnist: Path) -> None:
    """Give a copy of mnist a handler that answers "seven", and long batches, so that requests meet in one."""
    (mnist / "words.py").write_text(WORDS_HANDLER)
    (mnist / "samples/expected.json").unlink()
    serving = yaml.safe_load((mnist / "model.yaml").read_text()).get("serving", {})
    change_settings(mnist, handler="words.py", serving={**serving, "batchSize": 32, "maxBatchDelay": 300})
