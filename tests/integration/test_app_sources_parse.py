"""Every source for apps, read by a grammar of its language: nothing may be left over or missing."""

from __future__ import annotations

from pathlib import PurePosixPath

import pytest
import tree_sitter
import tree_sitter_kotlin
import tree_sitter_swift

from app_contexts import app_context, app_output
from edge_mnv3.core.results.model_facts import Task
from edge_mnv3.packaging.app_sources import app_sources

GRAMMARS = {".kt": tree_sitter_kotlin, ".kts": tree_sitter_kotlin, ".swift": tree_sitter_swift}


def mistakes(suffix: str, text: str) -> list[str]:
    language = tree_sitter.Language(GRAMMARS[suffix].language())
    tree = tree_sitter.Parser(language).parse(text.encode())
    errors, waiting = [], [tree.root_node]
    while waiting:
        node = waiting.pop()
        if node.is_error or node.is_missing:
            errors.append(f"line {node.start_point.row + 1}: {node.type}")
        waiting += node.children
    return errors


# Files of uint8 and float32 models, and of int8 ones.
COUNTS: dict[Task, tuple[int, int]] = {
    "classes": (18, 8),
    "labels": (18, 8),
    "embedding": (18, 8),
    "map": (14, 7),
}


@pytest.mark.parametrize("task", COUNTS)
@pytest.mark.parametrize(
    ("dtype", "preprocess"), [("uint8", "slim"), ("int8", "resize"), ("float32", "resize256")]
)
def test_kotlin_and_swift_have_no_syntax_errors(dtype: str, preprocess: str, task: Task) -> None:
    context = app_context(dtype, app_output(dtype, task=task, count=20), name="Blüten */ \\")
    sources = app_sources(context, preprocess=preprocess)
    parsed = {path: PurePosixPath(path).suffix for path in sources if PurePosixPath(path).suffix in GRAMMARS}
    assert len(parsed) == COUNTS[task][dtype == "int8"]
    for path, suffix in parsed.items():
        assert mistakes(suffix, sources[path]) == [], path


@pytest.mark.parametrize(
    ("path", "broken"), [("android/LiteRtClassifier.kt", "fun classify("), ("ios/Preprocessing.swift", "{")]
)
def test_a_syntax_error_would_be_found(path: str, broken: str) -> None:
    text = app_sources(app_context(), preprocess="slim")[path]
    assert mistakes(PurePosixPath(path).suffix, text.replace(broken, "", 1))
