"""The stand-in for TensorRT refuses what a version lacks, or else tests with it would prove nothing."""

from typing import Any

import pytest
from support.trt_api import VERSIONS, load_api

OLD, NEW = "tensorrt-10.11.0.33", "tensorrt-11.4.0.106"


class Echo:
    """Acts for any class: its methods give what ``result`` is."""

    def __init__(self, *arguments: Any) -> None:
        self.arguments = arguments
        self.result: Any = None
        self.max_threads = 1

    def __getattr__(self, name: str) -> Any:
        if name.startswith("missing"):
            raise AttributeError(name)
        return lambda *arguments: self.result


def builder(version: str, result: Any = None) -> Any:
    api = load_api(version, {"Builder": Echo})
    instance = api.module.Builder(object())
    instance._script.result = result
    return instance


@pytest.mark.parametrize("version", VERSIONS)
def test_every_version_loads(version: str) -> None:
    module = load_api(version).module
    assert f"{module.__name__}-{module.__version__}" == version
    assert int(module.DataType.HALF) == 1
    assert module.ILogger.ERROR is module.ILogger.Severity.ERROR


def test_names_that_a_version_lacks_fail() -> None:
    old, new = load_api(OLD).module, load_api(NEW).module
    assert int(new.NetworkDefinitionCreationFlag.STRONGLY_TYPED) == 0
    assert int(old.NetworkDefinitionCreationFlag.STRONGLY_TYPED) == 1
    with pytest.raises(AttributeError):
        _ = new.BuilderFlag.FP16
    with pytest.raises(AttributeError):
        _ = old.DataType.E8M0
    with pytest.raises(AttributeError):
        _ = old.IRuntimeCache
    with pytest.raises(AttributeError):
        builder(new.__name__ + "-" + new.__version__).platform_has_fast_fp16  # noqa: B018
    with pytest.raises(AttributeError):
        builder(OLD).a_new_attribute = 1


def test_arguments_are_checked() -> None:
    config = load_api(OLD).module
    instance = builder(OLD)
    for arguments in ((), (1, 2, 3), ("network", "config")):
        with pytest.raises(TypeError, match="incompatible"):
            instance.build_serialized_network(*arguments)
    with pytest.raises(TypeError, match="incompatible"):
        instance.create_network(flag=1)
    with pytest.raises(TypeError, match="incompatible"):
        instance.create_network("1")
    assert config.Builder is not type(instance)


def test_scripts_are_checked_too() -> None:
    with pytest.raises(TypeError, match="returns 1, the bindings declare"):
        builder(OLD, result=1).create_network(0)
    with pytest.raises(NotImplementedError, match="IRuntimeConfig"):
        load_api(NEW).module.IRuntimeConfig().get_execution_context_allocation_strategy()


def test_attributes_are_read_and_written() -> None:
    instance = builder(OLD)
    instance.max_threads = 4
    assert instance.max_threads == 4
