"""From words and numbers to specs: the step that the command line and the Python API share.

A recipe, the name of a model or an environment is a word in both; options are numbers, words and paths.
What is wrong is refused with the name of the argument.
"""

from trtbench.request.arguments import (
    AnyModel,
    AnyPath,
    ArgumentError,
    BenchArguments,
    BuildArguments,
    CompareArguments,
    CompilerArguments,
    ExplainArguments,
    ModelArguments,
    PackArguments,
    PredictArguments,
    PredictionArguments,
    TimingArguments,
    TraceArguments,
    TuneArguments,
    check_names,
    checked_spec,
)
from trtbench.request.conditions import parse_conditions
from trtbench.request.grids import (
    build_request,
    grid_of,
    inputs_spec,
    is_path,
    parse_input,
    parse_profile,
    parse_shapes,
    subjects_of,
    tune_spec,
)
from trtbench.request.models import (
    DEFAULT_PRECISIONS,
    export_specs,
    is_model,
    parse_recipes,
    read_model_entry,
)
from trtbench.request.plans import read_plan
from trtbench.request.shapes import (
    BatchWord,
    Shape,
    SizeWord,
    refuse_dynamic,
    shape_of,
    shapes_of,
    static_shape_of,
)

__all__ = [
    "DEFAULT_PRECISIONS",
    "AnyModel",
    "AnyPath",
    "ArgumentError",
    "BatchWord",
    "BenchArguments",
    "BuildArguments",
    "CompareArguments",
    "CompilerArguments",
    "ExplainArguments",
    "ModelArguments",
    "PackArguments",
    "PredictArguments",
    "PredictionArguments",
    "Shape",
    "SizeWord",
    "TimingArguments",
    "TraceArguments",
    "TuneArguments",
    "build_request",
    "check_names",
    "checked_spec",
    "export_specs",
    "grid_of",
    "inputs_spec",
    "is_model",
    "is_path",
    "parse_conditions",
    "parse_input",
    "parse_profile",
    "parse_recipes",
    "parse_shapes",
    "read_model_entry",
    "read_plan",
    "refuse_dynamic",
    "shape_of",
    "shapes_of",
    "static_shape_of",
    "subjects_of",
    "tune_spec",
]
