import json
import subprocess
import sys
import textwrap

import pytest

from operations import registry


def ask(host, *arguments):
    return subprocess.run(
        [*host.command, *arguments], env=host.environment, capture_output=True, text=True, check=False
    )


def test_list_names_all_operations_and_those_of_tests(host):
    found = ask(host, "list")
    assert found.returncode == 0
    assert found.stdout.split() == [*registry.NAMES, *sorted_names()]


def sorted_names():
    return [f"hostile.{name}" for name in ("count", "crash", "speak", "orphan", "deaf", "fill", "secret")]


@pytest.mark.parametrize("name", ["network.transfer", "hostile.count"])
def test_describe_is_json(host, name):
    found = json.loads(ask(host, "describe", name).stdout)
    assert found["name"] == name
    assert found["parameters"]
    assert all(parameter["name"] != "role" for parameter in found["parameters"])


def test_an_unknown_operation_is_one_line(host):
    found = ask(host, "describe", "nothing.here")
    assert (found.returncode, found.stdout, found.stderr.count("\n")) == (2, "", 1)


def test_a_registered_name_can_not_be_replaced(host):
    (host.root / "thief.py").write_text(
        "from operations.contract import Operation\nimport msgspec\n"
        "OPERATIONS = (Operation('network.transfer', 'stolen', msgspec.Struct, print),)\n"
    )
    host.environment |= {"GLADIATOR_OPERATIONS": "thief", "PYTHONPATH": str(host.root)}
    assert ask(host, "list").stdout.split() == list(registry.NAMES)
    assert "stolen" not in ask(host, "describe", "network.transfer").stdout


@pytest.mark.parametrize("command", [["list"], ["describe", "network.transfer"], ["run", "/nowhere"]])
def test_neither_list_nor_describe_nor_the_supervisor_imports_what_is_heavy(host, command):
    script = textwrap.dedent(f"""\
        import sys
        from operations.__main__ import main
        main({command!r})
        heavy = {{"mlx", "numpy", "sklearn", "transformers", "textual", "asyncssh", "console"}} & set(sys.modules)
        sys.exit(f"imported: {{heavy}}" if heavy else 0)
    """)
    command = [sys.executable, "-P", "-c", script]
    found = subprocess.run(command, env=host.environment, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
