"""Templates and filters of every page."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

from bench.pages.designs import design_of
from bench.pages.format import VERDICTS, interval, model_key, norm_text, percent, seconds, significant
from bench.pages.lead import Lead, failures

if TYPE_CHECKING:
    import jinja2
    import markupsafe

_TEMPLATES = Path(__file__).parent / "templates"


def environment() -> jinja2.Environment:
    """Templates and filters of every page."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "percent": percent,
        "interval": interval,
        "seconds": seconds,
        "norm": norm_text,
        "significant": significant,
        "breakable": _breakable,
        "design": design_of,
        "key": model_key,
        "failures": failures,
        "summary": _summary,
    }
    environment.globals["verdicts"] = VERDICTS
    return environment


def _breakable(name: str) -> markupsafe.Markup:
    """A model's name, escaped, that a narrow column may break after _ and . (neither is in an entity)."""
    import markupsafe

    return markupsafe.Markup(re.sub("([_.])", r"\1<wbr>", str(markupsafe.escape(name))))


def _summary(lead: Lead) -> str:
    """The part of a page that the index repeats, as JSON."""
    parts = ("study", "dataset", "finding", "verdict", "about")
    return json.dumps(
        {name: getattr(lead, name) for name in parts} | {"failed": len(lead.failed)}, ensure_ascii=False
    )
