"""A claim of the paper and its tests."""

from __future__ import annotations

from dataclasses import dataclass

EPS = tuple(i / 100 for i in range(1, 16))


@dataclass(frozen=True, slots=True, kw_only=True)
class Test:
    """One comparison a claim consists of.

    Attributes:
        a: model of the zoo.
        b: the one it is compared with; empty where an accuracy is compared with ``bound``.
        of: ``clean``, ``fgsm``, ``pgd``, ``corrupted`` (PGD on corrupted images) or ``mip``.
        eps: the ε it is about.
        bound, sign: the claim is that sign·(a − b − bound) > 0 in the mean over ε or, without ``b``, that the accuracy
            is below the bound at each ε.
        every: the claim is about each ε or corruption alone, too.
        most: it is about most corruptions: a is ahead under more than half of them.
    """

    a: str
    b: str = ""
    of: str
    eps: tuple[float, ...] = EPS
    bound: float = 0.0
    sign: int = 1
    every: bool = False
    most: bool = False

    @property
    def models(self) -> tuple[str, ...]:
        """The one or two models it is about."""
        return (self.a, self.b) if self.b else (self.a,)

    @property
    def at_each(self) -> bool:
        """Whether it is about each ε, so that some of them cannot confirm it."""
        return bool(self.eps) and (self.every or not self.b)

    @property
    def comparison(self) -> tuple[object, ...]:
        """A key that is equal for tests with the same two-sided p, whichever model is named first."""
        a, b, bound = self.a, self.b, self.bound
        if b and b < a and not self.most:  # whose p is of one side
            a, b, bound = b, a, -bound
        return a, b, self.of, self.eps, bound, self.most


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperClaim:
    """A claim.

    Attributes:
        id: for links.
        where: section of the paper.
        quote: a fragment of its sentence, word for word.
        reading: what is compared, and how words without a number are read.
        sections: the sections of the page with its numbers.
        data: the paper's data sets it is about; empty for a general sentence, which any images can test.
        tables: the printed numbers behind it.
        tests: all must come out as claimed.
        everywhere: it is about all of ``data`` together, so that one cannot confirm it.
        often: it is about a frequent effect: more than half of the tests decide, and one alone refutes nothing.
    """

    id: str
    where: str
    quote: str
    reading: str
    sections: tuple[str, ...]
    data: tuple[str, ...]
    tables: tuple[str, ...]
    tests: tuple[Test, ...]
    everywhere: bool = False
    often: bool = False
