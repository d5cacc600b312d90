"""An HTML page read strictly: what is open is closed in order, ids are unique, and names refer to ids."""

from __future__ import annotations

from html.parser import HTMLParser

_VOID = {"meta", "link", "img", "br", "input", "hr", "wbr"}

_WITHIN = {"wbr", "kbd"}  # a text that has them is one


class Outline(HTMLParser):
    """What a page is made of.

    Attributes:
        tags: Each tag with its attributes, in order.
        texts: Its texts, without those of scripts and styles.
        problems: What is wrong with it.
    """

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.texts: list[str] = []
        self.problems: list[str] = []
        self._open: list[str] = []
        self._goes_on = False
        self.feed(page)
        self.close()
        self.problems += [f"<{tag}> is not closed" for tag in self._open]
        self._check_references()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Notes a tag."""
        names = [name for name, _ in attrs]
        if len(set(names)) < len(names):
            self.problems.append(f"<{tag}> has an attribute twice: {names}")
        self._goes_on = tag in _WITHIN
        self.tags.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in _VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """Compares an end with what is open."""
        if not self._open or self._open[-1] != tag:
            self.problems.append(f"</{tag}> in {self._open}")
        else:
            self._goes_on = tag in _WITHIN
            self._open.pop()

    def handle_data(self, data: str) -> None:
        """Notes a text."""
        if {"script", "style"} & {*self._open[-1:]}:
            return
        if self._goes_on and self.texts:
            self.texts[-1] += data
        else:
            self.texts.append(data)
        self._goes_on = False

    def of(self, tag: str) -> list[dict[str, str]]:
        """The attributes of each tag of a name."""
        return [attributes for name, attributes in self.tags if name == tag]

    def _check_references(self) -> None:
        ids = [attributes["id"] for _, attributes in self.tags if "id" in attributes]
        self.problems += [f"id {each} stands twice" for each in {*ids} if ids.count(each) > 1]
        for tag, attributes in self.tags:
            for name in attributes.get("aria-labelledby", "").split():
                if name not in ids:
                    self.problems.append(f"<{tag}> is labelled by {name}, which is not there")
            if attributes.get("href", "").startswith("#") and attributes["href"][1:] not in ids:
                self.problems.append(f"link to {attributes['href']}, which is not there")
