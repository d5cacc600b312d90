"""Commands in the documentation's shell blocks, as a shell would divide them."""

from __future__ import annotations

import re
import shlex

_ASSIGNMENT = re.compile(r"[A-Z_][A-Z0-9_]*=")
_ENDS = {"|", "||", "&&", ";", "&", "(", ")"}
LEFT_OUT = "…"  # stands for what the reader fills in


def commands(block: str) -> list[list[str]]:
    """The commands of a block, each as its words, without assignments in front and without redirections."""
    found = []
    for line in block.replace("\\\n", " ").splitlines():
        lexer = shlex.shlex(line, posix=True, punctuation_chars="|&;()<>")
        lexer.wordchars += "*?[]{}$@:,…!%+"
        words: list[str] = []
        skip = False
        for word in [*lexer, ";"]:
            if skip:
                skip = False
            elif word in _ENDS:
                found.append(words)
                words = []
            elif word in (">", ">>", "<"):
                skip = True
            elif words or not _ASSIGNMENT.match(word):
                words.append(word)
        if skip:
            raise ValueError(f"a redirection to nothing: {line}")
    return [words for words in found if words]
