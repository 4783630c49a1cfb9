"""Ways through a graph."""

from uuid import UUID, uuid4

from libs.schemas.workflows import Branch, Step, StepType, Transition
from services.workflows.definitions.graph import Graph

A, B, C, D = (uuid4() for _ in range(4))


def step(step_id: UUID, kind: StepType = "SEND_EMAIL") -> Step:
    return Step(id=step_id, type_=kind, name="step")


def way(start: UUID, end: UUID, branch: str | None = None, priority: int = 0) -> Transition:
    condition = Branch(branch=branch) if branch else None
    return Transition(id=uuid4(), from_step_id=start, to_step_id=end, condition=condition, priority=priority)


def test_a_way_ends_where_no_transition_leads_on() -> None:
    assert Graph((step(A),)).next_after(A) is None


def test_the_branch_of_the_answer_is_taken_before_the_way_without_a_condition() -> None:
    graph = Graph(transitions=(way(A, B), way(A, C, "yes"), way(A, D, "no")))
    assert graph.next_after(A, "yes") == C
    assert graph.next_after(A, "no") == D
    assert graph.next_after(A, "other") == B


def test_a_branch_without_a_way_ends() -> None:
    assert Graph(transitions=(way(A, B, "yes"),)).next_after(A, "no") is None


def test_the_lower_priority_number_goes_first_and_the_older_among_equals() -> None:
    graph = Graph(transitions=(way(A, B, priority=1), way(A, C), way(A, D)))
    assert graph.next_after(A) == C


def test_the_last_leaf_is_the_newest_step_that_leads_nowhere_but_could() -> None:
    steps = (step(A, "TRIGGER"), step(B), step(C, "CONDITION"), step(D, "EXIT"))
    assert Graph(steps).last_leaf() == steps[2]
    assert Graph(steps, (way(C, D),)).last_leaf() == steps[1]
    assert Graph((steps[3],)).last_leaf() is None


def test_a_step_leads_to_itself_and_to_all_that_follows() -> None:
    graph = Graph(transitions=(way(A, B), way(B, C), way(A, D), way(D, C)))
    assert graph.leads_to(A, A)
    assert graph.leads_to(A, C)
    assert not graph.leads_to(C, A)
    assert not graph.leads_to(D, B)
