"""From what was asked on the command line to one stage that times, and how its result reads."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, fields, replace
from pathlib import Path

from trtbench.artifacts import Store
from trtbench.bench import bench
from trtbench.cli_options import BenchOptions, BuildOptions, ModelOptions, NetworkOptions
from trtbench.compare_stored import compare_stored
from trtbench.compare_timed import Timing, compare_arms, compare_here, compare_timed
from trtbench.errors import MeasureError, RuntimeUnavailable, SpecError
from trtbench.measure.aa import compare_with_itself
from trtbench.measure.arms import BUILDS_FOR, Workshop, arm_of_path, arm_of_recipe, target_here
from trtbench.measure.run import Arm
from trtbench.progress import OnProgress, OnRecipeStep
from trtbench.recipes import parse_recipe
from trtbench.report.measurement import told_as_steps
from trtbench.report.progress import recipe_progress
from trtbench.results import AaReport, ArmsComparison, Comparison, Measurement, Sweep, Verdict
from trtbench.results_store import Stored
from trtbench.runtimes import runtime_entry
from trtbench.specs import BuildSpec
from trtbench.specs_from_options import at_batches, bench_spec, build_spec, export_specs

_MEASURE = "measure"
"""The line of the progress display that is about measuring."""


@dataclass(frozen=True)
class CompareRequest:
    """The words and options of ``trtbench compare``; ``aa_comparisons`` is null without ``--aa``."""

    words: tuple[str, ...]
    network: NetworkOptions
    building: BuildOptions
    timing: BenchOptions
    batch: str
    runtimes: tuple[str, ...]
    aa_comparisons: int | None
    stored: bool


def compare_as_asked(request: CompareRequest, root: Path) -> Stored:
    """Carry out ``trtbench compare``.

    Raises:
        SpecError: the request is wrong, or its options contradict each other.
        TrtbenchError: the stage fails as a whole.
    """
    if request.stored:
        if request.runtimes or request.aa_comparisons is not None:
            option = "--runtime" if request.runtimes else "--aa"
            raise SpecError(f"{option} and --from exclude each other: stored results are not timed again")
        return compare_stored([Path(word) for word in request.words])
    for runtime in request.runtimes:
        runtime_entry(runtime)
    store = Store(root)
    if request.aa_comparisons is not None:
        return _aa(request, request.aa_comparisons, store)
    if any(is_path(word) for word in request.words):
        return _compare_paths(request, store)
    points = at_batches(request.network, request.batch)
    if len(points) > 1 and not request.runtimes:
        raise SpecError(f"--batch {request.batch}: several batches are a sweep of times: name a --runtime")
    comparisons = [_compare_recipes(request, options, store) for options in points]
    return comparisons[0] if len(comparisons) == 1 else Sweep(points=tuple(comparisons))


def bench_as_asked(
    subject: str,
    runtime: str,
    network: NetworkOptions,
    batch: str | None,
    timing: BenchOptions,
    root: Path,
) -> Measurement | Sweep:
    """Carry out ``trtbench bench``.

    Raises:
        SpecError: the request is wrong, or its options contradict each other.
        TrtbenchError: the model cannot be exported or built, or the stage fails as a whole.
    """
    runtime_entry(runtime)
    spec, store = bench_spec(timing, network.seed), Store(root)
    if is_path(subject):
        check_no_model_options(subject, network, batch)
        points: tuple[ModelOptions | None, ...] = (None,)
    else:
        points = at_batches(network, batch or "64")
    measurements = []
    for options in points:
        with _progress([subject]) as (on_step, told):
            arm = _arm(subject, options, runtime, Workshop(store, None, timing.rebuilds), on_step)
            measurements.append(bench(arm, spec, store, told, timing.exclusive))
    return measurements[0] if len(measurements) == 1 else Sweep(points=tuple(measurements))


def has_failed(result: Stored) -> bool:
    """Whether an arm or a recipe failed."""
    if isinstance(result, Sweep):
        return any(has_failed(point) for point in result.points)
    if isinstance(result, Comparison):
        return any(row.status == "failed" for row in result.rows)
    if isinstance(result, ArmsComparison):
        return any(measurement.status == "failed" for measurement in result.measurements)
    return isinstance(result, Measurement) and result.status == "failed"


def is_slower(result: Stored) -> bool:
    """Whether a verdict says SLOWER.

    Raises:
        MeasureError: there is no verdict, or one is INCOMPARABLE: nobody knows whether anything is slower.
    """
    verdicts = _verdicts(result)
    if not verdicts:
        raise MeasureError("--fail-on slower: there is no verdict, since nothing was timed against anything")
    for verdict in verdicts:
        if verdict.verdict == "INCOMPARABLE":
            raise MeasureError(f"--fail-on slower: {verdict.arm} is INCOMPARABLE: {verdict.reason}")
    return any(verdict.verdict == "SLOWER" for verdict in verdicts)


def _verdicts(result: Stored) -> tuple[Verdict, ...]:
    if isinstance(result, Sweep):
        return tuple(verdict for point in result.points for verdict in _verdicts(point))
    return result.verdicts if isinstance(result, Comparison | ArmsComparison) else ()


def is_path(word: str) -> bool:
    """Whether a word names a file or a folder: recipes come first.

    Raises:
        SpecError: it looks like a path, and there is nothing.
    """
    try:
        parse_recipe(word)
    except SpecError:
        path = Path(word)
        with suppress(OSError):  # such as a name that is too long
            if path.exists():
                return True
        if len(path.parts) > 1 or path.suffix:
            raise SpecError(f"{word}: no such file or folder, and no recipe") from None
        raise
    return False


def check_no_model_options(subject: str, network: NetworkOptions, batch: str | None) -> None:
    """Refuse options that an artifact has answered already; ``--seed`` is that of the inputs, too.

    Raises:
        SpecError: one is given.
    """
    default = NetworkOptions()
    given = [f.name for f in fields(network) if getattr(network, f.name) != getattr(default, f.name)]
    given = [name for name in given if name != "seed"] + ["batch"] * (batch is not None)
    if given:
        option = {"overrides": "set"}.get(given[0], given[0]).replace("_", "-")
        raise SpecError(f"--{option} has no say in {subject}: the file has its model and its batch in it")


def _compare_recipes(request: CompareRequest, options: ModelOptions, store: Store) -> Comparison:
    exports, spec = export_specs(request.words, options), _build_spec(request)
    with _progress([str(each.recipe) for each in exports]) as (on_step, told):
        timing = _timing(request, told)
        if request.runtimes:
            return compare_timed(exports, request.runtimes, spec, store, timing, on_step)
        return compare_here(exports, spec, store, timing, on_step)


def _build_spec(request: CompareRequest) -> BuildSpec:
    """For the targets asked for; without any, engines to be timed are for the GPU that is here."""
    spec = build_spec(request.building)
    if not request.building.target and BUILDS_FOR in request.runtimes:
        with suppress(RuntimeUnavailable):  # without a GPU, every row says so when it is timed
            return spec.model_copy(update={"targets": (target_here(),)})
    return spec


def _compare_paths(request: CompareRequest, store: Store) -> ArmsComparison:
    """Compare files and folders, in one runtime or several."""
    if not all(is_path(word) for word in request.words):
        raise SpecError("recipes and files do not mix: export the recipes and name their folders")
    if not request.runtimes:
        raise SpecError("name a --runtime to time files in, such as onnxruntime-cpu")
    batch = None if request.batch == "64" else request.batch
    check_no_model_options(request.words[0], request.network, batch)
    workshop = Workshop(store, None, request.timing.rebuilds)
    with _progress(request.words) as (on_step, told):
        arms = [
            _renamed(_arm(word, None, runtime, workshop, on_step), runtime, request)
            for word in request.words
            for runtime in request.runtimes
        ]
        return compare_arms(arms, store, _timing(request, told))


def _renamed(arm: Arm, runtime: str, request: CompareRequest) -> Arm:
    """Name the runtime, too, where there are several."""
    if len(request.runtimes) == 1:
        return arm
    label = f"{arm.label} on {runtime}"
    return replace(arm, builds=tuple(each.model_copy(update={"label": label}) for each in arm.builds))


def _aa(request: CompareRequest, comparisons: int, store: Store) -> AaReport:
    if len(request.words) != 1 or len(request.runtimes) != 1:
        raise SpecError("--aa compares one recipe or file with itself, in one --runtime")
    (word,), (runtime,) = request.words, request.runtimes
    points = at_batches(request.network, request.batch)
    if len(points) != 1:
        raise SpecError(f"--batch {request.batch}: --aa takes one batch")
    with _progress([word]) as (on_step, told):
        arm = _arm(word, None if is_path(word) else points[0], runtime, Workshop(store), on_step)
        spec = bench_spec(request.timing, request.network.seed)
        return compare_with_itself(arm, spec, comparisons, store, told, request.timing.exclusive)


@contextmanager
def _progress(names: Sequence[str]) -> Iterator[tuple[OnRecipeStep, OnProgress]]:
    """Show the steps of ``names`` and, on a line of their own, those of measuring."""
    with recipe_progress([*names, _MEASURE]) as on_step:
        yield on_step, told_as_steps(lambda step: on_step(_MEASURE, step))


def _timing(request: CompareRequest, told: OnProgress) -> Timing:
    spec = bench_spec(request.timing, request.network.seed)
    return Timing(spec, told, request.timing.rebuilds, request.timing.exclusive)


def _arm(
    word: str, options: ModelOptions | None, runtime: str, workshop: Workshop, on_step: OnRecipeStep
) -> Arm:
    """What ``word`` names: a recipe of the model in ``options``, or, without them, a file."""
    if options is None:
        return arm_of_path(Path(word), runtime, workshop, lambda step: on_step(word, step))
    (spec,) = export_specs([word], options)
    return arm_of_recipe(str(spec.recipe), spec, runtime, workshop, lambda step: on_step(word, step))[0]
