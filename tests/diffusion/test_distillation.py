"""One step that arrives where several do: times of both, and the x_0 of the one step."""

from __future__ import annotations

import pytest
import torch

from savg.diffusion import Diffusion, Schedule
from savg.diffusion.distillation import one_step_x0, teacher_times
from savg.diffusion.dpm_solver import Predictor, first_order, multistep, time_steps
from savg.diffusion.process import State

DIFFUSION = Diffusion(Schedule.linear(1000), "x0")


@pytest.mark.parametrize("spacing", ["logSNR", "time_uniform", "time_quadratic"])
@pytest.mark.parametrize(("steps", "substeps"), [(1, 24), (2, 1), (3, 4), (4, 4), (4, 8), (6, 3)])
def test_a_teacher_goes_from_step_to_step_of_the_student(
    steps: int, substeps: int, spacing: str
) -> None:
    parts = teacher_times(DIFFUSION, steps, substeps, spacing)
    own = time_steps(DIFFUSION, steps, spacing, snap=True)
    assert len(parts) == steps
    for part, start, end in zip(parts, own[:-1], own[1:], strict=True):
        assert part[0] == start and part[-1] == end
        assert 2 <= len(part) <= substeps + 1 and bool((part.diff() < 0).all())
    fine = time_steps(DIFFUSION, steps * substeps, spacing, snap=True)
    every = torch.cat([part[:-1] for part in parts] + [parts[-1][-1:]])
    assert torch.equal(every, fine), "a student with that many steps can be the teacher"


def test_steps_that_have_no_length_are_refused() -> None:
    with pytest.raises(ValueError, match="so few that they start at different times, got 40 of 50"):
        teacher_times(Diffusion(Schedule.linear(50), "x0"), 40, 2, "logSNR")


def bent(state: State, t: torch.Tensor) -> State:
    """A prediction of x_0 that depends on the state and the time."""
    share = (t.float() / 1000).reshape(-1, 1)
    return tuple(torch.tanh(x * share + 0.3) for x in state)


@pytest.mark.parametrize("order", [1, 2])
def test_one_step_arrives_where_several_do(order: int) -> None:
    start = (torch.randn(3, 5, generator=torch.Generator().manual_seed(0)),)
    for part in teacher_times(DIFFUSION, 3, 4, "logSNR"):
        end = multistep(Predictor(DIFFUSION, bent), start, part, order)
        x0 = one_step_x0(DIFFUSION.schedule, start, end, part[0], part[-1])
        taught = Predictor(DIFFUSION, lambda state, t, x0=x0: x0)
        s, t = (time.expand(3) for time in (part[0], part[-1]))
        (arrived,) = first_order(taught, start, s, t)
        torch.testing.assert_close(arrived, end[0], atol=1e-5, rtol=0)
        assert not torch.allclose(x0[0], bent(start, DIFFUSION.schedule.model_times(s))[0])


def test_first_order_steps_of_one_x0_are_one_step_of_it() -> None:
    x0 = (torch.tensor([[0.5, -1.0]]), torch.tensor([[3.0]]))
    constant = Predictor(DIFFUSION, lambda state, t: x0)
    start = tuple(torch.ones_like(x) for x in x0)
    (part,) = teacher_times(DIFFUSION, 1, 8, "logSNR")
    end = multistep(constant, start, part, order=1)
    found = one_step_x0(DIFFUSION.schedule, start, end, part[0], part[-1])
    for own, expected in zip(found, x0, strict=True):
        torch.testing.assert_close(own, expected, atol=1e-5, rtol=0)
