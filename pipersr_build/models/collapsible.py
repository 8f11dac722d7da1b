"""What is trained in one form and deployed in another, smaller one."""

from abc import ABC, abstractmethod

from torch import nn


class Collapsible(nn.Module, ABC):
    """A module that equals a simpler one: `fusion` puts that in its place and proves it."""

    @abstractmethod
    def collapse(self) -> nn.Module:
        """The simpler module: the same function of its input, in the same mode and type."""
