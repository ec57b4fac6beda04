"""Heads that read the frames of a sequence one after the other: long short-term memory, and gated recurrent units."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence, pad_sequence

from graft.tasks import Features
from graft_classification.heads import EmbeddingHead
from graft_classification.options import RecurrentOptions


class Recurrent(nn.Module):
    """Recurrent layers over the rows of each sequence, their outputs as one vector, and a linear layer.

    Rows that fill up shorter sequences are never read: what comes of a sequence does not depend on the others.

    Args:
        kind: The layers.
        inputs: Length of a row.
        outputs: Length of the result.
        options: Their sizes, dropout and pooling.
    """

    def __init__(self, kind: type[nn.LSTM | nn.GRU], inputs: int, outputs: int, options: RecurrentOptions) -> None:
        super().__init__()
        self.last = options.pooling == "last"
        self.steps = kind(
            inputs,
            options.hidden,
            num_layers=options.layers,
            bidirectional=options.bidirectional,
            dropout=options.dropout if options.layers > 1 else 0.0,
            batch_first=True,
        )
        self.dropout = nn.Dropout(options.dropout)
        self.linear = nn.Linear(options.hidden * (2 if options.bidirectional else 1), outputs)

    def forward(self, rows: Tensor, lengths: tuple[int, ...] | None) -> Tensor:
        """Return one vector per sequence, `(B, outputs)`.

        Args:
            rows: `(ΣT, inputs)`.
            lengths: T of each sequence; None where each row is a sequence of its own.
        """
        return self.linear(self.dropout(self._read(rows, lengths)))  # type: ignore[no-any-return]

    def _read(self, rows: Tensor, lengths: tuple[int, ...] | None) -> Tensor:
        if lengths is None or len(lengths) == 1:
            # Nothing is to be packed, and so it can be exported.
            outputs, state = self.steps(rows.unsqueeze(1 if lengths is None else 0))
            return self._final(state) if self.last else outputs.mean(dim=1)
        padded = pad_sequence(list(torch.split(rows, list(lengths))), batch_first=True)
        packed = pack_padded_sequence(padded, torch.tensor(lengths), batch_first=True, enforce_sorted=False)
        outputs, state = self.steps(packed)
        if self.last:
            return self._final(state)
        outputs, _ = pad_packed_sequence(outputs, batch_first=True)
        return torch.stack([own[:length].mean(dim=0) for own, length in zip(outputs, lengths, strict=True)])

    def _final(self, state: Tensor | tuple[Tensor, Tensor]) -> Tensor:
        """Return what the last layer gives where it stops: of each sequence the last row, backwards the first one."""
        hidden = state[0] if isinstance(state, tuple) else state
        return torch.cat([hidden[-2], hidden[-1]], dim=1) if self.steps.bidirectional else hidden[-1]


class RecurrentHead(EmbeddingHead):
    """Recurrent layers on the standardised embeddings of a sequence's frames; an image is a sequence of one."""

    kind: type[nn.LSTM | nn.GRU]

    def build(self, inputs: int, outputs: int, options: RecurrentOptions) -> nn.Module:
        """Return the recurrent layers and the linear one."""
        return Recurrent(self.kind, inputs, outputs, options)

    def forward(self, features: Features, image_size: tuple[int, int]) -> Tensor:
        """Return logits `(B, C)`, one row per sequence."""
        assert features.embedding is not None  # for the type checker: the descriptor says what the head needs
        return self.layers(self.standardise(features.embedding), features.lengths)  # type: ignore[no-any-return]


class LstmHead(RecurrentHead):
    """Long short-term memory (Hochreiter & Schmidhuber 1997)."""

    kind = nn.LSTM


class GruHead(RecurrentHead):
    """Gated recurrent units (Cho et al. 2014)."""

    kind = nn.GRU
