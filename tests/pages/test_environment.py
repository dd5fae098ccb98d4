from __future__ import annotations

import re

import pytest
from jinja2 import TemplateNotFound, UndefinedError

from edgecnn.report import page_environment


def test_values_are_escaped_and_unknown_names_refused() -> None:
    environment = page_environment("edgecnn.verify")
    assert environment.from_string("{{ a }}").render(a="<b>&") == "&lt;b&gt;&amp;"
    with pytest.raises(UndefinedError):
        environment.from_string("{{ b }}").render()


def test_a_stage_has_its_own_templates_and_the_base_style_sheet() -> None:
    environment = page_environment("edgecnn.verify")
    assert environment.get_template("report.html.j2").name == "report.html.j2"
    assert "<html" in environment.loader.get_source(environment, "page.html.j2")[0]  # type: ignore[union-attr]
    assert "--paper" in environment.get_template("page.css").render()
    with pytest.raises(TemplateNotFound):
        environment.get_template("absent.css")


def test_every_colour_has_a_dark_one() -> None:
    css = page_environment("edgecnn.verify").get_template("page.css").render()
    light, dark = css.split("@media (prefers-color-scheme: dark)")[:2]
    names = set(re.findall(r"(--[a-z]+):", light))
    assert len(names) >= 10
    assert set(re.findall(r"(--[a-z]+):", dark.partition("* {")[0])) == names
