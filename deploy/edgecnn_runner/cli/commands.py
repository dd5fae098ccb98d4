"""The commands of ``edgecnn-run``; ``text`` says to people what they found."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edgecnn_runner.classifier import Classifier
from edgecnn_runner.cli.streams import write_message, write_result
from edgecnn_runner.errors import ImageError, RuntimeMissingError
from edgecnn_runner.files import regular_size
from edgecnn_runner.formats.container import read_container
from edgecnn_runner.input_options import PREPROCESSING_OPTIONS, Preprocessing
from edgecnn_runner.postprocess import shown_classes
from edgecnn_runner.runtimes.choice import RUNTIMES, choose_runtime, installed_version
from edgecnn_runner.session import Session

if TYPE_CHECKING:
    import numpy.typing as npt


def classify(options: argparse.Namespace) -> int:
    """Classify images; one that cannot be read does not keep the others from it.

    Args:
        options: ``file``, ``images``, ``top``, ``reject_below``, and those of ``open_classifier``.

    Returns:
        0, or the exit code of the last image's error.
    """
    code = 0
    rows: list[dict[str, Any]] = []
    with open_classifier(options) as classifier:
        top = options.top or shown_classes(len(classifier.contract.labels))
        for image in options.images:
            try:
                result = classifier.classify(image, top=top, reject_below=options.reject_below)
            except ImageError as error:
                write_message(f"error: {error}\n")
                rows.append({"image": image, **error.to_dict()})
                code = error.exit_code
                continue
            rows.append({"image": image, **result.to_dict()})
            if not options.json:
                from edgecnn_runner.cli import text

                write_result(text.classification(image, result))
    if options.json:
        _write_json(rows)
    return code


def selftest(options: argparse.Namespace) -> int:
    """Compare this device with the golden vectors.

    Args:
        options: ``file``, ``golden`` or None for those beside the file, ``threads``, ``runtime``.

    Raises:
        SelfTestError: If it does not reproduce them, or what the bundle says of its proof cannot be
            read.
    """
    from edgecnn_runner import selftest as checks
    from edgecnn_runner.golden import golden_beside, read_golden
    from edgecnn_runner.proof import not_proven

    with Session.open(options.file, threads=options.threads, runtime=options.runtime) as session:
        golden = read_golden(options.golden or golden_beside(options.file))
        outcome = checks.run(session, golden)
        outcome.raise_on_failure()
        open_question = not_proven(options.file)
        if options.json:
            facts = {**outcome.to_dict(), **_setting(session), "not_proven": open_question}
            _write_json(facts)
        else:
            from edgecnn_runner.cli import text

            write_result(text.selftest(outcome, session, open_question))
    return 0


def bench(options: argparse.Namespace) -> int:
    """Measure latency; the JSON holds every sample.

    Args:
        options: ``file``, ``image``, ``runs``, ``warmup``, and those of ``open_classifier``.
    """
    from edgecnn_runner.machine import describe_machine, peak_memory_bytes
    from edgecnn_runner.timing import measure

    with open_classifier(options) as classifier:
        session = classifier.session
        image = _bench_image(classifier, options.image)
        timing = measure(session, image, warmup=options.warmup, runs=options.runs)
        machine = describe_machine()
        if options.json:
            _write_json(
                {
                    **timing.to_dict(),
                    **_setting(session),
                    "machine": machine,
                    "peak_memory_bytes": peak_memory_bytes(),
                }
            )
        else:
            from edgecnn_runner.cli import text

            write_result(text.bench(timing, session, machine))
    return 0


def info(options: argparse.Namespace) -> int:
    """Show a file's contract and what it would run on; works with no runtime installed.

    Args:
        options: ``file``, ``runtime``.

    Raises:
        SelfTestError: If what the bundle says of its proof cannot be read.
        UsageError: If what it says of collecting cannot.
    """
    from edgecnn_runner.collect import bundle_terms, own_bundle
    from edgecnn_runner.proof import not_proven

    container = read_container(options.file)
    bundle = own_bundle()
    terms = None if bundle is None else bundle_terms(bundle)
    runtime: dict[str, Any]
    try:
        name = choose_runtime(container.format, options.runtime)
        runtime = {
            "name": name,
            "package": RUNTIMES[name].package,
            "version": installed_version(name),
        }
    except RuntimeMissingError as error:
        runtime = error.to_dict()
    contract = container.contract
    facts = {
        "file": options.file,
        "format": container.format,
        "bytes": len(container.data),
        "payload_bytes": container.payload_size,
        "contract": None if contract is None else json.loads(contract.to_json()),
        "runtime": runtime,
        "not_proven": not_proven(options.file),
        "collect": None if terms is None else terms.to_dict(),
    }
    if options.json:
        _write_json(facts)
    else:
        from edgecnn_runner.cli import text

        write_result(text.info(facts, contract))
    return 0


def predict(options: argparse.Namespace) -> int:
    """Score many images; the result file appears whole or not at all.

    Args:
        options: ``file``, ``images``, ``scores``, and those of ``open_classifier``.
    """
    from edgecnn_runner.files import atomic_file

    images = _read_images(options.images)
    target = Path(options.scores)
    with open_classifier(options) as classifier:
        scores = classifier.session.predict(images)
        with atomic_file(target) as file:
            np.savez_compressed(file, scores=scores)
        facts = {"images": len(images), "scores": str(target), **_setting(classifier.session)}
    if options.json:
        _write_json(facts)
    else:
        write_result(f"{len(images)} images scored by {facts['runtime']}: {target}\n")
    return 0


def open_classifier(options: argparse.Namespace) -> Classifier:
    """Open ``file`` with what its options say."""
    labels = None
    if options.labels is not None:
        from edgecnn_runner.labels import read_labels

        labels = read_labels(options.labels)
    told = Preprocessing.of_options(
        **{name: getattr(options, name, None) for name in PREPROCESSING_OPTIONS}
    )
    return Classifier(
        options.file,
        labels=labels,
        input_range=told.input_range,
        threads=options.threads,
        runtime=options.runtime,
        output_kind=options.output_kind,
        layout=options.layout,
        resize=told.resize,
    )


def _bench_image(classifier: Classifier, path: str | None) -> npt.NDArray[np.uint8]:
    spec = classifier.contract.input
    shape = (spec.height, spec.width, spec.channels)
    if path is None:
        return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    from edgecnn_runner.images.decode import read_image
    from edgecnn_runner.images.preprocess import prepare_for

    return prepare_for(classifier.contract, read_image(path))


def _read_images(path: str) -> npt.NDArray[np.uint8]:
    try:
        regular_size(Path(path))
        with Path(path).open("rb") as file, np.load(file, allow_pickle=False) as stored:
            images: npt.NDArray[np.uint8] = stored["images"]
    except Exception as error:
        raise ImageError(
            f"cannot read the images {path}",
            # What numpy says of a file that is no archive, to unpickle it, is no advice to pass on.
            observed="no .npz archive" if isinstance(error, ValueError) else f"{error}",
            expected="an .npz file with an array `images` (n, height, width, channels), uint8",
            remedy="write it with numpy.savez(path, images=images)",
        ) from error
    return images


def _setting(session: Session) -> dict[str, Any]:
    return {
        "file": str(session.path),
        "runtime": session.runtime,
        "kernels": session.kernels,
        "threads": session.threads,
        "model": session.contract.model,
        "variant": session.contract.variant,
    }


def _write_json(value: object) -> None:
    write_result(json.dumps(value, indent=1, sort_keys=True, allow_nan=False) + "\n")
