"""Other people's firewalls that drop what they do not know: dockerd's and ufw's FORWARD chains (policy drop).

Packets pass every table's forward chain, and one drop is final, so a network behind such a policy would reach nothing.
At the *end* of each such chain go two rules with our comment, which accept what comes from or goes to our bridges: they
come after every rule of the chain's owner and change only what the owner left to the policy. What our own table drops
stays dropped. The rules are ones that iptables-nft can show (``-i tareb+``), because others would make it refuse the
whole table. They are deleted, by their comment, with the last network.

Not reached: iptables-legacy, which nftables does not see, and firewalld, which ends its chain with a reject.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runtime.network import nft

if TYPE_CHECKING:
    from collections.abc import Iterator

_FAMILIES = ("ip", "ip6", "inet")
_BRIDGES = '"tareb*"'


def accept(comment: str) -> None:
    """Add the rules where they are needed and missing."""
    chains = [item["chain"] for item in nft.listing("chains") if "chain" in item]
    for chain in chains:
        if _drops(chain) and not any(_ours(chain, comment)):
            place = f"{chain['family']} {chain['table']} {chain['name']}"
            rules = (f'add rule {place} {way} {_BRIDGES} accept comment "{comment}"' for way in ("iifname", "oifname"))
            nft.change("\n".join(rules))


def withdraw(comment: str) -> None:
    """Delete the rules with this comment. Idempotent."""
    chains = [item["chain"] for item in nft.listing("chains") if "chain" in item]
    for chain in (chain for chain in chains if _drops(chain)):
        place = f"{chain['family']} {chain['table']} {chain['name']}"
        nft.change("\n".join(f"delete rule {place} handle {handle}" for handle in _ours(chain, comment)))


def _drops(chain: dict[str, Any]) -> bool:
    forward = chain.get("hook") == "forward" and chain.get("policy") == "drop"
    return forward and chain["family"] in _FAMILIES and not chain["table"].startswith("tare")


def _ours(chain: dict[str, Any], comment: str) -> Iterator[int]:
    for item in nft.listing(f"chain {chain['family']} {chain['table']} {chain['name']}"):
        if item.get("rule", {}).get("comment") == comment:
            yield item["rule"]["handle"]
