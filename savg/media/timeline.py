"""One continuous timeline for all streams of a file: packets whose time stamps start anew or jump.

Recordings put one after the other, a transmitter that was switched, and 33-bit counters that run over
leave time stamps that go back or leap ahead. Here each such part of a file follows the one before, with
its streams shifted together, so that frames and audio stay in step.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from savg.media.container import demux, may_jump

LEAP = 10.0
"""Seconds without a frame or audio from which a step ahead is a jump of the clock [FFmpeg's limit]."""

_BACK, _BACK_ELSEWHERE = 0.1, 0.5
"""Seconds back from which time stamps start anew, in formats known for it and in others; a stream that
goes back less does so where another one goes back that far."""

_OVERLAP = 0.2
"""Seconds by which audio may last longer than the frames before a jump, as blocks of codecs do."""

_TOUCH = 0.001
"""Seconds back that are rounding."""

_STEP = 0.5
"""Seconds ahead from which a packet may have a wrong time stamp of its own."""

_FOLLOWING = 64
"""Packets that are read ahead to see whether other streams jump too."""

Following = Callable[[], Sequence[Any]]
"""Gives the next packets in the file's order."""


@dataclass
class _Position:
    """Where a stream is: its part of the file, and seconds on the timeline at which its last packet
    begins; shortest: seconds of its shortest packet, as the last one's length may hide a jump; before:
    the end before the last packet, if that stepped ahead."""

    part: int
    last: float
    shortest: float
    before: float | None = None

    @property
    def end(self) -> float:
        """Seconds at which the last packet ends."""
        return self.last + self.shortest


class Timeline:
    """Shifts the time stamps of a file's packets, in the file's order, onto one continuous timeline.

    Packets of the first part of a file keep their time stamps. All streams make a jump ahead together:
    a frame alone may stay for long, and audio may pause.

    Args:
        discontinuous: the format is known for time stamps that jump, such as MPEG-TS, and a stream that
            is alone may jump too.
    """

    def __init__(self, discontinuous: bool) -> None:
        self._discontinuous = discontinuous
        self._limit = _BACK if discontinuous else _BACK_ELSEWHERE
        self._offsets = [0.0]
        self._positions: dict[int, _Position] = {}
        self._units: dict[int, float] = {}
        self._counts: Counter[int] = Counter()

    @property
    def continuous(self) -> bool:
        """Whether no time stamp has jumped so far."""
        return len(self._offsets) == 1

    def is_complete(self, stream: Any) -> bool:
        """Whether as many packets of a stream were placed as its file states, which then is not cut
        short; False where it states no number."""
        return 0 < stream.frames <= self._counts[stream.index]

    def place(self, packet: Any, following: Following = tuple) -> None:
        """Shift the next packet's time stamps in place.

        Its decoding time tells whether it follows the one before; the first packets of a stream may
        have none, and those that an edit hides are from another time.
        """
        self._counts[packet.stream.index] += bool(packet.size)
        position = self._positions.get(packet.stream.index)
        part = len(self._offsets) - 1 if position is None else position.part
        if packet.dts is not None and not packet.is_discard:
            part = self._follow(position, part, packet, following)
        offset = self._offsets[part]
        if offset:
            ticks = round(offset / packet.time_base)
            if packet.pts is not None:
                packet.pts += ticks
            if packet.dts is not None:
                packet.dts += ticks

    def _follow(
        self, position: _Position | None, part: int, packet: Any, following: Following
    ) -> int:
        """The part of a stream's next packet, with which the stream's position moves on."""
        time, before = self._seconds(packet), None
        if position is not None:
            begin = time + self._offsets[part]
            if begin < position.last or begin - position.end > _STEP:
                part = self._part(position, time, packet, following)
                if time + self._offsets[part] - position.end > _STEP:
                    before = position.end
        shortest = (packet.duration or 0) * self._units[packet.stream.index]
        if position is not None and position.shortest:
            shortest = min(position.shortest, shortest or position.shortest)
        begin = time + self._offsets[part]
        self._positions[packet.stream.index] = _Position(part, begin, shortest, before)
        return part

    def _part(self, position: _Position, own: float, packet: Any, following: Following) -> int:
        """The part of a packet with the time stamp `own`: the stream's last one, unless it jumps."""
        time = own + self._offsets[position.part]
        leaps = time - position.end > LEAP
        back = self._back(position, time)
        if not leaps and back <= 0:
            return position.part
        known = self._known_part(position, own)
        if leaps or back > self._limit:
            if known is not None:
                return known
            if leaps and not self._all_leap(packet, following()):
                return position.part
        elif known is not None and known > position.part:
            return known
        elif not self._others_go_back(packet, following()):
            return position.part
        self._offsets.append(self._next_offset(position, packet, following()))
        return len(self._offsets) - 1

    def _back(self, position: _Position, time: float) -> float:
        """Seconds by which a packet goes back from the one before; 0 where that one's own time stamp
        was wrong."""
        if position.before is not None and abs(time - position.before) <= _STEP:
            return 0.0
        return position.last - time

    def _others_go_back(self, packet: Any, following: Sequence[Any]) -> bool:
        """Whether another stream is about to go back so far that time stamps start anew."""
        return any(
            self._back(position, time) > self._limit
            for other, position, time in self._placed(following)
            if other.stream.index != packet.stream.index
        )

    def _next_offset(self, position: _Position, packet: Any, following: Sequence[Any]) -> float:
        """The offset of a new part that begins with a packet: frames follow the ones before.

        Audio that lasts longer is overlapped by a little; if it is much longer, all follows that.
        """
        own = self._seconds(packet)
        ends = (other.end for other in self._positions.values())
        latest = max(end for end in ends if end - position.end < LEAP) - own
        offset = position.end - own
        if packet.stream.type != "video":
            offset = self._video_offset(following, offset)
        return offset if latest - offset <= _OVERLAP else latest

    def _video_offset(self, following: Sequence[Any], otherwise: float) -> float:
        """The offset with which the first frame that jumps follows the one before, if one does."""
        end = None
        for other, position, time in self._placed(following):
            if other.stream.type == "video":
                end = position.end if end is None else end
                if time < end - position.shortest - _TOUCH or time - end > LEAP:
                    return end - self._seconds(other)
                end = time + position.shortest
        return otherwise

    def _placed(self, packets: Sequence[Any]) -> Iterator[tuple[Any, _Position, float]]:
        """Packets of streams that began before, with the stream's position and the packet's time as if
        none of them jumped."""
        for packet in packets:
            position = self._positions.get(packet.stream.index)
            if position is not None and packet.dts is not None and not packet.is_discard:
                yield packet, position, self._seconds(packet) + self._offsets[position.part]

    def _known_part(self, position: _Position, own: float) -> int | None:
        """The part in which a stream goes on that jumps: a later one, where another stream is already,
        or an earlier one that it left by mistake."""
        misses = {
            part: abs(own + offset - position.end)
            for part, offset in enumerate(self._offsets)
            if part != position.part
        }
        nearest = min(misses, key=misses.__getitem__, default=None)
        if nearest is None or misses[nearest] > (LEAP if nearest > position.part else _STEP):
            return None
        return nearest

    def _all_leap(self, packet: Any, following: Sequence[Any]) -> bool:
        """Whether all other streams leap ahead as well, as far as they go on."""
        leaps: dict[int, bool] = {packet.stream.index: True}
        for other, position, time in self._placed(following):
            leap = leaps.get(other.stream.index, False)
            leaps[other.stream.index] = leap or time - position.end > LEAP
        return all(leaps.values()) and (self._discontinuous or len(leaps) > 1)

    def _seconds(self, packet: Any) -> float:
        """A packet's own time stamp."""
        index = packet.stream.index
        if index not in self._units:
            self._units[index] = float(packet.time_base)
        return float(packet.dts * self._units[index])


class _Repairs:
    """What libavformat gets wrong of the packets of a video stream, set right.

    In AVI, frames count from the first slot on: a decoder's delay that was guessed is taken off. In mp4
    and mov, the last of all packets lasts until the stream's stated end, which a parser may not know.
    """

    def __init__(self, container: Any, stream: Any) -> None:
        name = container.format.name
        self._avi, self._mov = name == "avi", name.startswith("mov,")
        self._stream = stream
        self._delay: int | None = None
        self._first: int | None = None
        self._latest = self._count = 0

    def apply(self, packet: Any) -> None:
        """Change the stream's next packet in place."""
        if packet.pts is None or packet.dts is None or not packet.size:
            return
        if self._avi:
            self._delay = packet.pts - packet.dts if self._delay is None else self._delay
            packet.pts -= self._delay
        elif self._mov:
            self._end(packet)

    def _end(self, packet: Any) -> None:
        first = self._first = packet.pts if self._first is None else self._first
        self._latest, self._count = max(self._latest, packet.pts), self._count + 1
        if packet.is_discard:
            self._mov = False
        elif self._count == self._stream.frames and packet.pts == self._latest:
            rest = first + (self._stream.duration or 0) - packet.pts
            if (rest - packet.duration) * packet.time_base > _STEP:
                packet.duration = rest


def timed_packets(
    container: Any, streams: Sequence[Any], timeline: Timeline | None = None
) -> Iterator[Any]:
    """The packets of `streams` in the file's order, with time stamps on one continuous timeline.

    All frames and audio of the file count for the timeline, whichever streams are asked for, so that
    every reader gets the same. The last packets are empty, as PyAV's.
    """
    timeline = timeline or Timeline(may_jump(container))
    wanted = {stream.index for stream in streams}
    others = [s for s in container.streams.audio if s.index not in wanted]
    if not any(stream.type == "video" for stream in streams):
        others += container.streams.video
    repairs = {s.index: _Repairs(container, s) for s in streams if s.type == "video"}
    source = demux(container, [*streams, *others])
    waiting: deque[Any] = deque()

    def following() -> Sequence[Any]:
        waiting.extend(islice(source, max(_FOLLOWING - len(waiting), 0)))
        return waiting

    while (packet := waiting.popleft() if waiting else next(source, None)) is not None:
        index = packet.stream.index
        if index in repairs:
            repairs[index].apply(packet)
        timeline.place(packet, following)
        if index in wanted:
            yield packet
