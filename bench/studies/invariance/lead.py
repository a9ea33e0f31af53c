"""The first screen of the page on invariance attacks."""

from __future__ import annotations

from bench.numbers.eps import eps_text
from bench.pages.format import percent
from bench.pages.lead import Change, Lead, counted
from bench.studies.invariance.results import InvarianceResults


def lead_of(results: InvarianceResults) -> Lead:
    """The first screen of the page."""
    setting = results.setting
    return Lead(
        study="invariance attacks",
        dataset=setting.dataset,
        finding=_finding(results),
        verdict="The class of a moved image is a proxy, that of the nearest training image. People may see another "
        "class, so that these shares are no error rates.",
        about=f"{counted(len(results.models), 'model')} on the first {counted(setting.n, 'image')}, each moved towards "
        f"{counted(setting.candidates, 'training image')} of other classes.",
        changes=(
            Change("More training images to move towards (option --candidates)."),
            Change("Another ε (option --eps)."),
        ),
        failed=results.failed,
    )


def _finding(results: InvarianceResults) -> str:
    found = [(model.shares()[-1], model) for model in results.models if model.shares()]
    if not found:
        return "No model was measured on an image that it and the proxy classify correctly."
    share, model = max(found, key=lambda each: each[0].value)
    most = "; no other model here keeps it on more" if len(found) > 1 else ""
    return (
        f"Within ε = {eps_text(results.setting.radii[-1])} the nearest training image of "
        f"{percent(model.ceilings()[-1].value)} % of the images becomes one of another class; {model.info.name} keeps "
        f"its answer on {percent(share.value)} %{most}."
    )
