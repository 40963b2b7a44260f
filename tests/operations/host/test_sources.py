"""What the tools of each platform print, as their documentation has it, and what is made of rubbish."""

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from operations.host import linux, macos, nvidia
from operations.host.sensed import Sensed, together

MIB = 1 << 20
IOREG = """\
+-o AGXAcceleratorG15X  <class AGXAcceleratorG15X, id 0x1000004a1, registered, matched, active, busy 0 (1 ms), retain 92>
    {
      "IOClass" = "AGXAcceleratorG15X"
      "model" = "Apple M3 Max"
      "gpu-core-count" = 40
      "PerformanceStatistics" = {"In use system memory (driver)"=0,"Alloc system memory"=9437184000,"Tiler Utilization %"=12,"recoveryCount"=0,"lastRecoveryTime"=0,"Renderer Utilization %"=31,"TiledSceneBytes"=5242880,"Device Utilization %"=34,"SplitSceneCount"=0,"Allocated PB Size"=31784960,"In use system memory"=1203765248}
      "IOReportLegendPublic" = Yes
    }
"""  # noqa: E501
MACMON = (
    '{"timestamp":"2025-02-24T20:38:15.427569+00:00","temp":{"cpu_temp_avg":43.73614,"gpu_temp_avg":36.95167},'
    '"memory":{"ram_total":25769803776,"ram_usage":20985479168,"swap_total":4294967296,"swap_usage":2602434560},'
    '"ecpu_usage":[1181,0.082656614],"pcpu_usage":[1974,0.015181795],"gpu_usage":[461,0.021497859],'
    '"cpu_power":0.20486385,"gpu_power":0.017451683,"ane_power":0.0,"all_power":0.22231553,"sys_power":5.876533,'
    '"ram_power":0.11635789,"gpu_ram_power":0.0009615385}'
)


def test_one_gpu():
    gpu = nvidia.parse("0, 1, 97, 40536, 81559, 61, 412.77")
    found = nvidia.folded([gpu])
    assert found.gpu == (97.0, "")
    assert found.gpu_memory_used == (40536 * MIB, "")
    assert found.gpu_memory_total == (81559 * MIB, "")
    assert found.temperature == (61.0, "")
    assert found.watts == (412.77, "")


def test_two_gpus_are_their_busiest_and_hottest_and_the_sum_of_their_watts_and_memory():
    found = nvidia.folded([nvidia.parse("0, 2, 10, 1, 100, 70, 100.5"), nvidia.parse("1, 2, 90, 2, 100, 50, 200")])
    assert (found.gpu[0], found.temperature[0], found.watts[0]) == (90.0, 70.0, 300.5)
    assert (found.gpu_memory_used[0], found.gpu_memory_total[0]) == (3 * MIB, 200 * MIB)


def test_what_a_driver_does_not_tell_is_none_with_a_reason_and_never_a_part_of_a_sum():
    one = nvidia.parse("0, 2, [N/A], 1, 100, [Not Supported], [N/A]")
    assert nvidia.folded([one]).gpu == (None, "the driver does not tell the GPU's utilisation")
    found = nvidia.folded([one, nvidia.parse("1, 2, 90, 2, 100, 50, 200")])
    assert found.gpu == (90.0, "")
    assert found.temperature == (50.0, "")
    assert found.watts == (None, "the driver does not tell the power of every GPU")


@pytest.mark.parametrize(
    "line", ["", "No devices were found", "0, 1, 97", "a, 1, 97, 1, 1, 1, 1", "0, 1, 9, 1, 1, 1, 1, 1"]
)
def test_a_line_that_is_no_gpus_is_refused(line):
    with pytest.raises(ValueError, match=f"^{re.escape(line)}$"):
        nvidia.parse(line)


def test_ioreg():
    assert macos.parse_ioreg(IOREG) == 34.0
    assert macos.parse_ioreg(IOREG + IOREG.replace('Device Utilization %"=34', 'Device Utilization %" = 56')) == 56.0
    with pytest.raises(ValueError, match="no accelerator"):
        macos.parse_ioreg(IOREG.replace("Device Utilization", "Driver Utilization"))


def test_thermal_pressure():
    assert macos.parse_pressure("com.apple.system.thermalpressurelevel 0\n") == 0
    assert macos.parse_pressure("com.apple.system.thermalpressurelevel 2\n") == 2
    for rubbish in ("", "com.apple.system.thermalpressurelevel", "com.apple.system.thermalpressurelevel 5\n", "4"):
        with pytest.raises(ValueError, match="no thermal pressure"):
            macos.parse_pressure(rubbish)


def test_macmon():
    found = macos.parse_macmon(MACMON)
    assert found.temperature == (43.73614, "")
    assert found.watts == (5.876533, "")
    chip = macos.parse_macmon(MACMON.replace('"sys_power":5.876533', '"sys_power":0.0'))
    assert chip.watts == (0.22231553, "")


def test_zero_degrees_are_missing():
    cold = macos.parse_macmon('{"temp":{"cpu_temp_avg":0.0,"gpu_temp_avg":0.0},"all_power":0.0}')
    assert cold.temperature == (None, "macmon reads no temperature here")
    assert cold.watts == (None, "macmon reads no power here")


def test_versions_of_macmon():
    assert macos.parse_version("macmon 0.8.2\n") >= macos.OLDEST
    assert macos.parse_version("macmon 0.10.0") > macos.OLDEST
    assert macos.parse_version("macmon 0.6.1") < macos.OLDEST
    with pytest.raises(ValueError, match="another program"):
        macos.parse_version("usage: macmon [-h]")


@pytest.fixture
def chip(tmp_path):
    """``chip(name, temp1_input=...)``: another hwmon chip with those files."""

    def make(name, **files):
        directory = tmp_path / "hwmon" / f"hwmon{len(list(tmp_path.glob('hwmon/*')))}"
        directory.mkdir(parents=True)
        for file, text in {"name": name, **files}.items():
            (directory / file).write_text(f"{text}\n")

    return make


def test_hwmon(tmp_path, chip):
    assert linux.read(tmp_path) == Sensed(temperature=(None, linux.NO_SENSOR), watts=(None, linux.NO_POWER))
    chip("k10temp", temp1_input=61500, temp2_input=0)
    chip("nvme", temp1_input=43850, temp2_input="rubbish", temp3_input=200_000)
    chip("amdgpu", power1_average=35_000_000, power1_input=36_000_000)
    chip("other", power1_input=5_000_000)
    assert linux.read(tmp_path) == Sensed(temperature=(61.5, ""), watts=(40.0, ""))
    chip("power_meter", power1_average=180_000_000)
    assert linux.read(tmp_path).watts == (180.0, "")


def test_thermal_zones_stand_in_for_hwmon(tmp_path, chip):
    zone = tmp_path / "thermal" / "thermal_zone0"
    zone.mkdir(parents=True)
    (zone / "temp").write_text("47000\n")
    assert linux.read(tmp_path).temperature == (47.0, "")
    chip("k10temp", temp1_input=30000)
    assert linux.read(tmp_path).temperature == (30.0, "")


def test_several_sources_are_one():
    gpu = Sensed(gpu=(50.0, ""), temperature=(60.0, ""), watts=(None, "no power there"))
    board = Sensed(temperature=(70.0, ""), watts=(90.0, ""))
    both = together([gpu, board])
    assert (both.gpu, both.temperature, both.watts) == ((50.0, ""), (70.0, ""), (90.0, ""))
    assert together([gpu]).watts == (None, "no power there")
    assert together([]) == Sensed()


def sound(found):
    """Whether every value is a finite number that is not below zero, or missing."""
    values = [getattr(found, name)[0] for name in ("gpu", "gpu_memory_used", "temperature", "pressure", "watts")]
    return all(value is None or (math.isfinite(value) and value >= 0) for value in values)


numbers = st.sampled_from(["nan", "inf", "-1", "[N/A]", "1e400", "7", "0", "", "101", "ERR!", "٣"])


@given(st.text() | st.lists(numbers, min_size=7, max_size=7).map(", ".join))
def test_nvidia_takes_any_line_or_refuses_it(line):
    try:
        gpu = nvidia.parse(line)
    except ValueError:
        return
    found = nvidia.folded([gpu])
    assert sound(found)
    assert found.gpu[0] is None or found.gpu[0] <= 100


@given(
    st.text()
    | st.binary().map(lambda data: data.decode("utf-8", "replace"))
    | st.integers().map(lambda n: f'{{"temp":{{"cpu_temp_avg":{n}}},"sys_power":{n}}}')
)
def test_macos_parsers_take_any_text_or_refuse_it(text):
    for parse in (macos.parse_macmon, macos.parse_ioreg, macos.parse_pressure, macos.parse_version):
        try:
            found = parse(text)
        except ValueError:
            continue
        if isinstance(found, Sensed):
            assert sound(found)


@given(st.integers(0, 10**12))
def test_a_percentage_is_one(value):
    text = f'"Device Utilization %"={value}'
    if value <= 100:
        assert macos.parse_ioreg(text) == value
    else:
        with pytest.raises(ValueError, match="no accelerator"):
            macos.parse_ioreg(text)
