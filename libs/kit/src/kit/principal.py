"""Who is calling. `kit.identity` makes one from a token."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Principal:
    """A verified caller."""

    subject: str
    tenant: str
    groups: tuple[str, ...] = field(default=())

    @property
    def access_entries(self) -> list[str]:
        """The entries of an access list that let this principal read: tenant, group:G, user:U."""
        return ["tenant", *(f"group:{group}" for group in self.groups), f"user:{self.subject}"]
