"""A runtime of two small kernels, compiled here, that take a known time and can go wrong in chosen ways."""

import ctypes
import json
from contextlib import contextmanager

import numpy as np
from cuda.bindings import driver, nvrtc
from cuda.bindings import runtime as cudart

from trtbench.measure import cuda
from trtbench.results import TensorRecord

SOURCE = r"""
// Waits, and then writes as many outputs as there are: y = 3 x.
extern "C" __global__ void spin(const float* x, float* y, int outputs, unsigned long long wait_ns)
{
    unsigned long long start, now;
    asm volatile("mov.u64 %0, %globaltimer;" : "=l"(start));
    do {
        asm volatile("mov.u64 %0, %globaltimer;" : "=l"(now));
    } while (now - start < wait_ns);
    for (int i = threadIdx.x; i < outputs; i += blockDim.x) y[i] = 3.0f * x[i];
}

// One load after the other, each waiting for the one before: as slow as the memory that x lies in.
extern "C" __global__ void chase(const float* x, float* y, int size, int loads)
{
    unsigned int at = 0;
    for (int i = 0; i < loads; ++i) at = (at + 12289u + (x[at] > 1e30f)) % size;
    y[0] = x[at];
}

// Touches all of both.
extern "C" __global__ void scale(const float* x, float* y, int size)
{
    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < size; i += gridDim.x * blockDim.x)
        y[i] = 3.0f * x[i];
}
"""


def compile_kernels(architecture):
    """CUBIN for ``sm_90``, say."""
    program = _check(nvrtc.nvrtcCreateProgram(SOURCE.encode(), b"spin.cu", 0, [], []))
    code, *_ = nvrtc.nvrtcCompileProgram(program, 1, [f"--gpu-architecture={architecture}".encode()])
    if code != nvrtc.nvrtcResult.NVRTC_SUCCESS:
        log = b" " * _check(nvrtc.nvrtcGetProgramLogSize(program))
        _check(nvrtc.nvrtcGetProgramLog(program, log))
        raise RuntimeError(log.decode())
    cubin = b" " * _check(nvrtc.nvrtcGetCUBINSize(program))
    _check(nvrtc.nvrtcGetCUBIN(program, cubin))
    return cubin


class SpinRuntime:
    """Runs ``spin``, or with ``loads`` the kernels ``chase`` and ``scale``.

    ``fault``: ``capture_elsewhere`` (to another stream while capturing), ``capture_nothing``,
    ``capture_stale`` (reads a copy of the input while capturing), ``capture_synchronizes``, ``elsewhere``
    (always another stream), ``half_elsewhere`` (a second kernel on another stream), ``illegal_address``.
    """

    device = "cuda"
    version = "1"
    notes = ()

    def __init__(self, stream, wait_ms=2.0, fault=None, loads=0, graph="capture", shape=(8, 3, 224, 224)):
        self.graph, self.fault, self.loads = graph, fault, loads
        self.wait_ns = int(1e6 * wait_ms)
        self.inputs = (TensorRecord(name="image", dtype="float32", shape=shape),)
        outputs = shape if loads else (shape[0], 10)
        self.outputs = (TensorRecord(name="y", dtype="float32", shape=outputs),)
        self._size, self._output_size = int(np.prod(shape)), int(np.prod(outputs))
        self._capturing = False
        self._other_stream = int(cuda.create_stream())
        self._copy = cuda.malloc(4 * self._size)
        self._module = _load(compile_kernels(_architecture()))

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        cuda.synchronize_device()
        _check(driver.cuModuleUnload(self._module))
        cuda.free(self._copy)

    def bind(self, tensors):
        self._x, self._y = tensors["image"].pointer, tensors["y"].pointer
        if self.fault == "capture_stale":
            kind = cudart.cudaMemcpyKind.cudaMemcpyDeviceToDevice
            _check(cudart.cudaMemcpy(self._copy, self._x, 4 * self._size, kind))
            cuda.synchronize_device()

    def empty(self):
        return None

    @contextmanager
    def capturing(self):
        self._capturing = True
        try:
            yield
        finally:
            self._capturing = False

    def enqueue(self, stream):
        fault = self.fault if self._capturing or not str(self.fault).startswith("capture") else None
        if fault == "capture_nothing":
            return
        if fault == "capture_synchronizes":
            cuda.synchronize_stream(stream)
        if fault in ("elsewhere", "capture_elsewhere"):
            stream = self._other_stream
        x = {"capture_stale": self._copy, "illegal_address": 16}.get(fault, self._x)
        if self.loads:
            self._launch("chase", 1, 1, stream, (x, self._y, self._size, self.loads), "ppii")
            self._launch("scale", 512, 256, stream, (x, self._y, self._size), "ppi")
            return
        wait_ns = 0 if fault == "half_elsewhere" else self.wait_ns
        self._launch("spin", 1, 128, stream, (x, self._y, self._output_size, wait_ns), "ppiu")
        if fault == "half_elsewhere":
            arguments = (x, self._copy, self._output_size, self.wait_ns)
            self._launch("spin", 1, 128, self._other_stream, arguments, "ppiu")

    def _launch(self, name, blocks, threads, stream, values, kinds):
        kernel = _check(driver.cuModuleGetFunction(self._module, name.encode()))
        types = {"p": ctypes.c_void_p, "i": ctypes.c_int, "u": ctypes.c_ulonglong}
        arguments = (values, tuple(types[kind] for kind in kinds))
        _check(driver.cuLaunchKernel(kernel, blocks, 1, 1, threads, 1, 1, 0, stream, arguments, 0))


def open_runtime(arm, stream, cuda_graph):
    """Make the runtime whose arguments ``arm.artifact`` holds as JSON; in place of one that is registered."""
    return SpinRuntime(stream, **json.loads(arm.artifact))


def _architecture():
    attributes = cudart.cudaDeviceAttr
    major = _check(cudart.cudaDeviceGetAttribute(attributes.cudaDevAttrComputeCapabilityMajor, 0))
    minor = _check(cudart.cudaDeviceGetAttribute(attributes.cudaDevAttrComputeCapabilityMinor, 0))
    return f"sm_{major}{minor}"


def _load(cubin):
    image = np.frombuffer(cubin, np.uint8)
    return _check(driver.cuModuleLoadData(image.ctypes.data))


def _check(result):
    code, *values = result
    if int(code) != 0:
        raise RuntimeError(f"{code!r}")
    return values[0] if values else None
