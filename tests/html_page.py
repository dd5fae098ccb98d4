"""A page as a browser would read it, strictly: for tests of what is rendered."""

from __future__ import annotations

from html.parser import HTMLParser

_VOID = {"meta", "link", "img", "br"}
_BLOCKS = {"dd", "div", "dt", "figcaption", "h1", "h2", "h3", "li", "p", "td", "th", "small"}
_SHAPES = {"rect", "line", "circle", "path", "polyline"}


class HtmlPage(HTMLParser):
    """Collects tags and text, and insists that tags are closed in order.

    Attributes:
        tags: Name and attributes of all, in order.
        text: What is between them, style sheets aside.
    """

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names)), f"<{tag}> has an attribute twice: {names}"
        assert tag not in _SHAPES or self.open[-1] in {"svg", "circle"}, f"{tag} outside of svg"
        if tag in _BLOCKS:
            self.text += " "
        self.tags.append((tag, dict(attrs)))
        if tag not in _VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in _VOID | _SHAPES, f"<{tag}/> is not empty"
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag
        if tag in _BLOCKS:
            self.text += " "

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.text += data

    @property
    def words(self) -> str:
        """The text with single spaces."""
        return " ".join(self.text.split())

    def all(self, tag: str) -> list[dict[str, str | None]]:
        """Return the attributes of all tags of a name."""
        return [attributes for name, attributes in self.tags if name == tag]

    def of_class(self, tag: str, name: str) -> list[dict[str, str | None]]:
        """Return the attributes of all tags of a name and a class."""
        return [one for one in self.all(tag) if name in (one.get("class") or "").split()]


def assert_self_contained(html: str) -> None:
    """Insist that nothing is loaded from anywhere and nothing runs."""
    page = HtmlPage(html)
    assert not {tag for tag, _ in page.tags} & {
        "script", "iframe", "object", "embed", "base", "form", "image", "use", "foreignobject",
    }  # fmt: skip
    for tag, attributes in page.tags:
        assert not [name for name in attributes if name.startswith("on")], tag
        for name in ("src", "href", "data", "srcset", "xlink:href", "action", "poster"):
            assert (attributes.get(name) or "#").startswith(("#", "data:")), (tag, name)
        assert "url(" not in (attributes.get("style") or "")
    styles = html[html.index("<style>") : html.index("</style>")]
    assert "@import" not in styles
    assert "url(" not in styles
