"""The README of a zip file: what is in it, how to load it, how to prepare images."""

from math import floor

from trtbench.results import Pack, Preprocessing, TensorRecord
from trtbench.units import format_bytes

_PACKAGES = {"tensorrt_rtx": "tensorrt-rtx", "tensorrt": "tensorrt", "trtexec": "tensorrt"}
"""What imports and loads engines of each compiler, as package indexes call it."""


def readme_of(pack: Pack) -> str:
    """The text, in Markdown."""
    parts = (_what(pack), _loading(pack), _images(pack.preprocessing), _with_trtbench(pack))
    return f"# {pack.name}\n\n" + "\n\n".join(parts) + "\n"


def _what(pack: Pack) -> str:
    origin = f"Packed by trtbench {pack.trtbench_version}."
    if pack.model is not None:
        origin = f"{pack.model} as {pack.recipe}, batch {pack.batch}, weights: {pack.weights}.\n{origin}"
    classes = "\n| `classes.txt` | names of the classes in order, one a line |" * bool(pack.class_names)
    tensors = [
        *(f"- input {_tensor(each)}" for each in pack.inputs),
        *(f"- output {_tensor(each)}" for each in pack.outputs),
    ]
    return f"""{origin}

| file | holds |
|---|---|
| `{pack.onnx.name}` | the model, {format_bytes(pack.onnx.size_bytes)} |
| `{pack.engine.name}` | the engine, {format_bytes(pack.engine.size_bytes)} |{classes}
| `pack.json` | all that is said here, for programs, and the SHA-256 of each file |
""" + "".join(f"\n{each}" for each in tensors)


def _loading(pack: Pack) -> str:
    package = _PACKAGES[pack.backend]
    return f"""## Load it

The engine was built for {", ".join(pack.targets)} by `{package}` {pack.backend_version}, which also loads it:

```python
import {package.replace("-", "_")} as trt

runtime = trt.Runtime(trt.Logger())
with open("{pack.engine.name}", "rb") as file:
    engine = runtime.deserialize_cuda_engine(file.read())
```

For another version or another GPU, build it again from the model."""


def _images(given: Preprocessing | None) -> str:
    if given is None:
        return "## Images\n\nHow images are prepared is not known: trtbench did not export this model."
    channels, height, width = given.input_size
    colours = {1: "Grey", 3: "RGB"}.get(channels, f"{channels} channels")
    resized = " x ".join(str(floor(side / given.crop_pct)) for side in (height, width))  # as timm does
    doubt = "The model does not say how; these are the usual steps for ImageNet, an assumption.\n\n"
    covered = f"{resized} pixels, height x width, without changing the ratio ({given.interpolation})"
    return f"""## Images

{doubt * given.assumed}1. Resize to cover {covered}.
2. Crop {height} x {width} ({given.crop_mode}).
3. {colours}, channels first, divided by 255.
4. Subtract the mean ({_numbers(given.mean)}), divide by the standard deviation ({_numbers(given.std)})."""


def _with_trtbench(pack: Pack) -> str:
    engine, model = (name.rpartition("/")[0] for name in (pack.engine.name, pack.onnx.name))
    return f"""## With trtbench

This folder is a store. An engine can run any code of its maker: trtbench loads one that you did not build
with `--trust` only. A model runs no code, and an engine that you build from it is yours:

```
trtbench inspect {engine}
trtbench build {pack.onnx.name if pack.model is None else model}
trtbench bench {engine} --trust
```"""


def _tensor(tensor: TensorRecord) -> str:
    return f"`{tensor.name}`: {tensor.dtype}, {' x '.join(map(str, tensor.shape))}"


def _numbers(values: tuple[float, ...]) -> str:
    return ", ".join(f"{value:g}" for value in values)
