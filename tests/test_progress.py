"""The subject of a step."""

from trtbench.progress import Step, for_subject


def test_a_step_gets_its_subject_and_keeps_the_rest():
    steps = []
    for_subject(steps.append, "nvfp4")(Step("build", "compile", 3, 6, 1.5))
    assert steps == [Step("build", "compile", 3, 6, 1.5, "nvfp4")]


def test_the_outer_subject_is_the_one_that_counts():
    steps = []
    for_subject(for_subject(steps.append, "fp16 in local"), "fp16")(Step("build", "compile"))
    assert [step.subject for step in steps] == ["fp16 in local"]
