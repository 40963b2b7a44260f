"""Limits of a plan: read, checked against operations and hosts, set aside by a rehearsal, and those that ship."""

import msgspec
import pytest

from console.plan import limits
from console.plan.loading import load_plan, load_site, shipped
from console.plan.schema import plan_schema
from console.plan.sites import Host, Site
from console.plan.types import Limit

LIMIT = """
[limit.gpu]
label = "GPU in use"
reading = "gpu_percent"
compare = ">"
threshold = 80
host = ["ALPHA"]
running = ["model.finetune", "dataset.*"]
level = "warning"
"""


def test_a_sound_limit(faults_of, files):
    files["plan.toml"] += LIMIT
    files["site.toml"] = files["site.toml"].replace("[not_here]", '[not_here]\n"limit.gpu" = "no GPU here"')
    assert faults_of(files) == []


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"gpu_percent"', '"gpu"', "plan.toml:40: limit.gpu.reading"),
        ('compare = ">"', 'compare = "=="', "plan.toml:41: limit.gpu.compare"),
        ("threshold = 80", 'threshold = "80 %"', "plan.toml:42: limit.gpu.threshold"),
        ("threshold = 80\n", "", "limit.gpu.threshold: missing"),
        ("model.finetune", "model.fintune", 'limit.gpu.running[0]: no operation "model.fintune"'),
        ("dataset.*", "datasets.*", 'limit.gpu.running[1]: no operation "datasets.*"'),
        ('["ALPHA"]', '["GAMMA"]', 'site.toml:0: host: no host "GAMMA", which limit gpu names'),
        ("warning", "shout", "limit.gpu.level"),
        ("level", "seconds = 0\nlevel", "limit.gpu.seconds"),
        ("level", "when = 3\nlevel", "limit.gpu.when: unknown key"),
    ],
)
def test_what_is_wrong_with_one(faults_of, files, old, new, said):
    assert old in LIMIT
    files["plan.toml"] += LIMIT.replace(old, new, 1)
    found = faults_of(files)
    assert len(found) == 1
    assert said.replace(":0:", ":") in found[0] or said.partition(":0: ")[2] in found[0], found


def test_a_site_sets_aside_only_limits_that_there_are(faults_of, files):
    files["site.toml"] = files["site.toml"].replace("[not_here]", '[not_here]\n"limit.gpu" = "no GPU here"')
    assert faults_of(files) == ['site.toml:13: not_here."limit.gpu": no limit "gpu"; the plan has none']


def test_the_schema_has_it():
    schema = plan_schema()
    assert schema["$defs"]["PlanFile"]["properties"]["limit"]["additionalProperties"] == {"$ref": "#/$defs/Limit"}
    assert "gpu_percent" in str(schema["$defs"]["Limit"]["properties"]["reading"])


def test_the_shipped_ones_are_the_plans():
    plan = load_plan(shipped("gladiator"))
    asked = {id: (one.reading, one.compare, one.threshold) for id, one in plan.limit.items()}
    assert asked == {
        "gpu": ("gpu_percent", ">", 80),
        "memory": ("ram_used", "<", 500e9),
        "disk": ("disk_free", ">", 1e12),
        "temperature": ("temperature_c", "<", 85),
    }
    production = load_site(shipped("sites/production.toml"))
    assert limits.watched(plan.limit["disk"], production) == {"ALPHA": ["ALPHA"]}
    assert list(limits.watched(plan.limit["temperature"], production)) == ["ALPHA", "BETA", "AIR"]
    rehearsal = load_site(shipped("sites/rehearsal.toml"))
    assert limits.watched(plan.limit["temperature"], rehearsal) == {"ALPHA": ["ALPHA", "BETA", "AIR"]}


def test_where_a_limit_is_watched_on_a_shared_machine():
    hosts = {"A": Host(root="a", machine="m"), "B": Host(root="b", machine="m"), "C": Host(root="c", machine="n")}
    site = Site(schema=1, id="s", title="s", host=hosts)
    limit = Limit(label="l", reading="load1", compare="<", threshold=1)
    assert limits.watched(limit, site) == {"A": ["A", "B"], "C": ["C"]}
    assert limits.watched(msgspec.structs.replace(limit, host=["B", "C"]), site) == {"B": ["B"], "C": ["C"]}
