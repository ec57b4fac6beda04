"""The head."""

import torch
from torch import nn

from graft.tasks import Head
from meadow.task import Ripe


class PooledHead(Head):
    """A hidden layer on the means of the last two maps."""

    def __init__(self, *, info, classes, options, task):
        super().__init__(info=info, classes=classes, options=options, task=task)
        self.classes = tuple(classes)
        width = sum(stage.channels for stage in info.stages[-2:])
        self.hidden = nn.Linear(width, options.width)
        self.dropout = nn.Dropout(0.1)
        self.out = nn.Linear(options.width, len(classes))
        self.register_buffer("seen", torch.zeros(len(classes)))

    def prepare(self, targets):
        self.seen += torch.bincount(torch.tensor(targets), minlength=len(self.seen))
        return {"images": len(targets)}

    def forward(self, features, image_size):
        means = [level.mean(dim=(2, 3)) for level in features.pyramid[-2:]]
        hidden = self.hidden(torch.cat(means, dim=1))
        return self.out(self.dropout(nn.functional.silu(hidden)))

    def loss(self, outputs, targets):
        return {"cross_entropy": nn.functional.cross_entropy(outputs, targets)}

    def decode(self, outputs, image_sizes):
        scores = outputs.float().softmax(dim=1).cpu().numpy()
        return [Ripe(one) for one in scores]

    def exported(self, outputs):
        return {"scores": outputs.softmax(dim=1)}
