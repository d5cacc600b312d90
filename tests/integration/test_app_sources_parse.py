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


def parsed(suffix: str, text: str) -> tree_sitter.Node:
    language = tree_sitter.Language(GRAMMARS[suffix].language())
    return tree_sitter.Parser(language).parse(text.encode()).root_node


def mistakes(suffix: str, text: str) -> list[str]:
    errors, waiting = [], [parsed(suffix, text)]
    while waiting:
        node = waiting.pop()
        if node.is_error or node.is_missing:
            errors.append(f"line {node.start_point.row + 1}: {node.type}")
        waiting += node.children
    return errors


# Files of uint8 and float32 models, and of int8 ones.
COUNTS: dict[Task, tuple[int, int]] = {
    "classes": (19, 9),
    "labels": (19, 9),
    "embedding": (19, 9),
    "map": (15, 8),
}


@pytest.mark.parametrize("task", COUNTS)
@pytest.mark.parametrize(
    ("dtype", "preprocess"), [("uint8", "slim"), ("int8", "resize"), ("float32", "resize256")]
)
def test_kotlin_and_swift_have_no_syntax_errors(dtype: str, preprocess: str, task: Task) -> None:
    context = app_context(dtype, app_output(dtype, task=task, count=20), name="Blüten */ \\")
    sources = app_sources(context, preprocess=preprocess)
    paths = {path: PurePosixPath(path).suffix for path in sources if PurePosixPath(path).suffix in GRAMMARS}
    assert len(paths) == COUNTS[task][dtype == "int8"]
    for path, suffix in paths.items():
        assert mistakes(suffix, sources[path]) == [], path


def declared(text: str) -> set[tuple[str, str]]:
    """Swift's declarations outside of functions: name, or init, and public, private or nothing."""
    found = set()
    waiting = [(parsed(".swift", text), False)]
    while waiting:
        node, hidden = waiting.pop()
        if node.type in (
            "class_declaration",
            "function_declaration",
            "init_declaration",
            "property_declaration",
        ):
            marks = [(child.text or b"").decode() for child in node.children if child.type == "modifiers"]
            words = " ".join(marks).split()
            access = next((word for word in words if word in ("public", "private")), "")
            names = node.child_by_field_name("name")
            name = "init" if names is None else (names.text or b"").decode()
            # An extension has no access of its own; what stands in a private type is private.
            if not hidden and not any(child.type == "extension" for child in node.children):
                found.add((name, access))
            hidden = hidden or access == "private"
            if node.type != "class_declaration":
                continue
        waiting += [(child, hidden) for child in node.children]
    return found


@pytest.mark.parametrize("task", COUNTS)
def test_swift_declarations_are_public_or_private(task: Task) -> None:
    """A package's user sees what is public, and nothing else."""
    sources = app_sources(app_context("uint8", app_output(task=task)), preprocess="slim")
    public = {}
    for path, text in sources.items():
        if path.endswith(".swift") and "/test/" not in path and not path.endswith("Package.swift"):
            of = declared(text)
            assert {access for _, access in of} <= {"public", "private"}, (path, of)
            public[path] = {name for name, access in of if access == "public"}
    assert all(public.values()), public
    together = set().union(*public.values())
    # What the pages name; ModelError's cases are public with it.
    assert together >= {"Preprocessing", "pixels", "ModelError", "ofModel", "init"}
    assert ("classify" in together) == ("scores" in together) == (task in ("classes", "labels"))
    assert ("run" in together) == (task not in ("classes", "labels"))
    assert ("cosineSimilarity" in together) == ("embed" in together) == (task == "embedding")


def test_a_declaration_that_is_not_public_would_be_found() -> None:
    text = app_sources(app_context(), preprocess="slim")["ios/TensorFlowLiteClassifier.swift"]
    for name, marked, plain in (
        ("init", "public init(", "init("),
        ("scores", "public func scores", "func scores"),
        ("TensorFlowLiteClassifier", "public final class", "final class"),
    ):
        assert (name, "") not in declared(text)
        assert (name, "") in declared(text.replace(marked, plain))


@pytest.mark.parametrize(
    ("path", "broken"), [("android/LiteRtClassifier.kt", "fun classify("), ("ios/Preprocessing.swift", "{")]
)
def test_a_syntax_error_would_be_found(path: str, broken: str) -> None:
    text = app_sources(app_context(), preprocess="slim")[path]
    assert mistakes(PurePosixPath(path).suffix, text.replace(broken, "", 1))
