"""The report: one self-contained HTML page made of a run directory and of nothing else.

Importing this loads plotly, jinja2 and the analysis: a command line does so only once there is a run to report.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.analysis.calibration import calibrate_summary
from bench.analysis.headline import headline_lines, holds, unanswered
from bench.analysis.summary import summarise
from bench.analysis.treatments import CONTROL, VM
from bench.analysis.wording import amount, bounds, cost, listed, named
from bench.loading import load_run
from bench.metrics import METRICS
from bench.results import ResultsError
from reports.application import application_figure
from reports.calibration import render_calibration
from reports.capacity import capacity_figure
from reports.definitions import definitions_figure
from reports.facts import environment_tables
from reports.figure import Table
from reports.growth import growth_figure
from reports.startup import startup_figure
from reports.typesetting import template
from reports.words import NONE, how, label, value_cell

if TYPE_CHECKING:
    from pathlib import Path

    from bench.analysis.estimate import Estimate
    from bench.analysis.ranks import Distribution
    from bench.analysis.summary import Summary
    from bench.analysis.treatments import Treatment
    from bench.loading import Run

@dataclass(frozen=True, slots=True)
class Glance:
    """One treatment's figures on a card at the top."""

    driver: str
    name: str
    answered: str
    rows: tuple[tuple[str, str, str], ...]


def write_report(run_dir: Path) -> Path:
    """Analyse the run directory and write its ``report.html``, whole or not at all; returns the path."""
    path = run_dir / "report.html"
    temporary = path.with_suffix(".html.new")
    text = _page(load_run(run_dir))
    try:
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise ResultsError(f"write {path}: {error.strerror}") from error
    return path


def _page(run: Run) -> str:
    if run.manifest.plan.experiment == "calibrate":
        return render_calibration(calibrate_summary(run))
    return render(summarise(run))


def render(summary: Summary) -> str:
    """The page as text; the same summary gives the same page."""
    lead, certainty = _lead(summary)
    return template("page.html.jinja").render(
        summary=summary,
        manifest=summary.manifest,
        lead=lead,
        certainty=certainty,
        lines=headline_lines(summary),
        glances=[_glance(summary, treatment) for treatment in summary.treatments],
        claims=summary.claims,
        startup=startup_figure(summary),
        memory=[growth_figure(summary), definitions_figure(summary), application_figure(summary)],
        density=capacity_figure(summary),
        teardown=_teardown(summary),
        environment=environment_tables(summary),
        metrics=METRICS.values(),
    )


def _lead(summary: Summary) -> tuple[str, str]:
    """The answer in one sentence, and how sure it is."""
    ratio = summary.ratios.get("host_available")
    if ratio:
        text = f"One {how(summary, VM)}VM takes {amount(ratio.value, 'times')} the host memory of one container"
        return text, _certainty(ratio)
    for treatment in summary.treatments:
        estimate = treatment.memory.estimate
        if estimate:
            one = f"One more {how(summary, treatment.driver)}{named(treatment.driver)}"
            return f"{one} takes {cost(estimate)} of the host's memory", _certainty(estimate)
    return headline_lines(summary)[0].rstrip("."), ""


def _certainty(estimate: Estimate) -> str:
    known = bounds(estimate)
    return f"95 % interval {known}" if known.startswith("[") else known


def _glance(summary: Summary, treatment: Treatment) -> Glance:
    median, memory = treatment.first_answer.median(), treatment.memory.estimate
    rows = [
        ("first answer, median", value_cell(median), bounds(median) if median else unanswered(treatment)),
        ("host memory, each", value_cell(memory), bounds(memory) if memory else treatment.memory.missing),
    ]
    density = summary.density(treatment.driver)
    if density and density.binding and treatment.driver != CONTROL:
        binding = density.binding
        count = holds(binding.holds, binding.low, binding.high)
        rows.append(("would fit on this host", count, f"stopped by {binding.resource}"))
    elif treatment.driver == CONTROL and summary.box:
        rows.append(("so a container's box adds", value_cell(summary.box), bounds(summary.box)))
    answered = f"{treatment.answered:,} of {treatment.requested:,} answered"
    return Glance(treatment.driver, label(summary, treatment.driver), answered, tuple(rows))


def _teardown(summary: Summary) -> Table:
    rows = tuple(
        (label(summary, treatment.driver), _over_blocks(treatment.fleet_answer), _over_blocks(treatment.teardown),
         _still_answering(treatment))
        for treatment in summary.treatments
    )
    columns = ("", "until all had answered", "until all were gone", "still answering when all ran")
    return Table("The fleet as a whole, block by block", columns, rows)


def _over_blocks(times: Distribution) -> str:
    return listed([amount(value, times.unit) for value in times.values]) or NONE


def _still_answering(treatment: Treatment) -> str:
    return listed([f"{count:,.0f} of {treatment.per_block:,}" for count in treatment.answering]) or NONE
