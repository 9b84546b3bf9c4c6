"""The index of the attacks is complete, and names what is there."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.integration.security.attacks import ATTACKS, Attack

HERE = Path(__file__).parent
REQUIRED = {"CVE-2019-5736", "CVE-2024-21626", "CVE-2021-30465", "CVE-2019-19921", "CVE-2023-27561", "CVE-2022-0492",
            "CVE-2025-31133", "CVE-2025-52565", "CVE-2025-52881"}  # fmt: skip


def functions_of(module: str) -> set[str]:
    tree = ast.parse((HERE / f"{module}.py").read_text())
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.identity)
def test_an_attack_has_its_witness(attack: Attack) -> None:
    assert attack.witness in functions_of(attack.module)


def test_every_module_is_of_an_attack_and_every_known_escape_is_there() -> None:
    modules = {path.stem for path in HERE.glob("test_*.py")} - {Path(__file__).stem}
    assert {attack.module for attack in ATTACKS} == modules
    assert {attack.identity for attack in ATTACKS} >= REQUIRED


@pytest.mark.parametrize("identity", sorted(identity for identity in REQUIRED))
def test_a_module_says_which_escape_it_is_about(identity: str) -> None:
    (module, *_) = [attack.module for attack in ATTACKS if attack.identity == identity]
    assert identity in (ast.get_docstring(ast.parse((HERE / f"{module}.py").read_text())) or "") or any(
        identity in (HERE / f"{attack.module}.py").read_text() for attack in ATTACKS
    )
