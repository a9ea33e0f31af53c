"""``bench certify``: certificates, compared with estimates and attacks."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from bench.engine.store import Store
from bench.studies.certify.arguments import add_options
from bench.studies.certify.collect import collect_certificates, read_setting
from bench.studies.certify.evaluation import CertifyEvaluation, expected, prepare_certificates
from bench.studies.certify.options import METHODS
from bench.studies.certify.results import CertifyResults, CertifySetting
from bench.studies.certify.rows import image_rows
from bench.studies.shared.cell_study import CellStudy
from bench.studies.shared.options import model_ask
from bench.studies.shared.pages import draw_newest

OPTIONS = ("method", "norm", "eps", "sigma", "samples", "preset", "alpha", "orbit")


class CertifyStudy(CellStudy[CertifySetting, CertifyResults]):
    """Certificates."""

    name = "certify"
    at_most = False
    collected = staticmethod(collect_certificates)
    read_setting = staticmethod(read_setting)

    def options(self, parser: ArgumentParser) -> None:
        add_options(parser)

    def prepare(self, options: Namespace) -> CertifyEvaluation:
        return prepare_certificates(model_ask(options), {name: getattr(options, name) for name in OPTIONS})

    def seconds(self, ready: CertifyEvaluation, store: Store) -> float:
        return expected(ready, store)

    def write(self, results: CertifyResults, others: Sequence[CertifyResults], out: Path) -> Path:
        from bench.studies.certify.page import write_certify_page

        return write_certify_page(results, others, out)

    def pages(self, store: Store, dataset: str, out: Path) -> Iterator[Path]:
        """A page for each method, because they certify different networks."""
        history = self.history(store, dataset)
        for method in METHODS:
            page = draw_newest(_by(method, history), None, self.write, out)
            if page:
                yield page

    def page(
        self, store: Store, dataset: str, out: Path, results: CertifyResults | None = None
    ) -> Path | None:
        if results is None:
            return next(self.pages(store, dataset, out), None)
        history = _by(results.setting.options.method, self.history(store, dataset))
        return draw_newest(history, results, self.write, out)

    def faults(self, results: CertifyResults) -> Iterable[str]:
        return map(str, results.faults())

    def as_json(self, results: CertifyResults) -> list[dict[str, Any]]:
        return image_rows(results)

    def show(self, results: CertifyResults) -> None:
        from bench.studies.certify.screen import certificates_table

        if results.models:
            certificates_table(results)


def _by(method: str, history: Sequence[CertifyResults]) -> list[CertifyResults]:
    return [each for each in history if each.setting.options.method == method]


STUDY = CertifyStudy()
