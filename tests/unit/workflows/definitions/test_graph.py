"""The graph of steps and transitions."""

from uuid import UUID, uuid4

from libs.schemas.workflows import Branch, Step, StepType, Transition
from services.workflows.definitions.graph import Graph

A, B, C, D = (uuid4() for _ in range(4))


def step(step_id: UUID, kind: StepType = "SEND_EMAIL") -> Step:
    return Step(id=step_id, type_=kind, name="step")


def transition(start: UUID, end: UUID, branch: str | None = None, priority: int = 0) -> Transition:
    condition = Branch(branch=branch) if branch else None
    return Transition(id=uuid4(), from_step_id=start, to_step_id=end, condition=condition, priority=priority)


def test_no_step_follows_without_a_transition() -> None:
    assert Graph((step(A),)).next_after(A) is None


def test_the_transition_for_the_branch_is_taken_before_an_unconditional_one() -> None:
    graph = Graph(transitions=(transition(A, B), transition(A, C, "yes"), transition(A, D, "no")))
    assert graph.next_after(A, "yes") == C
    assert graph.next_after(A, "no") == D
    assert graph.next_after(A, "other") == B


def test_no_step_follows_a_branch_without_a_transition() -> None:
    assert Graph(transitions=(transition(A, B, "yes"),)).next_after(A, "no") is None


def test_the_lowest_priority_number_is_taken_first_then_the_oldest_transition() -> None:
    graph = Graph(transitions=(transition(A, B, priority=1), transition(A, C), transition(A, D)))
    assert graph.next_after(A) == C


def test_the_last_leaf_is_the_newest_step_that_a_transition_could_start_at() -> None:
    steps = (step(A, "TRIGGER"), step(B), step(C, "CONDITION"), step(D, "EXIT"))
    assert Graph(steps).last_leaf() == steps[2]
    assert Graph(steps, (transition(C, D),)).last_leaf() == steps[1]
    assert Graph((steps[3],)).last_leaf() is None


def test_a_step_leads_to_itself_and_to_every_later_step() -> None:
    graph = Graph(transitions=(transition(A, B), transition(B, C), transition(A, D), transition(D, C)))
    assert graph.leads_to(A, A)
    assert graph.leads_to(A, C)
    assert not graph.leads_to(C, A)
    assert not graph.leads_to(D, B)
