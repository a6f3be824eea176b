import pytest


@pytest.fixture(scope="session", autouse=True)
def _gpu() -> None:
    """Skip every test where there is no GPU to run it on."""
    cudart = pytest.importorskip("cuda.bindings.runtime", reason="cuda-bindings is not installed")
    code, count = cudart.cudaGetDeviceCount()
    if int(code) or not count:
        pytest.skip(f"no CUDA device: {cudart.cudaGetErrorString(code)[1].decode()}")
