"""Codes of errors and findings."""

import json

import pytest

from trtbench.errors import BuildError, Code, MeasureError, TrtbenchError
from trtbench.results import Finding


@pytest.mark.parametrize("code", Code)
def test_a_code_says_what_is_wrong_and_what_to_do(code: Code) -> None:
    assert code.topic
    assert code.meaning
    assert code.remedy
    assert "|" not in code.meaning + code.remedy  # they become cells of a table


def test_a_code_reads_as_its_value_in_text_and_json() -> None:
    finding = Finding(code=Code.NOISY, severity="info", message="m", hint="h")
    assert f"{finding.code} {Code.TWO_ONNXRUNTIMES}" == "NOISY two-onnxruntimes"
    assert json.loads(finding.model_dump_json())["code"] == "NOISY"
    assert Finding.model_validate_json(finding.model_dump_json()) == finding


@pytest.mark.parametrize("error_type", TrtbenchError.__subclasses__())
def test_each_error_has_a_code_of_its_own(error_type: type[TrtbenchError]) -> None:
    alike = [
        other for other in TrtbenchError.__subclasses__() if other("text").code == error_type("text").code
    ]
    assert alike == [error_type]


def test_an_error_can_be_more_precise_than_its_type() -> None:
    error = BuildError("stopped", code=Code.BUILD_TIME_LIMIT)
    assert (str(error), error.code) == ("stopped", Code.BUILD_TIME_LIMIT)
    assert BuildError("refused").code == Code.BUILD_FAILED
    assert MeasureError("failed", code=None).code == Code.MEASURE_FAILED
