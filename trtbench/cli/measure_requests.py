"""From what was asked on the command line to one stage that times, and how its result reads."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from trtbench.build.choice import check_any_builds, default_backend
from trtbench.cli.build_requests import refuse_build_options, spec_to_compile, specs_for_runtimes
from trtbench.cli.options import (
    BenchOptions,
    BuildOptions,
    CompilerOptions,
    ModelOptions,
    NetworkOptions,
    ShapeOptions,
    given_options,
)
from trtbench.cli.parse import at_one_shape, at_shapes, bench_spec, export_specs
from trtbench.compare.stored import compare_stored
from trtbench.compare.sweep import sweep_over
from trtbench.compare.timed import (
    Timing,
    check_runtimes,
    compare_arms,
    compare_here,
    compare_timed,
    why_not_timed,
)
from trtbench.errors import BuildError, ExportError, MeasureError, RuntimeUnavailable, SpecError
from trtbench.export import check_model
from trtbench.host.hardware import first_gpu
from trtbench.measure.aa import compare_with_itself
from trtbench.measure.arms import (
    Workshop,
    arm_of_path,
    arm_of_recipe,
    engine_backend,
    labels_of_paths,
    must_be_built,
)
from trtbench.measure.bench import bench, unmade
from trtbench.measure.run import Arm
from trtbench.measure.timers import check_protocol
from trtbench.progress import OnProgress, OnRecipeStep
from trtbench.report.text.measurement import told_as_steps
from trtbench.report.text.progress import recipe_progress
from trtbench.results import AaReport, ArmsComparison, Comparison, Measurement, Sweep, Verdict
from trtbench.runtimes import runtime_entry
from trtbench.specs import BenchSpec, ExportSpec, ModelSpec
from trtbench.specs.recipe import parse_recipe
from trtbench.store.artifacts import Store
from trtbench.store.results import Stored

_MEASURE = "measure"
"""The line of the progress display that is about measuring."""


@dataclass(frozen=True)
class CompareRequest:
    """The words and options of ``trtbench compare``; ``aa_comparisons`` is null without ``--aa``."""

    words: tuple[str, ...]
    network: NetworkOptions
    shapes: ShapeOptions
    building: BuildOptions
    timing: BenchOptions
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
        _refuse_beside_from(request)
        return compare_stored([Path(word) for word in request.words])
    for runtime in request.runtimes:
        runtime_entry(runtime)
    store = Store(root)
    if request.aa_comparisons is not None:
        return _aa(request, request.aa_comparisons, store)
    if any(is_path(word) for word in request.words):
        return _compare_paths(request, store)
    return _compare_recipes(request, store)


def _refuse_beside_from(request: CompareRequest) -> None:
    """Refuse what has no say in results that are stored."""
    groups = (request.building, request.timing, request.network, request.shapes)
    given = [option for group in groups for option in given_options(group)]
    given += ["--runtime"] * bool(request.runtimes) + ["--aa"] * (request.aa_comparisons is not None)
    if given:
        raise SpecError(f"{given[0]} and --from exclude each other: stored results are not timed again")


@dataclass(frozen=True)
class BenchRequest:
    """The word and options of ``trtbench bench``; without a ``runtime`` it is the compiler's namesake."""

    subject: str
    network: NetworkOptions
    shapes: ShapeOptions
    building: CompilerOptions
    timing: BenchOptions
    runtime: str | None


def bench_as_asked(request: BenchRequest, root: Path) -> Measurement | Sweep:
    """Carry out ``trtbench bench``.

    Raises:
        SpecError: the request is wrong, or its options contradict each other.
        TrtbenchError: the model cannot be exported or built (in a sweep: a failed point), or the stage fails
            as a whole.
    """
    subject, timing, store = request.subject, request.timing, Store(root)
    runtime = request.runtime or _runtime_for(subject, request.building)
    runtime_entry(runtime)
    spec = checked_bench(timing, request.network.seed, [runtime])
    if is_path(subject):
        check_no_model_options(subject, request.network, request.shapes)
        points: tuple[ModelOptions | None, ...] = (None,)
    else:
        points = at_shapes(request.network, request.shapes)
    workshop = _workshop(store, [subject], [runtime], request.building, timing)
    _check_image_sizes([export_specs([subject], options)[0].model for options in points if options])

    def measure(options: ModelOptions | None) -> Measurement:
        with measuring_progress([subject]) as (on_step, told):
            try:
                arm = _arm(subject, options, runtime, workshop, on_step)
            except (ExportError, BuildError) as error:
                if len(points) == 1 or options is None:
                    raise
                (wanted,) = export_specs([subject], options)
                return unmade(str(wanted.recipe), wanted, runtime, spec, str(error))
            return bench(arm, spec, store, told, timing.exclusive)

    exports = [export_specs([subject], options) for options in points if options]
    identity = _identity_of_sweep(exports, request.building, timing, spec)
    measurements = sweep_over(points, measure, store, identity, [runtime])
    return measurements[0] if len(measurements) == 1 else Sweep(points=tuple(measurements))


def _identity_of_sweep(
    exports: Sequence[Sequence[ExportSpec]], building: CompilerOptions, timing: BenchOptions, bench: BenchSpec
) -> dict[str, object]:
    """All that was asked of a sweep, apart from its runtimes."""
    return {
        "points": [[each.model_dump(mode="json") for each in point] for point in exports],
        "building": repr(building),
        "rebuilds": timing.rebuilds,
        "protocol": bench.model_dump(mode="json"),
    }


def _check_image_sizes(models: Sequence[ModelSpec]) -> None:
    """Refuse a sweep over the image, of which one size is wrong, before the first is timed.

    Raises:
        SpecError: one is not made of whole patches, or not one that the model takes.
    """
    if len({model.img_size for model in models}) < 2:
        return
    with recipe_progress(["sweep"]) as on_step:
        for model in dict.fromkeys(models):
            on_step("sweep", f"check images of {model.img_size} pixels")
            check_model(model)


def _runtime_for(subject: str, options: CompilerOptions) -> str:
    """The runtime that has the name of the compiler: of an engine in the store its own."""
    backend = engine_backend(Path(subject)) if is_path(subject) else None
    return backend or options.backend or default_backend()


def is_slower(result: Stored) -> bool:
    """Whether a verdict says SLOWER.

    Raises:
        MeasureError: there is no verdict, or one is INCOMPARABLE: nobody knows whether anything is slower.
    """
    return slower_among(_verdicts(result))


def slower_among(verdicts: Sequence[Verdict]) -> bool:
    """Whether one of these verdicts says SLOWER.

    Raises:
        MeasureError: there is none, or one is INCOMPARABLE.
    """
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


def check_no_model_options(subject: str, network: NetworkOptions, shapes: ShapeOptions) -> None:
    """Refuse options that an artifact has answered already; ``--seed`` is that of the inputs, too.

    Raises:
        SpecError: one is given.
    """
    given = [option for option in given_options(network) if option != "--seed"] + [*given_options(shapes)]
    if given:
        raise SpecError(f"{given[0]} has no say in {subject}: the file has its model and its shape in it")


def _compare_recipes(request: CompareRequest, store: Store) -> Comparison | Sweep:
    """Compare recipes at every shape; what is wrong for all of them is refused before the first."""
    points = [export_specs(request.words, each) for each in at_shapes(request.network, request.shapes)]
    runtimes = request.runtimes
    check_runtimes(runtimes)
    by_runtime = specs_for_runtimes(request.building, runtimes) if runtimes else {}
    here = None if runtimes else spec_to_compile(request.building)
    timed_in = runtimes if here is None else [here.backend]
    bench = checked_bench(request.timing, request.network.seed, timed_in)
    _check_image_sizes([exports[0].model for exports in points])

    def measure(exports: Sequence[ExportSpec]) -> Comparison:
        with measuring_progress([str(each.recipe) for each in exports]) as (on_step, told):
            timing = timing_of(request.timing, bench, told)
            if here is None:
                return compare_timed(exports, runtimes, by_runtime, store, timing, on_step)
            return compare_here(exports, here, store, timing, on_step)

    if here is not None and why_not_timed(here.targets) is not None:
        comparisons = [measure(exports) for exports in points]  # what compiles is kept by itself
    else:
        identity = _identity_of_sweep(points, request.building, request.timing, bench)
        comparisons = sweep_over(points, measure, store, identity, timed_in)
    return comparisons[0] if len(comparisons) == 1 else Sweep(points=tuple(comparisons))


def _compare_paths(request: CompareRequest, store: Store) -> ArmsComparison:
    """Compare files and folders, in one runtime or several."""
    if not all(is_path(word) for word in request.words):
        raise SpecError("recipes and files do not mix: export the recipes and name their folders")
    if not request.runtimes:
        raise SpecError("name a --runtime to time files in, such as onnxruntime-cpu")
    check_no_model_options(request.words[0], request.network, request.shapes)
    bench = checked_bench(request.timing, request.network.seed, request.runtimes)
    workshop = _workshop(store, request.words, request.runtimes, request.building, request.timing)
    labels = labels_of_paths([Path(word) for word in request.words])
    with measuring_progress(request.words) as (on_step, told):
        arms = [
            _named(
                _arm(word, None, runtime, workshop, on_step),
                label if len(request.runtimes) == 1 else f"{label} on {runtime}",
            )
            for word, label in zip(request.words, labels, strict=True)
            for runtime in request.runtimes
        ]
        return compare_arms(arms, store, timing_of(request.timing, bench, told))


def _workshop(
    store: Store,
    words: Sequence[str],
    runtimes: Sequence[str],
    options: CompilerOptions,
    timing: BenchOptions,
) -> Workshop:
    """Where the engines of ``words`` are built, as far as any is built.

    Raises:
        SpecError: an option of a build is given, and nothing is built; or it is wrong.
        RuntimeUnavailable: there is no GPU to build for.
    """
    building = [runtime for runtime in runtimes if any(_must_be_built(word, runtime) for word in words)]
    if not building:
        what = f"{words[0]} in {', '.join(runtimes)}, for which nothing is built"
        refuse_build_options(options, what)
        _refuse_rebuilds(timing, what)
        return Workshop(store, trust=timing.trust)
    specs = specs_for_runtimes(options, building)
    check_any_builds(specs.values())
    try:
        first_gpu()  # before the model is exported: what is built here is to be timed here
    except RuntimeUnavailable as error:
        raise RuntimeUnavailable(
            f"runtime {', '.join(building)} times on a GPU, and {error}: --runtime onnxruntime-cpu times on "
            "this CPU"
        ) from error
    return Workshop(store, specs, timing.rebuilds, timing.trust)


def checked_bench(options: BenchOptions, seed: int, runtimes: Sequence[str]) -> BenchSpec:
    """Read the protocol for arms in ``runtimes``.

    Raises:
        SpecError: an option is out of range, one of the runtimes cannot follow the protocol, or an option has
            no say in any of them.
    """
    bench = bench_spec(options, seed)
    check_protocol(runtimes, bench)
    entries = [runtime_entry(runtime) for runtime in runtimes]
    loads_none = all(entry.loads != "engine" for entry in entries)
    for option, is_given, is_useless, why in (
        ("--trust", options.trust, loads_none, "loads no engine"),
        ("--rebuilds", options.rebuilds, loads_none, "loads no engine"),
        ("--exclusive", options.exclusive, all(each.device != "cuda" for each in entries), "runs on no GPU"),
        (
            "--no-graph",
            options.no_graph,
            not any(each.may_have_graph for each in entries),
            "never has a CUDA graph",
        ),
    ):
        if is_given and is_useless:
            raise SpecError(
                f"{option} has no say in runtime {', '.join(runtimes)}, which {why}: leave it out"
            )
    return bench


def _refuse_rebuilds(timing: BenchOptions, what: str) -> None:
    if timing.rebuilds:
        raise SpecError(f"--rebuilds has no say in {what}: leave it out")


def _must_be_built(word: str, runtime: str) -> bool:
    """Whether ``runtime`` loads an engine, and ``word`` is none."""
    if is_path(word):
        return must_be_built(Path(word), runtime)
    return runtime_entry(runtime).loads == "engine"


def _named(arm: Arm, label: str) -> Arm:
    return replace(arm, builds=tuple(each.model_copy(update={"label": label}) for each in arm.builds))


def _aa(request: CompareRequest, comparisons: int, store: Store) -> AaReport:
    if len(request.words) != 1 or len(request.runtimes) > 1:
        raise SpecError("--aa compares one recipe or file with itself, in one --runtime: name one of each")
    if request.timing.rebuilds:
        raise SpecError("--rebuilds and --aa exclude each other: one engine is compared with itself")
    (word,) = request.words
    (runtime,) = request.runtimes or (_runtime_for(word, request.building),)
    if is_path(word):
        check_no_model_options(word, request.network, request.shapes)
    model = None if is_path(word) else at_one_shape(request.network, request.shapes, "--aa")
    spec = checked_bench(request.timing, request.network.seed, [runtime])
    workshop = _workshop(store, request.words, [runtime], request.building, request.timing)
    with measuring_progress([word]) as (on_step, told):
        arm = _arm(word, model, runtime, workshop, on_step)
        return compare_with_itself(arm, spec, comparisons, store, told, request.timing.exclusive)


@contextmanager
def measuring_progress(names: Sequence[str]) -> Iterator[tuple[OnRecipeStep, OnProgress]]:
    """Show the steps of ``names`` and, on a line of their own, those of measuring."""
    with recipe_progress([*names, _MEASURE]) as on_step:
        yield on_step, told_as_steps(lambda step: on_step(_MEASURE, step))


def timing_of(options: BenchOptions, spec: BenchSpec, told: OnProgress) -> Timing:
    """How a stage times by ``options``, whose protocol is ``spec``."""
    return Timing(
        bench=spec,
        on_progress=told,
        rebuilds=options.rebuilds,
        exclusive=options.exclusive,
        trust=options.trust,
        given=given_options(options),
    )


def _arm(
    word: str, options: ModelOptions | None, runtime: str, workshop: Workshop, on_step: OnRecipeStep
) -> Arm:
    """What ``word`` names: a recipe of the model in ``options``, or, without them, a file."""
    if options is None:
        return arm_of_path(Path(word), runtime, workshop, lambda step: on_step(word, step))
    (spec,) = export_specs([word], options)
    return arm_of_recipe(str(spec.recipe), spec, runtime, workshop, lambda step: on_step(word, step))[0]
