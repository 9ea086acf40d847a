"""PyTorch, as people use it for training."""

from __future__ import annotations

import importlib.util
from typing import Any, ClassVar

from contenders.base import LEARNING_RATE, AbsentError, Batches, Contender, Task
from contenders.torch_twin import torch_twin
from lenetkit.network.network import Network


class EagerContender(Contender):
    """As in tutorials: `Adam`, a loop, the loss read in each step."""

    name: ClassVar[str] = "torch eager"
    what: ClassVar[str] = "float tensors, Adam, loss.item() a step"

    def __init__(self, task: Task) -> None:
        if importlib.util.find_spec("torch") is None:
            raise AbsentError("PyTorch is not installed: pip install torch")
        import torch

        self.task = task
        self.torch = torch
        torch.set_num_threads(task.threads)
        self.model = torch_twin(task.plan)
        own = {name: torch.from_numpy(v.copy()) for name, v in Network(task.plan).tensors().items()}
        self.model.load_state_dict(own)
        images, labels = task.floats()
        self.images, self.labels = torch.from_numpy(images), torch.from_numpy(labels)
        self.batches = Batches(len(images), task.batch)
        self.prepare()

    def prepare(self) -> None:
        """Set up the optimizer and the memory format."""
        self.optimizer = self.torch.optim.Adam(self.model.parameters(), lr=LEARNING_RATE)
        self.loss = 0.0

    def train(self, steps: int) -> None:
        self.model.train()
        cross_entropy = self.torch.nn.functional.cross_entropy
        for _ in range(steps):
            rows = self.torch.from_numpy(self.batches.next())
            loss = cross_entropy(self.model(self.images[rows]), self.labels[rows])
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            self.read(loss)

    def read(self, loss: Any) -> None:
        """Use the loss of a step."""
        self.loss = loss.item()

    def infer(self, steps: int) -> None:
        self.model.eval()
        with self.torch.inference_mode():
            for _ in range(steps):
                self.model(self.images[: self.task.batch])


class FusedContender(EagerContender):
    """As its documentation advises for speed on a CPU."""

    name: ClassVar[str] = "torch best"
    what: ClassVar[str] = "channels_last, fused Adam, loss not read"

    def prepare(self) -> None:
        layout = self.torch.channels_last
        self.model = self.model.to(memory_format=layout)
        self.images = self.images.contiguous(memory_format=layout)
        self.optimizer = self.torch.optim.Adam(
            self.model.parameters(), lr=LEARNING_RATE, fused=True
        )

    def read(self, loss: Any) -> None:
        """Do nothing: on a CPU there is nothing to wait for, and reading it costs a call."""


class CompiledContender(FusedContender):
    """The same with `torch.compile`, which needs a C++ compiler."""

    name: ClassVar[str] = "torch compiled"
    what: ClassVar[str] = "torch.compile, fused Adam, loss not read"

    def prepare(self) -> None:
        super().prepare()
        self.model = self.torch.compile(self.model)
        try:
            self.train(1)
        except Exception as error:
            reason = str(error).strip().splitlines()[0]
            raise AbsentError(f"torch.compile fails here: {reason}") from None
