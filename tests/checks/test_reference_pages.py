"""The reference pages are what the code says: a changed option, setting or key has to be written into its page.

`scripts/stack test tests/checks/test_reference_pages.py --write-docs` writes all of them.
"""

from collections.abc import Callable

import pytest

from checks.reference import cli, model_yaml, settings
from stackcli.common.paths import ROOT

PAGES: dict[str, Callable[[], str]] = {"cli": cli.page, "model-yaml": model_yaml.page, "settings": settings.page}
WRITE = "scripts/stack test tests/checks/test_reference_pages.py --write-docs"


@pytest.mark.parametrize("name", PAGES)
def test_the_page_is_what_the_code_says(name: str, write_docs: bool) -> None:
    document = ROOT / f"docs/reference/{name}.md"
    if write_docs:
        document.write_text(PAGES[name]())
    assert document.read_text() == PAGES[name](), f"expected {document.name} as the code has it; try `{WRITE}`"


def test_every_key_of_model_yaml_has_a_meaning() -> None:
    spec = model_yaml.spec_module()
    sections = [spec.ModelSpec, *spec.Section.__subclasses__()]
    assert not [
        f"{section.__name__}.{name}"
        for section in sections
        for name, field in section.model_fields.items()
        if not field.description
    ]


def test_every_variable_has_a_meaning() -> None:
    variables = [variable for _, _, found in settings.sections() for variable in found]
    assert not [variable.name for variable in variables if not variable.meaning]
