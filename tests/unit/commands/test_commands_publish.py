import shutil
import sys

import pytest

from pipersr_build import evidence
from pipersr_build.cli import main
from pipersr_build.commands import hub as client
from pipersr_build.commands import placing, publish
from tests.unit.commands.hub_server import serving

huggingface_hub = pytest.importorskip("huggingface_hub")
# of huggingface_hub 2.4 about its own call of httpx2, where files do not go through Xet
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")
TOKEN = "hf_secret0123456789"
REPO = "repo=me/upscaler"


@pytest.fixture(scope="module")
def made(tiny, tmp_path_factory):
    root = tmp_path_factory.mktemp("root")
    common = ["name=small", f"exports={root}", f"weights={tiny.weights}", "placement.gate=can"]
    assert main(["export", *common, "export=video", "export.video.size=24x16"]) == 0
    return root / "small"


@pytest.fixture
def exported(made, tmp_path):
    return shutil.copytree(made, tmp_path / "small")


@pytest.fixture
def hub(monkeypatch):
    with serving() as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", True)
        yield server


def contents(folder):
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_an_export_is_uploaded_whole_in_one_commit(exported, hub, capfd):
    assert main(["publish", str(exported), REPO, "private=true"]) == 0
    there = hub.repositories["me/upscaler"]["main"]
    card = (exported / placing.CARD).read_bytes()
    assert there == {".gitattributes": b"", "README.md": card, **contents(exported)}
    assert len(hub.commits) == 1
    assert hub.private["me/upscaler"] is True
    out, err = capfd.readouterr()
    assert f"{hub.url}/me/upscaler/commit/" in out
    assert hub.tokens - {None} == {f"Bearer {TOKEN}"}
    assert TOKEN not in out + err


def test_again_only_what_changed_is_sent_and_what_would_spoil_a_package_is_removed(exported, hub):
    assert main(["publish", str(exported), REPO]) == 0
    files, uploads = hub.repositories["me/upscaler"]["main"], hub.uploads
    files |= {"video_24x16.mlpackage/Data/old.bin": b"x", "theirs.txt": b"y"}
    (exported / placing.REPORT).write_text("another")
    placing.write_sums(exported)
    assert main(["publish", str(exported), REPO]) == 0
    assert hub.uploads == uploads > 0
    assert len(hub.commits) == 2
    assert "video_24x16.mlpackage/Data/old.bin" not in files
    assert files["theirs.txt"] == b"y"
    assert files[placing.REPORT] == b"another"


def test_a_branch_is_made(exported, hub):
    assert main(["publish", str(exported), REPO, "revision=v1", "message=first"]) == 0
    branches = hub.repositories["me/upscaler"]
    assert "README.md" in branches["v1"]
    assert "README.md" not in branches["main"]
    assert [commit["summary"] for commit in hub.commits] == ["first"]


def test_a_dry_run_lists_and_sends_nothing(exported, monkeypatch, capsys):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    assert main(["publish", str(exported), "--dry-run"]) == 0
    out, err = capsys.readouterr()
    assert {line.split()[-1] for line in out.splitlines()} == {"README.md", *contents(exported)}
    assert "nothing was sent" in err


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (401, "does not know the token"),
        (403, "may not write"),
        (404, "no such repository"),
        (400, "the Hub answers with 400"),
    ],
)
def test_what_the_hub_refuses_is_one_message(exported, hub, status, said, capsys):
    hub.refuse = status, "because of that"
    assert main(["publish", str(exported), REPO]) == 2
    err = capsys.readouterr().err
    assert said in err
    assert "because of that" in err
    assert TOKEN not in err
    assert "Traceback" not in err


@pytest.mark.usefixtures("hub")
def test_without_a_network_it_says_so(exported, monkeypatch, capsys):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    assert main(["publish", str(exported), REPO]) == 3
    assert "cannot be reached" in capsys.readouterr().err


def test_ctrl_c_is_told_as_such(exported, hub, monkeypatch, capsys):
    def interrupted(*_words, **_more):
        raise KeyboardInterrupt

    monkeypatch.setattr(huggingface_hub.HfApi, "create_commit", interrupted)
    assert main(["publish", str(exported), REPO]) == 130
    assert "interrupted" in capsys.readouterr().err
    assert hub.commits == []


def test_an_upload_that_breaks_off_is_told_and_leaves_no_commit(exported, hub, monkeypatch, capsys):
    monkeypatch.setattr(hub.RequestHandlerClass, "do_PUT", lambda self: self._answer({"error": "full"}, 507))
    assert main(["publish", str(exported), REPO]) == 3
    assert "the Hub answers with 507" in capsys.readouterr().err
    assert hub.commits == []


def test_without_a_token_nothing_is_asked(exported, hub, monkeypatch, capsys):
    monkeypatch.setattr(huggingface_hub, "get_token", lambda: None)
    assert main(["publish", str(exported), REPO]) == 2
    assert "HF_TOKEN" in capsys.readouterr().err
    assert hub.tokens == set()


def test_without_the_extra_it_says_how_to_get_it(exported, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    assert main(["publish", str(exported), REPO]) == 3
    assert "pipersr-build[publish]" in capsys.readouterr().err


def failing(folder):
    record = evidence.load(folder / placing.EVIDENCE)
    failed = record.gates[0].model_copy(update={"verdict": "fail"})
    evidence.save(record.model_copy(update={"gates": [failed]}), folder / placing.EVIDENCE)
    placing.write_sums(folder)


def replaced(name):
    """Another file in place of one that the evidence speaks of, with sums that were written after it."""

    def spoil(folder):
        (folder / name).write_bytes(b"another")
        assert main(["report", str(folder)]) == 0

    return spoil


@pytest.mark.parametrize(
    ("spoil", "code", "said"),
    [
        (failing, 1, "a gate failed"),
        (replaced("video_24x16.mlpackage/Manifest.json"), 2, "video_24x16.mlpackage is not what the gates"),
        (replaced(placing.WEIGHTS), 2, "weights.safetensors is not what the gates"),
        (lambda folder: (folder / placing.CARD).unlink(), 2, "no MODEL_CARD.md"),
        (lambda folder: (folder / placing.SUMS).unlink(), 2, "no SHA256SUMS"),
        (lambda folder: (folder / placing.REPORT).write_text("x"), 2, "report.html was changed"),
        (lambda folder: (folder / placing.REPORT).unlink(), 2, "report.html is missing"),
        (lambda folder: (folder / "note.txt").write_text("x"), 2, "note.txt was added"),
        (lambda folder: (folder / placing.EVIDENCE).unlink(), 2, "no evidence file"),
    ],
)
def test_what_is_not_as_it_was_checked_is_refused(exported, hub, spoil, code, said, capsys):
    spoil(exported)
    assert main(["publish", str(exported), REPO]) == code
    assert said in capsys.readouterr().err
    assert hub.tokens == set()


@pytest.mark.parametrize("words", [[], ["repo=alone"], ["repo=a/b/c"], ["repo=../x"]])
def test_a_repository_is_user_and_name(exported, words, capsys):
    assert main(["publish", str(exported), *words]) == 2
    assert "USER/NAME" in capsys.readouterr().err


def test_only_files_inside_sent_packages_are_removed(tmp_path):
    sent = {"a.mlpackage/Manifest.json": tmp_path, "README.md": tmp_path}
    there = ["a.mlpackage/Manifest.json", "a.mlpackage/old", "b.mlpackage/x", "README.md", "notes"]
    assert client.left_over(there, sent) == ["a.mlpackage/old"]


def test_the_card_is_sent_as_the_front_page(made):
    sent = publish.to_send(made)
    assert sent["README.md"] == made / placing.CARD
    assert set(sent) == {"README.md", *contents(made)}
