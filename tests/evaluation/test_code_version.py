"""A stored feature is computed anew when the code behind it changes, wherever that stands."""

from __future__ import annotations

import inspect
from functools import partial
from typing import Any

import pytest

from savg.audio import mel, onsets, stereo_measures
from savg.evaluation import code_version
from savg.evaluation.code_version import version_of
from savg.evaluation.parts import Network
from savg.evaluation.trivial import centred
from savg.features.vggish import VggishBackbone
from savg.metrics import optical_flow
from savg.metrics.pan import clip_pan
from savg.metrics.registry import METRICS, metric_class

FEATURES = {
    name: function for metric in METRICS for name, function in metric_class(metric).features.items()
}


def changed_by(module: object, monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The features whose versions change with the text of a module."""
    before = {name: version_of(function) for name, function in FEATURES.items()}
    source = inspect.getsource

    def edited(value: Any) -> str:
        return source(value) + ("# edited\n" if value is module else "")

    with monkeypatch.context() as patch:
        patch.setattr(code_version.inspect, "getsource", edited)
        return {name for name, function in FEATURES.items() if version_of(function) != before[name]}


@pytest.mark.parametrize(
    "module,features",
    [
        (onsets, {"onset_times"}),
        (optical_flow, {"flow"}),
        (stereo_measures, {"stereo", "stereo_track"}),
        (inspect.getmodule(clip_pan), {"pan"}),
    ],
)
def test_a_feature_depends_on_the_modules_that_it_uses_and_on_no_others(
    module: object, features: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert changed_by(module, monkeypatch) == features


def test_networks_are_computed_anew_when_their_code_changes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    source = inspect.getsource

    def edited(value: Any) -> str:
        return source(value) + ("# edited\n" if value is mel else "")

    class Stub(VggishBackbone):
        provenance = property(lambda self: {})  # type: ignore[assignment]

        def __init__(self) -> None: ...

    before = Network("vggish", Stub()).file
    assert Network("vggish", Stub()).file == before
    monkeypatch.setattr(code_version.inspect, "getsource", edited)
    assert Network("vggish", Stub()).file != before


def test_a_constant_of_another_module_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    before = version_of(FEATURES["stereo"])
    assert version_of(FEATURES["stereo"]) == before
    monkeypatch.setattr(stereo_measures, "ACTIVE_DB", 41.0)
    assert version_of(FEATURES["stereo"]) != before


def test_a_stated_version_stands_for_the_code(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(optical_flow, "VERSION", 7, raising=False)
    stated = version_of(optical_flow.flow_magnitudes)
    assert stated == {"function": "savg.metrics.optical_flow.flow_magnitudes", "version": 7}
    halved = partial(optical_flow.flow_peaks, fps=2.0)
    assert version_of(halved) != version_of(partial(optical_flow.flow_peaks, fps=4.0))


def test_functions_of_one_module_and_one_name_differ() -> None:
    one, other = (lambda clip: clip.video), (lambda clip: clip.audio)
    assert version_of(one)["version"] != version_of(other)["version"]
    assert version_of(centred)["version"] == version_of(centred)["version"]
