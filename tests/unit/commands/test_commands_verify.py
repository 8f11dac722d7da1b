"""`verify` as a user runs it: exit codes, files, the standard output, pins."""

import json
import shutil
from xml.etree import ElementTree as ET

import pytest

from pipersr_build import cli
from pipersr_build.commands.verify import chip_label
from pipersr_build.commands.verify_options import STDOUT, parse
from pipersr_build.errors import InputError, MachineError
from pipersr_build.mil.package import open_package
from pipersr_build.placement import plan


@pytest.fixture
def work(tiny, tmp_path, monkeypatch):
    """A folder with two packages of a network too small to be worth the engine."""
    for package in (tiny.image, tiny.video):
        shutil.copytree(package, tmp_path / "nets" / package.name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "150")
    return tmp_path


CAN = "placement.gate=can"


def run(capsys, *words):
    code = cli.main(["verify", *map(str, words)])
    done = capsys.readouterr()
    assert "Traceback" not in done.err
    return code, done.out, done.err


@pytest.mark.usefixtures("work")
def test_a_folder_stands_for_the_packages_in_it(tiny, capsys):
    code, out, _ = run(capsys, "nets")
    assert code == 1
    assert f"{tiny.image.name}, function main: predicted for M4 (h16)" in out
    assert f"{tiny.video.name}, function main: predicted for M4 (h16)" in out
    assert "not every operation is resident on the ANE" in out
    assert "measured on this machine" not in out
    assert "(measured)" not in out


@pytest.mark.usefixtures("work")
def test_the_gate_can_be_that_the_engine_can(capsys):
    code, out, _ = run(capsys, "nets", CAN)
    assert code == 0, out
    assert out.count("every operation can run on the ANE (predicted)") == 2


@pytest.mark.usefixtures("work")
def test_json_is_alone_on_the_standard_output(tiny, capsys):
    code, out, _ = run(capsys, "--json", f"nets/{tiny.image.name}", "chip=M1")
    assert code == 1
    [package] = json.loads(out)
    assert package["name"] == tiny.image.name
    assert package["chip"] == "M1 (h13)"
    assert [f["name"] for f in package["functions"]] == ["main"]


def test_all_forms_are_written(work, capsys):
    files = ["--json", "a.json", "--html", "b/b.html", "--junit", "c.xml"]
    code, out, _ = run(capsys, "nets", *files, "--github")
    assert code == 1
    assert len(json.loads((work / "a.json").read_text())) == 2
    assert (work / "b/b.html").read_text().lstrip().startswith("<!doctype html>")
    assert len(ET.parse(work / "c.xml").getroot()) == 2
    assert sum(line.startswith("::error title=") for line in out.splitlines()) == 2


def test_one_bad_package_does_not_hide_the_others(work, capsys):
    (work / "nets/bad.mlpackage").mkdir()
    (work / "net.txt").write_text("hello")
    code, out, err = run(capsys, "nets", "net.txt", "nowhere", CAN)
    assert code == 2
    assert out.count("every operation can run on the ANE (predicted)") == 2
    assert err.count("error: ") == 3
    for text in ("no Manifest.json", "net.txt", "nowhere"):
        assert text in err
    code, out, _ = run(capsys, "nets", "nowhere", "--json")
    assert [p["error"] and p["error"]["what"] for p in json.loads(out)][-1] == "no such package"


def test_a_folder_without_packages_is_refused_as_that(work, capsys):
    (work / "empty").mkdir()
    code, _, err = run(capsys, "empty")
    assert code == 2
    assert "no package is in this folder" in err


@pytest.mark.usefixtures("work")
def test_a_package_that_is_named_twice_is_judged_once(tiny, capsys):
    _, out, _ = run(capsys, "nets", f"nets/{tiny.image.name}", "--json")
    assert len(json.loads(out)) == 2


def test_a_pin_is_written_once_and_compared_then(work, capsys):
    assert run(capsys, "nets", "--pin", "pin.json")[0] == 1  # nothing vouches for it yet
    code, out, _ = run(capsys, "nets", "--pin", "pin.json")
    assert code == 0
    assert "as pinned in pin.json" in out
    text = (work / "pin.json").read_text()
    (work / "pin.json").write_text(text.replace('"soft"', '"ane"', 1))
    code, out, _ = run(capsys, "nets", "--pin", "pin.json", "--junit", "c.xml")
    assert code == 1
    assert "1 changes since it was pinned" in out
    assert "went from ane, on cpu to soft, on cpu" in out
    assert "went from ane" in (work / "c.xml").read_text()
    assert run(capsys, "nets", "--pin", "pin.json", "--pin-update")[0] == 1
    assert (work / "pin.json").read_text() == text


def test_a_pin_that_cannot_be_compared(work, capsys):
    run(capsys, "nets", "--pin", "pin.json")
    code, _, err = run(capsys, "nets", "--pin", "pin.json", "placement.chip=M1")
    assert code == 2
    assert "cannot be compared" in err
    (work / "pin.json").write_text("{}")
    assert run(capsys, "nets", "--pin", "pin.json")[0] == 2


def test_nothing_is_pinned_of_what_cannot_be_judged(work, capsys):
    code, _, err = run(capsys, "nets", "nowhere", "--pin", "pin.json")
    assert code == 2
    assert "nothing is pinned" in err
    assert not (work / "pin.json").exists()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], "no package"),
        (["nets", "--wings"], "--wings"),
        (["nets", "--pin-update"], "--pin-update without --pin"),
        (["nets", "--measured", "--predicted"], "not allowed with"),
        (["nets", "placement.chip=h99"], "h99"),
        (["nets", "--html"], "--html"),
        (["nets", "--html", "nets"], "nets"),
    ],
)
@pytest.mark.usefixtures("work")
def test_wrong_words(capsys, words, expected):
    code, _, err = run(capsys, *words)
    assert code == 2, err
    assert expected in err


def test_words_are_read_in_any_order():
    options = parse(
        ["--json", "a.mlpackage", "placement.chip=M1", "--github", "b.mlpackage", "--junit", "j.xml"]
    )
    assert (options.json, [str(p) for p in options.paths]) == (STDOUT, ["a.mlpackage", "b.mlpackage"])
    assert (options.overrides, options.github, str(options.junit)) == (["placement.chip=M1"], True, "j.xml")
    assert parse(["a", "--json", "x.json"]).json == "x.json"
    assert parse(["a", "--json=x.txt"]).json == "x.txt"
    assert parse(["a", "--json"]).quiet
    assert not parse(["a"]).quiet
    assert (parse(["a", "--measured"]).measured, parse(["a", "--predicted"]).measured) == (True, False)


@pytest.mark.parametrize(
    ("chip", "label"),
    [("h16", "M4 (h16)"), ("m4", "M4 (h16)"), ("A17 Pro", "A17 Pro (h16)"), ("H13", "M1 (h13)")],
)
def test_chips_are_named_as_people_do(chip, label):
    assert chip_label(chip) == label
    with pytest.raises(InputError, match="no chip is called"):
        chip_label("M99")


@pytest.mark.usefixtures("work")
def test_what_needs_a_mac_says_so(capsys, monkeypatch):
    monkeypatch.setattr("platform.system", lambda: "Linux")
    code, _, err = run(capsys, "nets", "--measured")
    assert code == 3
    assert "Mac" in err


def on_a_mac(monkeypatch, measure):
    monkeypatch.setattr("platform.system", lambda: "Darwin")
    monkeypatch.setattr("platform.mac_ver", lambda: ("26.1", ("", "", ""), "arm64"))
    monkeypatch.setattr(plan, "measure", measure)


def resident(path, **_):
    from pipersr_build.placement.analysis import analyse

    found = [f.predicted for f in analyse(path).functions]
    here = {"verdict": "ane", "preferred": "ane"}
    return [
        p.model_copy(
            update={"source": "measured", "operations": [o.model_copy(update=here) for o in p.operations]}
        )
        for p in found
    ]


@pytest.mark.usefixtures("work")
def test_on_a_mac_the_measurement_decides(capsys, monkeypatch):
    on_a_mac(monkeypatch, resident)
    code, out, _ = run(capsys, "nets")
    assert code == 0
    assert "measured on this machine" in out
    assert "prediction and measurement disagree on" in out
    assert run(capsys, "nets", "--predicted")[0] == 1


@pytest.mark.usefixtures("work")
def test_a_mac_that_gives_no_answer(capsys, monkeypatch):
    def hangs(*_, **__):
        raise MachineError("no compute plan within 600 s")

    on_a_mac(monkeypatch, hangs)
    code, out, _ = run(capsys, "nets", CAN)
    assert code == 3
    assert "not measured: no compute plan within 600 s" in out


def test_an_interrupt_leaves_nothing(work, capsys, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    on_a_mac(monkeypatch, interrupted)
    before = sorted(work.iterdir())
    assert run(capsys, "nets", "--json", "a.json", "--pin", "p.json")[0] == 130
    assert sorted(work.iterdir()) == before


def test_packages_are_found_beside_evidence_of_another_version(work, capsys):
    (work / "nets/evidence.json").write_text("{}")
    assert run(capsys, "nets", CAN)[0] == 0
    shutil.copy(work / "nets/evidence.json", work / "evidence.json")
    shutil.rmtree(work / "nets")
    code, _, err = run(capsys, ".")
    assert code == 2
    assert "evidence file" in err


def test_a_report_of_xcodes_is_a_witness_on_any_machine(work, tiny, capsys):
    package = open_package(work / "nets" / tiny.video.name)
    cpu, ane = ({"deviceType": {kind: {}}} for kind in ("cpu", "neuralEngine"))
    operations = [
        {
            "operatorName": f"ios18.{op.type}",
            "outputs": [{"name": op.name}],
            "deviceUsage": {"preferred": ane, "supported": [cpu, ane]},
            "cost": {"weight": 0.1},
        }
        for op in package.main.walk()
    ]
    functions = {"main": {"block": {"operations": operations}}}
    results = {
        "predict": {"samples": [0.002]},
        "modelStructure": {"program": {"_0": {"functions": functions}}},
    }
    content = {"computeUnit": 3, "deviceInfo": {"modelName": "Mac16,1"}, "deviceResults": results}
    (work / "net.mlperf").mkdir()
    (work / "net.mlperf/report.json").write_text(json.dumps(content))
    words = [f"nets/{tiny.video.name}", "--mlperf", "net.mlperf"]
    code, out, err = run(capsys, *words)
    assert code == 0
    assert "Mac16,1" in out + err
    assert "2 ms a prediction" in out + err
    [found] = json.loads(run(capsys, *words, "--json")[1])
    assert found["source"] == "measured"
    code, _, err = run(capsys, "nets", "--mlperf", "net.mlperf")
    assert code == 2
    assert "about one package, not 2" in err
    (work / "net.mlperf/report.json").write_text("{}")
    code, _, err = run(capsys, *words)
    assert code == 2
    assert "no Core ML performance report" in err


@pytest.mark.usefixtures("work")
@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--html", "same.out", "--junit", "same.out"], "two answers would be written to 'same.out'"),
        (["--pin", "q.json", "--json=q.json"], "two answers"),
        (["--html", "nets/image.mlpackage/Manifest.json"], "into a package"),
    ],
)
def test_answers_overwrite_nothing(capsys, words, message):
    code, _, err = run(capsys, "nets", *words)
    assert code == 2
    assert message in err


@pytest.mark.usefixtures("work")
def test_a_pin_of_another_chip_is_not_said_to_be_pinned(capsys):
    run(capsys, "nets", "--pin", "pin.json")
    code, out, _ = run(capsys, "nets", "chip=m1", "--pin", "pin.json")
    assert code == 2
    assert "neither compared with nor pinned in pin.json" in out
