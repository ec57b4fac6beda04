"""The page of a first look, and its tables as files."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from graft import atomic
from graft.evaluation.metrics import Value
from graft.report.page import Block, Chapter, Page, Preformatted, render
from graft.report.sections import Gallery, Picture, Table
from graft.report.thumbnails import shown
from graft.report.verdict import Verdict
from graft.tryout.look import REMOVED, Copies, Findings

_SHOWN = 24
_NAMED = 3
_COPIES_SHOWN = 12
_SHORTCUT = 0.15
"""What size and format of a file alone must tell beyond the most frequent class, to be worth a warning."""


def write(findings: Findings, folder: Path) -> Path:
    """Write `report.html`, `doubts.csv` and `copies.csv` into `folder`, and return the page's path.

    Raises:
        TrainingError: When they cannot be written.
    """
    texts = {
        "doubts.csv": _csv(doubt_rows(findings)),
        "copies.csv": _csv(copy_rows(findings)),
        "report.html": render(_page(findings)),
    }
    for name, text in texts.items():
        atomic.write_text(folder / name, text)
    return folder / "report.html"


def verdict(findings: Findings) -> Verdict:
    """Return what the first look comes to, in two sentences."""
    linear, guess = findings.probes["linear"].accuracy, findings.probes["majority"].accuracy
    n = len(findings.samples)
    headline = f"Accuracy {_interval(linear)} with a linear probe on features as they are, {n} images"
    against = f"The most frequent class alone reaches {guess.value:.3f}"
    low = linear.low if linear.low is not None else linear.value
    if low <= guess.value:
        judgement = f"{against}: these features tell little about these classes, or the labels do not fit the images."
        return Verdict(headline=headline, judgement=judgement, tone="bad")
    gain = f"fine-tuning is likely to reach {findings.expected}"
    found = warnings(findings)
    looks = f" But first look at {len(found)} {'thing' if len(found) == 1 else 'things'} below." if found else ""
    return Verdict(headline=headline, judgement=f"{against}; {gain}.{looks}", tone="unsure" if found else "good")


def warnings(findings: Findings) -> list[str]:
    """Return what should be looked at before anything is trained, a sentence each."""
    found = []
    samples = findings.samples
    if bad := findings.experiment.prepared.bad_files:
        number = "1 file" if len(bad) == 1 else f"{len(bad)} files"
        found.append(f"{number} cannot be read and left out here, such as {bad[0].id} ({bad[0].reason})")
    if leaks := findings.leaks:
        one = leaks[0]
        names = " and ".join(samples[index].id for index in one.indices[:2])
        way = "data.duplicates=drop leaves them out of the earlier split"
        if not all(leak.exact for leak in leaks):
            way = "delete one of each pair (data.duplicates=drop sees only what is equal byte for byte)"
        found.append(
            f"{_sets(len(leaks), 'reaches', 'reach')} over splits, so results on them are too good: {names} "
            f"({' and '.join(one.splits)}); {way}"
        )
    if crossing := findings.crossing:
        number = "1 group is" if len(crossing) == 1 else f"{len(crossing)} groups are"
        found.append(f"{number} in more than one split, such as {crossing[0]}: data.split.by=group")
    if conflicts := [one for one in findings.copies if one.conflict]:
        names = " and ".join(samples[index].id for index in conflicts[0].indices[:2])
        found.append(f"{_sets(len(conflicts), 'has', 'have')} different labels, such as {names}")
    if likely := [doubt for doubt in findings.doubts if doubt.strong]:
        named = ", ".join(
            f"{samples[doubt.index].id} ({findings.classes[doubt.given]}, or {findings.classes[doubt.suggested]}?)"
            for doubt in likely[:_NAMED]
        )
        more = " …" if len(likely) > _NAMED else ""
        found.append(
            f"{'1 label is' if len(likely) == 1 else f'{len(likely)} labels are'} strongly doubted, by the probe and "
            f"by the nearest neighbours: {named}{more}"
        )
    known = findings.betrayed
    if known is not None and known.accuracy.value > findings.probes["majority"].accuracy.value + _SHORTCUT:
        found.append(
            f"size and format of the files alone tell the class in {known.accuracy.value:.0%} of the cases: "
            "a model may learn where the images come from instead of what they show"
        )
    return found


def _sets(number: int, one: str, more: str) -> str:
    return f"1 set of copies {one}" if number == 1 else f"{number} sets of copies {more}"


def doubt_rows(findings: Findings) -> list[dict[str, Any]]:
    """Return the doubted labels, a row each, the most doubtful first."""
    return [
        {
            "id": findings.samples[doubt.index].id,
            "label": findings.classes[doubt.given],
            "looks like": findings.classes[doubt.suggested],
            "probability": round(doubt.probability, 4),
            "neighbours agree": "yes" if doubt.agreed else "no",
            "split": findings.samples[doubt.index].split or "",
        }
        for doubt in findings.doubts
    ]


def copy_rows(findings: Findings) -> list[dict[str, Any]]:
    """Return the copies, a row per image, those across splits first."""
    return [
        {
            "set": number,
            "id": findings.samples[index].id,
            "label": findings.classes[findings.labels[index]],
            "split": findings.samples[index].split or "",
            "equal": "byte for byte" if one.exact else "nearly",
            "across splits": "yes" if one.leaks else "no",
        }
        for number, one in enumerate(findings.copies, 1)
        for index in one.indices
    ]


def _page(findings: Findings) -> Page:
    experiment = findings.experiment
    loaded = experiment.loaded
    weights = loaded.weights.name if loaded.weights else "random weights"
    height, width = experiment.store.preprocess.size
    return Page(
        title=f"A first look at {experiment.recipe.data.train}",
        subtitle=f"{len(findings.samples)} images, {len(findings.classes)} classes · {loaded.source}:{loaded.arch}, "
        f"{weights}, {height} × {width} · {findings.seconds:.0f} s",
        verdict=verdict(findings),
        chapters=[
            Chapter(title="Look at these first", blocks=[_warned(findings)]),
            Chapter(title="How far features get", blocks=list(_probes(findings))),
            Chapter(title="What to do next", blocks=[_next(findings)]),
            Chapter(title="Labels in doubt", blocks=[_doubted(findings)]),
            Chapter(title="Copies and leaks", blocks=[_copied(findings)]),
            Chapter(title="Images", blocks=list(_images(findings))),
        ],
    )


def _warned(findings: Findings) -> Block:
    found = warnings(findings)
    if not found:
        return Block(title="", how_to_read="Nothing stands out: no copies across splits, no label that all doubt.")
    return Block(title="", parts=[Table(columns=("",), rows=[(sentence,) for sentence in found])])


def _probes(findings: Findings) -> Iterator[Block]:
    names = {
        "linear": "linear probe: logistic regression",
        "knn": "nearest neighbours, by cosine",
        "majority": "most frequent class, without looking",
    }
    rows = [
        (what, _interval(findings.probes[kind].accuracy), _interval(findings.probes[kind].balanced_accuracy))
        for kind, what in names.items()
    ]
    if findings.half is not None:
        half = findings.half
        rows.insert(
            1, ("linear probe, half of the images", _interval(half.accuracy), _interval(half.balanced_accuracy))
        )
    if findings.betrayed is not None:
        known = findings.betrayed
        what = "size and format of the files alone"
        rows.append((what, _interval(known.accuracy), _interval(known.balanced_accuracy)))
    folds = findings.probes["linear"].folds
    apart = (
        "images count as independent of each other: where several are of one patient, scene or video, give groups"
        if findings.ungrouped
        else "groups stay together"
    )
    yield Block(
        title="Cross-validated",
        how_to_read=f"{folds} folds of all {len(findings.samples)} images, test images too; copies kept together; "
        f"{apart}. In brackets, the 95 % interval. If half of the "
        "images do nearly as well as all, more of the same will not help much.",
        parts=[Table(columns=("on the pretrained features", "accuracy", "balanced accuracy"), rows=rows)],
    )
    confusions = findings.confusions()
    yield Block(
        title="Most confused classes",
        how_to_read="By the linear probe." if confusions else "The linear probe confuses none.",
        parts=[
            Table(
                columns=("class", "taken for", "images", "of the class"),
                rows=[(true, taken, count, f"{count / total:.0%}") for true, taken, count, total in confusions],
            )
        ]
        if confusions
        else [],
    )


def _next(findings: Findings) -> Block:
    advice = findings.advice
    seen = {True: "far from", False: "near to", None: "at an unknown distance from"}[advice.far]
    low, high = (f"{100 * share:.0f}" for share in REMOVED["far" if advice.far else "near"])
    return Block(
        title="",
        how_to_read=f"These images are {seen} what the weights know. For such ones, fine-tuning removed {low} to "
        f"{high} % of a fixed network's errors in Graft's own trials (three data sets, one network: "
        f"docs/results/strategies.md). Within the probe's interval that makes {findings.expected}; measured on your "
        f"test images alone it may lie further off, as they are fewer. Suggested is {advice.why}.",
        parts=[Preformatted(text=advice.command)],
    )


def _doubted(findings: Findings) -> Block:
    first = findings.doubts[:_SHOWN]
    if not first:
        return Block(title="", how_to_read="No label is in doubt.")
    pictures = [
        _picture(
            findings,
            doubt.index,
            f"{findings.classes[doubt.given]} → {findings.classes[doubt.suggested]} {doubt.probability:.2f}"
            + (" · neighbours agree" if doubt.agreed else ""),
        )
        for doubt in first
    ]
    wrong = 1 - findings.probes["linear"].accuracy.value
    return Block(
        title=f"{len(findings.doubts)} labels"
        + ("" if len(first) == len(findings.doubts) else f", the first {len(first)}"),
        how_to_read="The label → what the image looks like, to a probe that was trained without it (confident "
        f"learning, Northcutt et al. 2021). The probe itself is wrong in {wrong:.0%} of the cases: begin at the top, "
        "where the nearest neighbours agree with it, sorted by how much likelier the other class is. All are in "
        "doubts.csv.",
        parts=[Gallery(pictures=pictures)],
        names=[findings.samples[doubt.index].id for doubt in first],
    )


def _copied(findings: Findings) -> Block:
    if not findings.copies:
        return Block(title="", how_to_read="No two images are the same, or nearly.")
    members = [(one, index) for one in findings.copies[:_COPIES_SHOWN] for index in one.indices]
    pictures = [_picture(findings, index, _caption(findings, one, index)) for one, index in members]
    how = (
        "The same image twice, byte for byte or nearly (re-encoded, resized). In different splits they make results "
        "too good; with different labels one of them is wrong. All are in copies.csv."
    )
    return Block(
        title=f"{_sets(len(findings.copies), '', '').strip()}, {len(findings.leaks) or 'none'} across splits",
        how_to_read=how,
        parts=[Gallery(pictures=pictures)],
        names=[findings.samples[index].id for _, index in members],
    )


def _caption(findings: Findings, one: Copies, index: int) -> str:
    parts = [findings.classes[findings.labels[index]], findings.samples[index].split or "", "leak" if one.leaks else ""]
    return " · ".join(part for part in [*parts, "equal" if one.exact else "nearly equal"] if part)


def _images(findings: Findings) -> Iterator[Block]:
    prepared = findings.experiment.prepared
    counts = {name: [0, 0, 0] for name in findings.classes}
    places = {split: number for number, split in enumerate(prepared.split)}
    for split, indices in prepared.split.items():
        for index in indices:
            counts[findings.classes[findings.labels[index]]][places[split]] += 1
    rows: list[tuple[str | int, ...]] = [(name, *numbers, sum(numbers)) for name, numbers in counts.items()]
    yield Block(
        title="Images per class",
        how_to_read=f"As training would divide them: {prepared.split_by}.",
        parts=[Table(columns=("class", *prepared.split, "sum"), rows=rows)],
    )
    bad = prepared.bad_files
    if bad:
        yield Block(
            title=f"{len(bad)} files that cannot be read",
            how_to_read="They were left out.",
            parts=[Table(columns=("file", "why"), rows=[(one.id, one.reason) for one in bad])],
        )
    first = {int(label): index for index, label in reversed(list(enumerate(findings.labels)))}
    yield Block(
        title="One image of each class",
        how_to_read="If a picture does not fit its name, the labels are mixed up.",
        parts=[
            Gallery(
                pictures=[_picture(findings, first[label], findings.classes[label]) for label in sorted(first)[:_SHOWN]]
            )
        ],
    )


def _picture(findings: Findings, index: int, caption: str) -> Picture:
    sample = findings.samples[index]
    return Picture(path=sample.path, caption=caption, pixels=shown(sample, decoder=findings.experiment.store.decoder))


def _interval(value: Value) -> str:
    interval = f" ({value.low:.3f} … {value.high:.3f})" if value.low is not None and value.high is not None else ""
    return f"{value.value:.3f}{interval}"


def _csv(rows: Sequence[Mapping[str, Any]]) -> str:
    out = io.StringIO()
    writer = csv.DictWriter(out, fieldnames=list(rows[0]) if rows else ["id"], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()
