"""The page of an inspection: self-contained, safe, and of bounded size."""

from __future__ import annotations

import base64
from dataclasses import replace
from pathlib import Path

import pytest

from data.quality.scenes import save, scene
from edgecnn.data.quality.findings import KINDS, FindingKind, PhotoFinding
from edgecnn.data.quality.inspection import InspectedFolder, NotChecked, inspect_folder
from edgecnn.data.quality.page import MOST_SHOWN, render_page
from edgecnn.data.quality.split_effect import SplitEffect
from html_page import HtmlPage

EVIL = "<script>alert('1')</script>&amp;\"x"
EFFECT = SplitEffect(
    random=0.9,
    random_deviation=0.01,
    grouped=0.8,
    grouped_deviation=0.02,
    difference_error=0.005,
    photos=20,
    groups=5,
    folds=5,
    seeds=5,
    backbone=EVIL,
)


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> InspectedFolder:
    root = tmp_path_factory.mktemp("photos")
    for offset, name in enumerate(("cat", "dog")):
        for number in range(12):
            save(root / name / f"{'abcdefghijkl'[number]}.jpg", scene(number + 40 * offset))
    return inspect_folder(root, thumbnails=True)


def with_findings(
    plain: InspectedFolder, findings: list[PhotoFinding], picture: bytes = b"jpeg"
) -> InspectedFolder:
    names = {name for finding in findings for name in finding.photos}
    return InspectedFolder(
        quality=replace(
            plain.quality,
            findings=tuple(findings),
            backbone=EVIL,
            split_effect=EFFECT,
            notes=(EVIL,),
            not_checked=(NotChecked(check=EVIL, why=EVIL),),
        ),
        thumbnails=dict.fromkeys(names, picture),
    )


def found(kind: FindingKind, count: int, photos: int = 1) -> list[PhotoFinding]:
    return [
        PhotoFinding(
            kind=kind,
            photos=tuple(f"{EVIL}/{kind}{number}-{at}.jpg" for at in range(photos)),
            detail=EVIL,
        )
        for number in range(count)
    ]


def test_a_page_without_findings_says_that_all_is_well(plain: InspectedFolder) -> None:
    page = HtmlPage(render_page(plain, record="data.json"))
    assert "Nothing was found to be wrong with these photos." in page.words
    assert "24 photos of 2 classes, 0 findings" in page.words
    assert "Not checked" in page.words
    assert not page.all("img")


def test_a_page_of_every_kind_has_its_words_and_its_pictures(plain: InspectedFolder) -> None:
    findings = [one for kind in KINDS for one in found(kind, 2, photos=2)]
    page = HtmlPage(render_page(with_findings(plain, findings), record="data.json"))
    for words in KINDS.values():
        for text in (words.title, words.meaning, words.advice):
            assert text in page.words
    assert len(page.all("img")) == len(findings) * 2
    links = {str(link["href"]) for link in page.all("a")}
    targets = {f"#{one['id']}" for one in page.all("article")} | {"#classes", "#splits"}
    assert links <= targets
    assert "a random split flatters by 10.0 points" in page.words


def test_a_page_needs_nothing_else_and_runs_nothing(plain: InspectedFolder) -> None:
    findings = [one for kind in KINDS for one in found(kind, 3)]
    text = render_page(with_findings(plain, findings), record="data.json")
    page = HtmlPage(text)
    assert not page.all("script")
    assert "<script>alert" not in text
    assert "http:" not in text
    assert "https:" not in text
    for image in page.all("img"):
        assert str(image["src"]).startswith("data:image/jpeg;base64,")
    assert not [name for _, attributes in page.tags for name in attributes if name.startswith("on")]


def test_thousands_of_findings_make_no_huge_page(plain: InspectedFolder) -> None:
    findings = [one for kind in KINDS for one in found(kind, 500, photos=40)]
    text = render_page(with_findings(plain, findings, b"x" * 6_000), record="data.json")
    assert len(text.encode()) < 3_500_000
    page = HtmlPage(text)
    assert "500 findings, 20,000 photos" in page.words
    assert "more of this kind are in data.json" in page.words
    # Each kind has some of its pictures.
    assert page.words.count("and 34 more") >= len(KINDS)


def test_what_is_beyond_the_cap_is_counted(plain: InspectedFolder) -> None:
    page = HtmlPage(
        render_page(with_findings(plain, found("label", MOST_SHOWN + 1)), record="data.json")
    )
    assert len(page.all("img")) == MOST_SHOWN
    assert "1 more of this kind is in data.json." in page.words


def test_a_file_without_a_picture_is_shown_by_name(plain: InspectedFolder) -> None:
    inspected = replace(with_findings(plain, found("unreadable", 1)), thumbnails={})
    page = HtmlPage(render_page(inspected, record="data.json"))
    assert not page.all("img")
    assert "unreadable0-0.jpg" in page.words


def test_pictures_are_those_of_the_photos(tmp_path: Path) -> None:
    for name in ("cat", "dog"):
        for number in range(10):
            save(tmp_path / name / f"{'abcdefghij'[number]}.jpg", scene(number))
    inspected = inspect_folder(tmp_path, thumbnails=True)
    text = render_page(inspected, record="data.json")
    for finding in inspected.quality.findings:
        for name in finding.photos:
            assert base64.b64encode(inspected.thumbnails[name]).decode() in text
