"""The first screen of the page on certificates."""

from __future__ import annotations

from collections.abc import Iterator

from bench.numbers.eps import eps_text
from bench.pages.format import interval, norm_text, percent, significant
from bench.pages.lead import Change, Lead, counted
from bench.studies.certify.results import CertifyResults


def lead_of(results: CertifyResults) -> Lead:
    """The first screen of the page."""
    setting = results.setting
    return Lead(
        study="certificates by smoothing" if setting.options.smooth else "certificates",
        dataset=setting.dataset,
        finding=_finding(results),
        verdict=_verdict(results),
        about=f"{counted(len(results.models), 'model')} on the first {counted(setting.n, 'image')}; "
        f"{_method(results)}.",
        changes=tuple(_changes(results)),
        failed=results.failed,
    )


def _finding(results: CertifyResults) -> str:
    options = results.setting.options
    pairs = [(model, method) for model in results.models for method in model.radii]
    if not pairs:
        return "No model was measured."
    radius = options.radii[len(options.radii) // 2]
    model, method = max(pairs, key=lambda pair: pair[0].certified(pair[1], radius).value)
    certified, standing = model.certified(method, radius), model.standing(radius)
    if not certified.k:
        most = max(model.standing(radius).value for model, _ in pairs)
        largest = max(float(model.best.max()) for model in results.models)
        return (
            f"No image is certified within the {norm_text(options.norm)} radius {eps_text(radius)}, where attacks "
            f"leave up to {percent(most)} % standing. The largest certificate of all is {significant(largest)}."
        )
    sure = f", each with probability {1 - (options.alpha or 0):g} at least" if options.smooth else ""
    return (
        f"{model.info.name} is certified on the most images: within the {norm_text(options.norm)} radius "
        f"{eps_text(radius)}, {percent(certified.value)} % ({interval(certified)}) are proven to keep their "
        f"correct class{sure}, and attacks leave {percent(standing.value)} % standing. Robust accuracy lies "
        "between the two."
    )


def _verdict(results: CertifyResults) -> str:
    found = len(results.violations())
    if results.faults():
        more = ", more often than chance explains" if results.setting.options.smooth else ""
        return (
            f"{counted(found, 'certificate')} above a verified attack{more}: one of the two is wrong, which is "
            "a bug in symbench."
        )
    if found:
        return (
            f"{counted(found, 'certificate')} above a verified attack, no more than chance explains: each certificate "
            f"is wrong with probability {results.setting.options.alpha:g} at most."
        )
    compared = sum(
        int((model.right & (model.attack > 0)).sum()) * len(model.radii) for model in results.models
    )
    return f"0 violations in {counted(compared, 'pair')} of a certificate and an attack on the same image."


def _method(results: CertifyResults) -> str:
    options = results.setting.options
    if options.smooth:
        return (
            f"randomized smoothing with noise of σ = {options.sigma:g}, "
            f"{counted(options.samples or 0, 'noisy copy', 'noisy copies')} of each image, α = {options.alpha:g}"
        )
    return "interval bounds and Lipschitz bounds of the network, with CLEVER's estimate and the smallest attack found"


def _changes(results: CertifyResults) -> Iterator[Change]:
    if results.setting.options.smooth:
        yield Change("More noisy copies (option --samples) certify larger radii.")
        yield Change("Another noise (option --sigma), which gives another smoothed network.")
    else:
        yield Change("Networks trained for certificates: on others the bounds are loose.")
    yield Change("A stronger attack lowers the upper bound.")
