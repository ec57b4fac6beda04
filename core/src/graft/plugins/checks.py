"""What is wrong with what a hook returned: said once, when plugins are loaded, not when something is used."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import fields

from graft.plugins.descriptors import HOOKS, Contribution, Descriptor

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]*")
_TARGET = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")
_RESOURCE = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[\w./-]+")
_SUFFIX = re.compile(r"[a-z0-9]+")
_NAMES = {"tasks", "metrics", "suffixes"}
_MAPPINGS = {"recipe", "demo"}
_TABLES = {"recipes", "demos"}
_FUNCTIONS = {"sample", "fits"}
_WORDS = {"verb", "takes", "head", "augment", "monitor", "gives"}


def faults_of_returned(hook: str, returned: object) -> tuple[list[Contribution], list[str]]:
    """Return the descriptors that `hook` returned, and what is wrong with them."""
    kind = HOOKS[hook]
    if isinstance(returned, kind):
        return [], [f"{hook} returned one {kind.__name__}: return a list of them"]
    try:
        items = list(returned)  # type: ignore[call-overload]
    except TypeError:
        return [], [f"{hook} returned {_a(returned)}: return a list of {kind.__name__}"]
    good: list[Contribution] = []
    faults: list[str] = []
    for item in items:
        if not isinstance(item, kind):
            faults.append(f"{hook} gave {_a(item)}, and takes {kind.__name__}")
            continue
        wrong = [f"{hook} {getattr(item, 'name', '?')!r}: {fault}" for fault in _faults(item)]
        faults += wrong
        if not wrong:
            good.append(item)
    names = [item.name for item in good]
    faults += [f"{hook} gave two with the name {name!r}" for name in sorted({n for n in names if names.count(n) > 1})]
    return good, faults


def _faults(spec: Contribution) -> Iterator[str]:
    """Yield what is wrong with one descriptor: dataclasses do not check the types of their fields."""
    if not _fits(_NAME, spec.name):
        yield f"`name` is {spec.name!r}: use letters, digits and . _ + -"
    if not isinstance(spec.summary, str) or not spec.summary.strip() or "\n" in spec.summary:
        yield "`summary` must be one line of text"
    if isinstance(spec, Descriptor):
        if not _fits(_TARGET, spec.target):
            yield f"`target` is {spec.target!r}: write 'package.module:attribute'"
        if spec.options is not None and not _fits(_TARGET, spec.options):
            yield f"`options` is {spec.options!r}: write 'package.module:Model'"
        if not isinstance(spec.requires, Mapping):
            yield "`requires` must map each module to what to install for it"
    for name in (field.name for field in fields(spec)):
        value = getattr(spec, name)
        if name in _NAMES and not (isinstance(value, tuple) and all(isinstance(item, str) for item in value)):
            yield f"`{name}` is {value!r}: write a tuple of names, as in ('one',)"
        elif name in _WORDS and not _fits(_NAME, value):
            yield f"`{name}` is {value!r}: write one word"
        elif name == "index" and not _fits(_RESOURCE, value):
            yield f"`index` is {value!r}: write 'package:file'"
        elif name == "needs" and value not in ("embedding", "pyramid"):
            yield f"`needs` is {value!r}: write 'embedding' or 'pyramid'"
        elif name == "framing" and value not in ("crop", "pad", "windows"):
            yield f"`framing` is {value!r}: write 'crop', 'pad' or 'windows'"
        elif name == "files" and not (isinstance(value, Mapping) and all(_fits(_SUFFIX, kind) for kind in value)):
            yield f"`files` is {value!r}: map file suffixes, as in 'png', to what a file holds"
        elif name in _FUNCTIONS and value is not None and not _fits(_TARGET, value):
            yield f"`{name}` is {value!r}: write 'package.module:function'"
        elif name in _MAPPINGS and not isinstance(value, Mapping):
            yield f"`{name}` must be a mapping"
        elif name in _TABLES and not (
            isinstance(value, Mapping) and all(isinstance(v, Mapping) for v in value.values())
        ):
            yield f"`{name}` must map names of tasks to mappings"
        elif name == "backbones" and not _is_of_texts(value):
            yield f"`{name}` is {value!r}: map architectures to why they suit"
        elif name == "samples" and not (isinstance(value, Mapping) and all(_fits(_TARGET, v) for v in value.values())):
            yield f"`{name}` is {value!r}: map kinds of targets to 'package.module:function'"
        elif name == "fitted" and not isinstance(value, bool):
            yield f"`fitted` is {value!r}: write True or False"


def _fits(pattern: re.Pattern[str], value: object) -> bool:
    return isinstance(value, str) and pattern.fullmatch(value) is not None


def _is_of_texts(value: object) -> bool:
    return isinstance(value, Mapping) and all(isinstance(text, str) and text.strip() for text in value.values())


def _a(value: object) -> str:
    return "None" if value is None else f"a {type(value).__name__}"
