from __future__ import annotations

import numpy as np
import pytest
import torch
from torchvision.ops import sigmoid_focal_loss

from graft.backbones import BackboneInfo, StageInfo
from graft.tasks import Features
from graft_classification.heads import EmbeddingHead, LinearHead, MlpHead, Standardise
from graft_classification.options import LinearOptions, MlpOptions, TaskOptions
from graft_classification.task import ClassificationTask

CLASSES = ("cat", "dog", "bird")
INFO = BackboneInfo(stages=(StageInfo(name="stem", channels=8, reduction=2),), embed_dim=8)
KINDS = [(LinearHead, LinearOptions), (MlpHead, MlpOptions)]


def build(kind: type[EmbeddingHead], options: object, labels: str = "single") -> EmbeddingHead:
    torch.manual_seed(0)
    task = ClassificationTask(classes=CLASSES, options=TaskOptions(labels=labels))
    return kind(info=INFO, classes=CLASSES, options=options, task=task)


@pytest.mark.parametrize("labels", ["single", "multi"])
@pytest.mark.parametrize(("kind", "options"), KINDS)
def test_head__learns_what_can_be_learnt(kind: type[EmbeddingHead], options: type, labels: str) -> None:
    head = build(kind, options(dropout=0.0), labels)
    task = ClassificationTask(classes=CLASSES, options=TaskOptions(labels=labels))
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(60, 8, generator=generator)
    indices = x[:, :3].argmax(dim=1)
    encoded = [(x[i, :3] > 0).float().numpy() if task.options.multi else np.int64(indices[i]) for i in range(60)]
    head.prepare(encoded)
    optimizer = torch.optim.Adam(head.parameters(), lr=0.1)
    for _ in range(100):
        terms = head.loss(head(Features(embedding=x), (8, 8)), task.collate(encoded))
        assert set(terms) == {"classification"}
        optimizer.zero_grad()
        terms["classification"].backward()
        optimizer.step()
    predictions = head.decode(head(Features(embedding=x), (8, 8)), [(8, 8)] * 60)
    wrong = [p for p, t in zip(predictions, encoded, strict=True) if not right(task, p, t)]
    assert len(wrong) <= 4


def right(task: ClassificationTask, prediction: object, target: object) -> bool:
    given, true = task.caption(prediction, target).split(" · true: ")
    return {name.split()[0].strip(",") for name in given.split(", ")} == set(true.split(", "))


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
def test_decode__scores_are_probabilities(precision: torch.dtype) -> None:
    logits = torch.tensor([[1.0, 2.0, 3.0], [800.0, 0.0, -800.0]], dtype=precision, requires_grad=True)
    single = build(LinearHead, LinearOptions()).decode(logits, [(8, 8)] * 2)
    assert [float(prediction.scores.sum()) for prediction in single] == pytest.approx([1, 1])
    assert single[0].scores.dtype == np.float32
    multi = build(LinearHead, LinearOptions(), "multi").decode(logits, [(8, 8)] * 2)
    assert multi[1].scores.tolist() == [1, 0.5, 0]


def test_head__loss_takes_half_precision() -> None:
    head = build(LinearHead, LinearOptions())
    logits = torch.tensor([[1.0, 2.0, 3.0]])
    loss = head.loss(logits.bfloat16(), torch.tensor([1]))["classification"]
    torch.testing.assert_close(loss, head.loss(logits, torch.tensor([1]))["classification"])


@pytest.mark.parametrize("labels", ["single", "multi"])
@pytest.mark.parametrize(("kind", "options"), KINDS)
def test_head__focus_reaches_the_loss(kind: type[EmbeddingHead], options: type, labels: str) -> None:
    logits = torch.tensor([[2.0, 0.5, -1.0], [0.1, 0.2, 0.3]])
    indices = torch.tensor([0, 2])
    rows = torch.nn.functional.one_hot(indices, 3).float()
    targets = rows if labels == "multi" else indices
    given = build(kind, options(focal=2.0), labels).loss(logits, targets)["classification"]
    if labels == "multi":
        expected = sigmoid_focal_loss(logits, rows, alpha=-1, gamma=2.0, reduction="mean")
    else:
        scores = torch.softmax(logits, dim=1)[torch.arange(2), indices]
        expected = ((1 - scores) ** 2 * -scores.log()).mean()
    torch.testing.assert_close(given, expected, rtol=1e-6, atol=1e-7)


def test_mlp__layers() -> None:
    head = build(MlpHead, MlpOptions(hidden=(16, 4), dropout=0.5))
    widths = [(layer.in_features, layer.out_features) for layer in head.layers if isinstance(layer, torch.nn.Linear)]
    assert widths == [(8, 16), (16, 4), (4, 3)]
    assert sum(isinstance(layer, torch.nn.Dropout) for layer in head.layers) == 3


def test_head__dropout_only_in_training() -> None:
    head = build(LinearHead, LinearOptions(dropout=0.5))
    # Two rows, each twice: the batch's statistics alone tell no copies apart, dropout does.
    features = Features(embedding=torch.tensor([[1.0] * 8, [3.0] * 8]).repeat(2, 1))
    assert len(head.train()(features, (8, 8)).unique(dim=0)) > 2
    assert len(head.eval()(features, (8, 8)).unique(dim=0)) == 2


def test_prepare__balanced_weights_reach_the_loss() -> None:
    head = build(LinearHead, LinearOptions(class_weights="balanced"))
    head.prepare([0, 0, 0, 1, 2])
    assert head.criterion.weight[0] < head.criterion.weight[1] == head.criterion.weight[2]
    assert "criterion.weight" in head.state_dict()


def test_exported__traceable() -> None:
    head = build(MlpHead, MlpOptions()).eval()

    class Exported(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.head = head

        def forward(self, embedding: torch.Tensor) -> dict[str, torch.Tensor]:
            return self.head.exported(self.head(Features(embedding=embedding), (8, 8)))

    x = torch.randn(2, 8)
    program = torch.export.export(Exported(), (x,))
    torch.testing.assert_close(program.module()(x)["scores"], Exported()(x)["scores"])


def test_standardise__training_uses_the_batch_and_evaluation_the_mean_of_the_first_batches() -> None:
    generator = torch.Generator().manual_seed(0)
    batches = [torch.randn(16, 4, generator=generator) * 0.01 + 5 for _ in range(5)]
    layer = Standardise(4, floor=0.0)
    for batch in batches:
        given = layer(batch)
        torch.testing.assert_close(given.mean(dim=0), torch.zeros(4), atol=1e-3, rtol=0)
        torch.testing.assert_close(given.std(dim=0), torch.ones(4), atol=1e-3, rtol=0)
    torch.testing.assert_close(layer.mean, torch.stack([batch.mean(dim=0) for batch in batches]).mean(dim=0))
    layer.eval()
    everything = layer(torch.cat(batches))
    torch.testing.assert_close(everything.std(dim=0), torch.ones(4), atol=0.2, rtol=0)


def test_standardise__does_not_depend_on_the_scale() -> None:
    x = torch.randn(16, 4, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(Standardise(4)(x), Standardise(4)(1000 * x), atol=1e-4, rtol=1e-4)


def test_standardise__a_dead_entry_is_not_blown_up() -> None:
    layer = Standardise(4)
    x = torch.randn(64, 4, generator=torch.Generator().manual_seed(0))
    x[:, 2] = 0
    layer(x)
    layer.eval()
    x[:, 2] = 0.1
    assert layer(x)[:, 2].abs().max() < 2


def test_standardise__one_image_is_normalised_by_the_running_statistics() -> None:
    layer = Standardise(4)
    layer(torch.randn(16, 4, generator=torch.Generator().manual_seed(0)))
    before = layer.mean.clone()
    one = torch.ones(1, 4)
    trained = layer(one)
    assert torch.equal(layer.mean, before)
    assert torch.equal(trained, layer.eval()(one))
