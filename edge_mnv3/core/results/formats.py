"""The versions of the JSON formats that users hold, each with its history."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Upgrade = Callable[[dict[str, Any]], dict[str, Any]]
VERSION_KEY = "schema_version"


@dataclass(frozen=True, slots=True)
class Format:
    """A format and how its older versions are read.

    A result class names its format in `FORMAT` and has a field `schema_version`. To change a format, append a
    function that turns the JSON object of the version before into the new one.

    Attributes:
        name: What messages call it.
        upgrades: The first turns version 1 into version 2, and so on. Each gets a copy that it may change.
        first_is_silent: Objects of version 1 do not say their version.
    """

    name: str
    upgrades: tuple[Upgrade, ...] = ()
    first_is_silent: bool = False

    @property
    def version(self) -> int:
        """The version that is written now."""
        return 1 + len(self.upgrades)

    def upgraded(self, data: dict[str, Any]) -> dict[str, Any]:
        """Turns an object of any version into one of the present version.

        Raises:
            ValueError: The version is not one that this program reads, or the object is not of its version.
        """
        version = data.get(VERSION_KEY, 1) if self.first_is_silent else data[VERSION_KEY]
        if type(version) is not int or not 1 <= version <= self.version:
            known = "1" if self.version == 1 else f"1 to {self.version}"
            raise ValueError(f"{VERSION_KEY} {version!r} is not supported, this program reads {known}")
        try:
            for upgrade in self.upgrades[version - 1 :]:
                data = upgrade(dict(data))
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"no {self.name} of version {version}: {error!r}") from error
        return {**data, VERSION_KEY: self.version}
