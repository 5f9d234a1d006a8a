"""The endpoints over HTTP as programs call them: by gradio_client, by hand what it would not send."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import studio_fakes
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from studio_visits import API, Visit, serving

from savg.clip import Clip
from savg.media.comment import read_comment
from savg.media.probe import video_info
from savg.pipelines.settings import GenerationSettings
from savg.studio import Studio, build
from savg.studio.api.endpoints import ENDPOINTS
from savg.studio.api.names import plain_names
from savg.studio.shared.job_queue import JobQueue


@pytest.fixture(scope="module")
def studio() -> Studio:
    return build(studio_fakes.services(seconds=0.001, both=True, directed=True), datasets=())


@pytest.fixture(scope="module")
def address(studio: Studio) -> Iterator[str]:
    with serving(studio) as address:
        yield address


@pytest.fixture(scope="module")
def client(address: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    folder = tmp_path_factory.mktemp("downloads")
    client = Client(address, download_files=str(folder), verbose=False, analytics_enabled=False)
    yield client
    client.close()


@pytest.fixture(scope="module")
def generated(client: Client) -> tuple[str, dict[str, Any]]:
    return client.predict(pipeline="fake", seed=3, steps=4, api_name="/generate")


def test_the_named_endpoints_are_all_that_programs_see(address: str, client: Client) -> None:
    info = httpx.get(f"{address}{API}/info").json()
    assert set(info["named_endpoints"]) == {f"/{name}" for name in ENDPOINTS}
    assert info["unnamed_endpoints"] == {}
    everything = httpx.get(f"{address}{API}/info?all_endpoints=True").json()
    assert set(everything["named_endpoints"]) == set(info["named_endpoints"])
    callable_ = {e.api_name for e in client.endpoints.values() if e.is_valid}
    assert callable_ == {f"/{name}" for name in ENDPOINTS}
    for name, endpoint in info["named_endpoints"].items():
        assert len(endpoint["description"]) > 60, name
        for parameter in endpoint["parameters"]:
            assert parameter["type"] and not parameter["parameter_name"].startswith("param_")
    parameters = {
        p["parameter_name"]: p for p in info["named_endpoints"]["/generate"]["parameters"]
    }
    assert parameters["pipeline"]["type"]["enum"] == ["fake", "second", "directed"]
    assert all(parameter["parameter_has_default"] for parameter in parameters.values())


def test_the_page_offers_the_description(address: str) -> None:
    config = httpx.get(f"{address}/config").json()
    assert config["footer_links"] == ["api"]
    public = [d for d in config["dependencies"] if d["api_visibility"] == "public"]
    assert {d["api_name"] for d in public} == set(ENDPOINTS)


def test_a_program_generates_a_clip(generated: tuple[str, dict[str, Any]], client: Client) -> None:
    path, facts = generated
    assert Clip.read(path).format.frames == 20
    assert (facts["pipeline"], facts["seed"], facts["steps"]) == ("fake", 3, 4)
    assert 0 <= facts["spatial_av_align"]["score"] <= 1 and facts["detectors"]["persons"]
    assert set(facts["chance_baselines"]) >= {"centre", "swapped"}
    again, _ = client.predict(pipeline="fake", seed=3, steps=4, api_name="/generate")
    assert Path(again).read_bytes() == Path(path).read_bytes()
    default, its = client.predict(seed=3, api_name="/generate")
    assert (its["pipeline"], its["steps"]) == ("fake", 20) and Path(default).is_file()


def test_a_program_directs_a_clip(client: Client) -> None:
    call = {"pipeline": "directed", "seed": 3, "steps": 2, "api_name": "/generate"}
    asked = {"say": "speech", "x_path": "40,200", "people": 1, "strength": "x=2"}
    path, facts = client.predict(**asked, **call)
    assert facts["direction"] == asked
    settings = GenerationSettings.from_text(read_comment(path))
    assert settings is not None and settings.options == asked
    plain, open_facts = client.predict(**call)
    assert "direction" not in open_facts
    assert Path(plain).read_bytes() != Path(path).read_bytes()


def test_a_clip_is_annotated_by_name_and_as_a_file(
    generated: tuple[str, dict[str, Any]], client: Client
) -> None:
    path, facts = generated
    overlay, table, by_name = client.predict(clip=facts["clip"], api_name="/annotate")
    assert video_info(overlay).seconds == pytest.approx(5, abs=0.1)
    detections = json.loads(Path(table).read_text())
    assert detections["alignment"] == by_name["spatial_av_align"] == facts["spatial_av_align"]
    assert len(detections["boxes"]) == by_name["boxes"] > 0
    _, _, by_file = client.predict(file=handle_file(path), api_name="/annotate")
    assert by_file["spatial_av_align"]["tp"] == by_name["spatial_av_align"]["tp"]
    assert by_file["clip"] != by_name["clip"]
    none, _, blind = client.predict(clip=facts["clip"], detector="none", api_name="/annotate")
    assert blind["boxes"] == 0 and Path(none).is_file()
    assert blind["spatial_av_align"]["score"] is None and set(
        blind["chance_baselines"].values()
    ) == {None}
    assert blind["distance"]["px"] is None and "Nobody was detected" in blind["warnings"][0]
    for key in ("distance", "warnings"):
        assert by_name[key] == facts[key] == detections[key]
    assert by_name["distance"]["px"] > 0 and by_name["distance"]["degrees"] > 0


def test_a_video_gets_new_audio(generated: tuple[str, dict[str, Any]], client: Client) -> None:
    path, facts = generated
    new, its = client.predict(
        file=handle_file(path), pipeline="second", seed=1, steps=2, api_name="/v2a"
    )
    assert Clip.read(new).video.shape == Clip.read(path).video.shape
    assert Path(new).read_bytes() != Path(path).read_bytes() and its["steps"] == 2
    moved, _ = client.predict(clip=facts["clip"], pipeline="pan", person="1", api_name="/v2a")
    assert video_info(moved).channels == 2


def test_clips_are_scored_together(generated: tuple[str, dict[str, Any]], client: Client) -> None:
    path, facts = generated
    result = client.predict(files=[handle_file(path)], clips=facts["clip"], api_name="/evaluate")
    assert [row["spatial_av_align"]["tp"] for row in result["clips"]] == [
        facts["spatial_av_align"]["tp"]
    ] * 2
    spatial = result["metrics"]["spatial_av_align"]
    assert spatial["value"] == pytest.approx(facts["spatial_av_align"]["score"], abs=1e-3)
    assert spatial["n"] == 2 and set(spatial["nulls"]) >= {"centre"}


STRANGE = "0" * 32


@pytest.mark.parametrize(
    ("endpoint", "arguments", "words"),
    [
        ("generate", {"pipeline": "/etc"}, "not in the list"),
        ("generate", {"seed": -1}, "less than minimum"),
        ("generate", {"seed": 2**31}, "greater than maximum"),
        ("generate", {"steps": 61}, "greater than maximum"),
        ("generate", {"pipeline": "fake", "steps": 2}, "Steps must be"),
        ("generate", {"say": "song"}, "not in the list"),
        ("generate", {"people": 4}, "greater than maximum"),
        ("generate", {"x_path": "40,300"}, "x must be in 0..256 pixels from the left, got 300"),
        ("generate", {"x_path": "left"}, "x_path must be places in pixels such as 40,120,200"),
        ("generate", {"strength": "x=2"}, "strength must come with say, x, x_path or people"),
        ("generate", {"pipeline": "fake", "say": "speech"}, "not trained with directions"),
        ("v2a", {}, "Give one video"),
        ("v2a", {"clip": "../../etc/passwd"}, "must be one that"),
        ("v2a", {"clip": STRANGE}, "no longer here"),
        ("annotate", {"clip": STRANGE}, "no longer here"),
        ("annotate", {"clip": STRANGE, "detector": "other"}, "not in the list"),
        ("evaluate", {"clips": ""}, "1 to 8 clips"),
        ("evaluate", {"clips": ",".join([STRANGE] * 9)}, "1 to 8 clips"),
        ("evaluate", {"clips": "x" * 10_000}, "1 to 8|must be one|at most|length"),
    ],
)
def test_what_is_out_of_bounds_is_one_sentence(
    client: Client, endpoint: str, arguments: dict[str, Any], words: str
) -> None:
    with pytest.raises(AppError, match=words) as caught:
        client.predict(**arguments, api_name=f"/{endpoint}")
    assert "Traceback" not in str(caught.value) and "\n" not in str(caught.value).strip()


def test_files_that_are_no_videos_are_refused_and_deleted(
    client: Client, studio: Studio, tmp_path: Path
) -> None:
    path = tmp_path / "notes.mp4"
    path.write_bytes(b"no video at all")
    for endpoint in ("annotate", "v2a"):
        with pytest.raises(AppError, match="notes"):
            client.predict(file=handle_file(str(path)), api_name=f"/{endpoint}")
    with pytest.raises(AppError, match="1 to 8 clips"):
        client.predict(files=[handle_file(str(path))] * 9, api_name="/evaluate")
    uploads = [p for p in studio.library.storage.uploads.rglob("*") if p.is_file()]
    assert not [p for p in uploads if p.stat().st_size]


@pytest.mark.parametrize("path", ["/etc/passwd", "https://example.org/x.mp4", "../x.mp4"])
def test_no_file_is_opened_that_was_not_uploaded(address: str, path: str) -> None:
    visit = Visit(address)
    (event,) = [d for d in visit.config["dependencies"] if d["api_name"] == "annotate"]
    file = {"path": path, "meta": {"_type": "gradio.FileData"}}
    reply = visit.join(event, [file, "", ""])
    assert reply.status_code == 403 and reply.json()["detail"].endswith(".")


def test_private_events_have_no_name_for_programs(client: Client) -> None:
    private = [
        e for e in client.endpoints.values() if e.api_name not in map("/{}".format, ENDPOINTS)
    ]
    assert private
    with pytest.raises(ValueError, match=r"api_name|Cannot find"):
        client.predict(api_name="/lambda")


def test_names_of_pipelines_say_nothing_of_folders() -> None:
    keys = ["demo", "demo/two_stage", "/srv/a b/mine", "/srv/a b/mine/two_stage", "/srv/joint"]
    names = plain_names(keys)
    assert list(names.values()) == keys
    assert list(names) == ["joint", "two_stage", "mine", "mine-two_stage", "srv-joint"]


def test_callers_who_share_a_session_do_not_lose_their_places() -> None:
    queue = JobQueue()
    tickets = [queue.join("agents", f"10.0.0.{n}", replaces=False) for n in range(3)]
    assert not any(ticket.is_dropped for ticket in tickets)
    queue.join("page", "10.0.0.9")
    queue.join("page", "10.0.0.9")
    assert len(queue.waiting) == 4
