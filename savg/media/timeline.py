"""One continuous timeline for all streams of a file: packets whose time stamps start anew or jump.

Recordings put one after the other, a transmitter that was switched, and 33-bit counters that run over
leave time stamps that go back or leap ahead. Here each such part of a file follows the one before, with
its streams shifted together, so that frames and audio stay in step.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from savg.media.container import may_jump

LEAP = 10.0
"""Seconds that no stream fills, from which a step ahead is a jump of the clock [FFmpeg's limit]."""

_BACK, _BACK_ELSEWHERE = 0.1, 0.5
"""Seconds back from which time stamps start anew, in formats known for it and in others."""

_STEP = 0.5
"""Seconds ahead from which a packet may have a wrong time stamp of its own."""

_TOGETHER = 1.0
"""Seconds between the ends of streams that stop together."""


@dataclass
class _Position:
    """Where a stream is: its part of the file, and seconds on the timeline at which its last packet
    begins and ends; before: the end before the last packet, if that stepped ahead."""

    part: int
    last: float
    end: float
    before: float | None = None


class Timeline:
    """Shifts the time stamps of a file's packets, in the file's order, onto one continuous timeline.

    Packets of the first part of a file keep their time stamps. discontinuous: the format is known for
    time stamps that jump, such as MPEG-TS.
    """

    def __init__(self, discontinuous: bool) -> None:
        self._discontinuous = discontinuous
        self._offsets = [0.0]
        self._positions: dict[int, _Position] = {}
        self._units: dict[int, float] = {}

    @property
    def continuous(self) -> bool:
        """Whether no time stamp has jumped so far."""
        return len(self._offsets) == 1

    def place(self, packet: Any) -> None:
        """Shift the next packet's time stamps in place.

        Its decoding time tells whether it follows the one before; the first packets of a stream may
        have none.
        """
        position = self._positions.get(packet.stream.index)
        part = len(self._offsets) - 1 if position is None else position.part
        if packet.dts is not None:
            part = self._follow(position, part, packet)
        offset = self._offsets[part]
        if offset:
            ticks = round(offset / packet.time_base)
            if packet.pts is not None:
                packet.pts += ticks
            if packet.dts is not None:
                packet.dts += ticks

    def _follow(self, position: _Position | None, part: int, packet: Any) -> int:
        """The part of a stream's next packet, with which the stream's position moves on."""
        index = packet.stream.index
        if index not in self._units:
            self._units[index] = float(packet.time_base)
        unit = self._units[index]
        time, before = packet.dts * unit, None
        if position is not None:
            if self._jumped(position, time + self._offsets[part]):
                part = self._part(position, time)
            elif time + self._offsets[part] - position.end > _STEP:
                before = position.end
        begin = time + self._offsets[part]
        end = begin + (packet.duration or 0) * unit
        self._positions[index] = _Position(part, begin, end, before)
        return part

    def _jumped(self, position: _Position, time: float) -> bool:
        """Whether a stream's next packet, at `time` in the stream's part, begins another part."""
        if time < position.last - (_BACK if self._discontinuous else _BACK_ELSEWHERE):
            return position.before is None or abs(time - position.before) > _STEP
        if time - position.end <= LEAP:
            return False
        ends = [other.end for other in self._positions.values() if other is not position]
        if any(time - end <= LEAP for end in ends):
            return False
        return self._discontinuous or any(abs(end - position.end) < _TOGETHER for end in ends)

    def _part(self, position: _Position, time: float) -> int:
        """The part that a stream goes on in: one that another stream has reached, or a new one."""
        later = range(position.part + 1, len(self._offsets))
        misses = {part: abs(time + self._offsets[part] - position.end) for part in later}
        nearest = min(misses, key=misses.__getitem__, default=None)
        if nearest is not None and misses[nearest] < LEAP:
            return nearest
        self._offsets.append(position.end - time)
        return len(self._offsets) - 1


def timed_packets(container: Any, streams: Sequence[Any]) -> Iterator[Any]:
    """The packets of `streams` in the file's order, with time stamps on one continuous timeline.

    All frames and audio of the file count for the timeline, whichever streams are asked for, so that
    every reader gets the same. The last packets are empty, as PyAV's.
    """
    timeline = Timeline(may_jump(container))
    wanted = {stream.index for stream in streams}
    others = [s for s in container.streams.audio if s.index not in wanted]
    if not any(stream.type == "video" for stream in streams):
        others += container.streams.video
    for packet in container.demux([*streams, *others]):
        timeline.place(packet)
        if packet.stream.index in wanted:
            yield packet
