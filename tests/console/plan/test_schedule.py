"""Dates by offset, in the site's zone; and the schemas that editors get."""

import datetime
import json
import zoneinfo

import msgspec
import pytest

from console.plan.loading import load_plan, shipped
from console.plan.schedule import date_of, day_of, due, zone
from console.plan.schema import plan_schema, site_schema
from console.plan.types import PhaseFile, Plan

START = datetime.date(2026, 10, 22)


@pytest.fixture(scope="module")
def plan() -> Plan:
    return load_plan(shipped("gladiator"))


def test_a_task_is_on_its_day_after_the_workspaces_start(plan: Plan) -> None:
    assert date_of(plan, "W0.1.1", START) == START
    assert date_of(plan, "W0.4.2", START) == datetime.date(2026, 10, 25)
    assert date_of(plan, "P-01", START) is None


def test_due_is_the_sites_clock_also_when_it_is_set_back(plan: Plan) -> None:
    paris = "Europe/Paris"
    before = due(plan, "W0.3.1", START, paris)  # 10:00 on 24 October, summer time
    after = due(plan, "W0.4.1", START, paris)  # 10:00 on 25 October, the clocks have gone back
    assert before == datetime.datetime(2026, 10, 24, 8, tzinfo=datetime.UTC)
    assert after == datetime.datetime(2026, 10, 25, 9, tzinfo=datetime.UTC)
    assert due(plan, "W0.3.1", START, "UTC") == datetime.datetime(2026, 10, 24, 10, tzinfo=datetime.UTC)
    assert due(plan, "W0.2.2", START, "UTC") is None
    assert due(plan, "P-01", START, "UTC") is None


def test_days_count_from_one() -> None:
    assert [day_of(START, START + datetime.timedelta(days=n)) for n in (-3, 0, 1, 55)] == [1, 1, 2, 56]


def test_utc_needs_no_database(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(name: str) -> None:
        raise zoneinfo.ZoneInfoNotFoundError(name)

    monkeypatch.setattr(zoneinfo, "ZoneInfo", none)
    assert zone("UTC") is datetime.UTC
    with pytest.raises(ValueError, match='no time zone "Europe/Paris"'):
        zone("Europe/Paris")


def test_schemas_are_closed_and_describe_every_key() -> None:
    schema = json.loads(json.dumps(plan_schema()))
    assert [root["$ref"] for root in schema["anyOf"]] == ["#/$defs/PlanFile", "#/$defs/PhaseFile"]
    assert set(schema["$defs"]["PhaseFile"]["properties"]) == set(PhaseFile.__struct_fields__)
    assert "digest" not in schema["$defs"]["PlanFile"]["properties"]
    parameter = schema["$defs"]["Task"]["properties"]["parameters"]["additionalProperties"]
    assert {"$ref": "#/$defs/ArtefactFrom"} in parameter["anyOf"]
    site = json.loads(json.dumps(site_schema()))
    assert "digest" not in site["$defs"]["SiteFile"]["properties"]
    for name, table in (schema["$defs"] | site["$defs"]).items():
        assert table["additionalProperties"] is False, name


def test_schemas_accept_what_loads() -> None:
    """The types that the schema is made from take the shipped phase file as it stands in TOML."""
    import tomllib

    data = tomllib.loads((shipped("gladiator") / "week-0.toml").read_text())
    assert msgspec.convert(data, PhaseFile).task["W0.1.1"].host == "BETA"
