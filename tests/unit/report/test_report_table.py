import io

from report_records import IMAGE, full, gates
from rich.console import Console

from pipersr_build.evidence import judge
from pipersr_build.report.table import gates_table


def printed(table, width=160, color=False):
    file = io.StringIO()
    system = "standard" if color else None
    Console(file=file, width=width, force_terminal=color, color_system=system).print(table)
    return file.getvalue()


def test_rows_and_commands():
    lines = [line.rstrip() for line in printed(gates_table(full())).splitlines()]
    row = next(line for line in lines if "ANE can run" in line and IMAGE.removesuffix(".mlpackage") in line)
    assert "100 % of operations" in row
    assert "pass (predicted)" in row
    assert any("49.997 dB" in line and "≥ 50 dB" in line and "fail" in line for line in lines)
    start = lines.index("To measure what is not measured:")
    assert [line.strip() for line in lines[start + 1 :]] == [
        f"pipersr-build validate {IMAGE}",
        f"pipersr-build verify {IMAGE}",
    ]


def test_record_and_gates_give_the_same():
    assert printed(gates_table(full())) == printed(gates_table(iter(gates())))


def test_each_command_once_and_none_without_gaps():
    missing = [gate for gate in gates() if gate.verdict == "not measured"]
    assert printed(gates_table(missing * 3)).count(missing[0].command) == 1
    assert "To measure" not in printed(gates_table(gates()[:2]))


def test_colours():
    text = printed(gates_table(gates()), color=True)
    assert "\x1b[32mpass" in text
    assert "\x1b[1;31mfail" in text
    assert "\x1b[33munknown (predicted)" in text
    assert "\x1b[2mnot measured" in text


def test_long_commands_stay_in_one_piece_if_they_can_and_are_never_cut():
    command = "pipersr-build validate " + "/".join(["folder"] * 16)
    gate = judge("a", "b", None, "at most", 1, "dB", source="not measured", command=command)
    assert f"  {command}\n" in printed(gates_table([gate]), width=140)
    assert "".join(command.split()) in "".join(printed(gates_table([gate]), width=60).split())


def test_nothing_is_cut_off_on_a_narrow_terminal():
    text = printed(gates_table(gates()), width=70)
    assert "…" not in text.split("To measure")[0]


def test_records_cannot_steer_the_terminal():
    gate = judge("[red]a[/red]", "b\x1b[31m\n", 1, "at most", 2, "dB", command="c")
    text = printed(gates_table([gate]))
    assert "[red]a[/red]" in text
    assert "\x1b" not in text


def test_functions_of_a_bundle_are_named_without_the_packages_ending():
    gate = judge("a", "video_bundle.mlpackage:upscale_360p", 1.0, "at most", 1.05, "times", command="c")
    line = next(line for line in printed(gates_table([gate])).splitlines() if "upscale" in line)
    assert line.split() == ["a", "video_bundle:upscale_360p", "1.000", "times", "≤", "1.05", "times", "pass"]
