"""JSON Schema of plan and site files, for editors that complete and check TOML."""

from __future__ import annotations

from typing import Any

import msgspec

from console.plan.sites import SiteFile
from console.plan.types import ArtefactFrom, JobsOf, PhaseFile, PlanFile, Scalar

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def plan_schema() -> dict[str, Any]:
    """Of plan.toml and of the phases' files: a file is one or the other."""
    (plan, phase, *values), defined = msgspec.json.schema_components(
        [PlanFile, PhaseFile, Scalar, list[Scalar], ArtefactFrom, JobsOf]
    )
    # The types leave a parameter open, because msgspec can't tell two kinds of table apart.
    defined["Task"]["properties"]["parameters"]["additionalProperties"] = {"anyOf": values}
    title = "A plan: plan.toml, or the file of one of its phases"
    return {"$schema": DIALECT, "title": title, "anyOf": [plan, phase], "$defs": defined}


def site_schema() -> dict[str, Any]:
    """Of a site's file."""
    (site,), defined = msgspec.json.schema_components([SiteFile])
    return {"$schema": DIALECT, "title": "A site", **site, "$defs": defined}
