"""The page: whole, self-contained, escaped, and never with an empty figure."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from typing import TYPE_CHECKING

import pytest
from plotly.offline import get_plotlyjs

from bench.analysis.summary import summarise
from bench.loading import load_run
from bench.results import CertificateFacts, ResultsError, RunWriter
from reports.page import render, write_report
from tests.support.synthetic import TRUTHS, Scenario, manifest, write_run

if TYPE_CHECKING:
    from pathlib import Path

FIGURES = ("startup", "memory", "definitions", "application", "density")
HOSTILE = "<script>alert('x')</script>{{ 7 * 7 }}"


class Outline(HTMLParser):
    """Tags with their attributes, and the text that a reader sees."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self._open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag in {"script", "style"}:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if self._open and tag == self._open[-1]:
            self._open.pop()

    def handle_data(self, data: str) -> None:
        if not self._open:
            self.text.append(data)

    def count(self, tag: str) -> int:
        return sum(1 for name, _ in self.tags if name == tag)


def page_of(run_dir: Path, scenario: Scenario) -> str:
    return render(summarise(load_run(write_run(run_dir, scenario))))


def outline(text: str) -> Outline:
    found = Outline()
    found.feed(text.replace(get_plotlyjs(), ""))
    return found


def section(text: str, name: str) -> str:
    found = re.search(rf'<section id="{name}">.*?</section>', text, re.DOTALL)
    assert found is not None
    return found[0]


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    return page_of(tmp_path_factory.mktemp("page") / "run", Scenario())


def test_it_is_written_beside_the_samples(tmp_path: Path) -> None:
    run_dir = write_run(tmp_path / "run", Scenario(counts={"container": 10}))
    path = write_report(run_dir)
    assert path == run_dir / "report.html"
    assert path.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert [one.name for one in run_dir.glob("report*")] == ["report.html"]


def test_it_is_rebuilt_to_the_letter(tmp_path: Path) -> None:
    run_dir = write_run(tmp_path / "run", Scenario(counts={"container": 10, "vm": 5}))
    first = write_report(run_dir).read_bytes()
    assert write_report(run_dir).read_bytes() == first


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    run_dir = write_run(tmp_path / "run", Scenario(counts={"container": 3}))
    (run_dir / "report.html").mkdir()
    with pytest.raises(ResultsError, match=r"report\.html"):
        write_report(run_dir)
    assert not list(run_dir.glob("*.new"))


def test_plotly_is_inlined_exactly_once(page: str) -> None:
    assert page.count(get_plotlyjs()) == 1


def test_it_refers_to_nothing_outside_the_run_directory(page: str) -> None:
    found = outline(page)
    targets = {value for _, attributes in found.tags for name, value in attributes.items() if name in {"src", "href"}}
    assert {target for target in targets if target and not target.startswith("#")} == {
        "samples.csv",
        "manifest.json",
        "data:,",
    }
    assert "@import" not in page.replace(get_plotlyjs(), "")
    assert "url(" not in page.replace(get_plotlyjs(), "")


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_has_plots_words_and_a_table(page: str, name: str) -> None:
    found = outline(section(page, name))
    plots = [attributes for tag, attributes in found.tags if tag == "div" and attributes.get("class") == "plot"]
    assert plots
    assert all(attributes["role"] == "img" and attributes["aria-label"] for attributes in plots)
    assert found.count("figcaption") == 1
    assert found.count("details") == 1
    assert found.count("table") == found.count("caption") >= 1
    assert any(attributes.get("scope") == "row" for _, attributes in found.tags)


def test_identifiers_are_unique(page: str) -> None:
    identifiers = [attributes["id"] for _, attributes in outline(page).tags if "id" in attributes]
    assert len(identifiers) == len(set(identifiers))


def test_emulation_is_named_wherever_vms_are_shown(page: str) -> None:
    for name in ("startup", "memory", "definitions", "density", "teardown"):
        assert "emulated (TCG)" in section(page, name)


def test_hardware_is_not_called_emulated(tmp_path: Path) -> None:
    assert "emulated" not in " ".join(outline(page_of(tmp_path / "run", Scenario(accelerator="kvm"))).text)


@pytest.mark.parametrize(
    "scenario",
    [
        Scenario(counts={}),
        Scenario(counts={"container": 30}),
        Scenario(counts={"vm": 5}),
        Scenario(counts={"container": 1, "vm": 1}),
        Scenario(counts={"container": 10, "vm": 5}, timeouts={"container": 10, "vm": 5}),
        Scenario(counts={"container": 10}, status="running"),
        Scenario(counts={"gvisor": 5}, truths={**TRUTHS, "gvisor": TRUTHS["container"]}),
    ],
    ids=["nothing", "no VMs", "no containers", "one each", "none answered", "killed", "a stranger"],
)
def test_a_figure_shows_something_or_says_why_not(tmp_path: Path, scenario: Scenario) -> None:
    text = page_of(tmp_path / "run", scenario)
    for name in FIGURES:
        found = section(text, name)
        reason = re.search(r'<div class="missing"><p>(.+?)</p>', found)
        assert ('class="plot"' in found) != (reason is not None)


def test_a_run_cut_short_says_so(tmp_path: Path) -> None:
    text = page_of(tmp_path / "run", Scenario(counts={"container": 10}, status="interrupted", reason="by the user"))
    assert "the run is interrupted: by the user" in text


def test_what_is_left_on_the_host_is_listed(tmp_path: Path) -> None:
    text = section(page_of(tmp_path / "run", Scenario(counts={"container": 10}, clean=False)), "teardown")
    assert "The host is not as it was: 2 left by the run" in text
    assert "<code>cgroup /tare/7f3a</code>" in text


def hostile_run(run_dir: Path) -> Path:
    """A run directory in which every text that others may choose is an attack."""
    facts = manifest(Scenario(counts={"container": 3, "vm": 2}, image=HOSTILE))
    host = replace(facts.host, os=HOSTILE, cpu_model=HOSTILE, versions={HOSTILE: HOSTILE})
    limits = tuple(replace(limit, resource=f"{limit.resource} {HOSTILE}", raise_hint=HOSTILE) for limit in facts.limits)
    changed = replace(
        facts,
        host=host,
        limits=limits,
        reason=HOSTILE,
        run_id=HOSTILE,
        command=(HOSTILE,),
        certificate=CertificateFacts(clean=False, left=(HOSTILE,), foreign=(HOSTILE,)),
    )
    with RunWriter(run_dir, changed):
        pass
    return run_dir


def test_everything_from_the_run_directory_is_escaped(tmp_path: Path) -> None:
    text = render(summarise(load_run(hostile_run(tmp_path / "run"))))
    plain, found = text.replace(get_plotlyjs(), ""), outline(text)
    assert "<script>alert" not in plain
    assert "&lt;script&gt;alert" in plain
    assert "{{ 7 * 7 }}" in " ".join(found.text)
    assert not [name for _, attributes in found.tags for name in attributes if name.startswith("on")]


def test_labels_of_plots_are_escaped_for_plotly_too(tmp_path: Path) -> None:
    spec = section(render(summarise(load_run(hostile_run(tmp_path / "run")))), "density")
    carried = re.findall(r'<script type="application/json".*?</script>', spec, re.DOTALL)
    assert carried
    assert all("\\u003cscript" not in one for one in carried)
    assert any("\\u0026lt;script" in one for one in carried)
