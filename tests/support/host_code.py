"""Version-compatible plans, which have code for the host in them: refused unless that is allowed."""

from typing import Any

HOST_CODE = b" with a lean runtime"
"""What stands in such a plan."""
HOST_CODE_REFUSED = (
    "IRuntime::deserializeCudaEngine: Error Code 4: API Usage Error (Cannot deserialize engine with lean "
    "runtime since IRuntime::getEngineHostCodeAllowed() is false.)"
)


class HostCodeGate:
    """The part of a scripted runtime that refuses it, in TensorRT's words."""

    engine_host_code_allowed = False

    def __init__(self, trt: Any, logger: Any) -> None:
        self.trt, self.logger = trt, logger

    def refuses(self, plan: bytes) -> bool:
        refused = plan.endswith(HOST_CODE) and not self.engine_host_code_allowed
        if refused:
            self.logger.log(self.trt.ILogger.ERROR, HOST_CODE_REFUSED)
        return refused
