"""What the role of a client allows: one more hook plugin, asked before each command."""

from __future__ import annotations

from circus_core.access.identity import Identity
from circus_core.hookspecs import ALLOWED, Verdict, hookimpl

__all__ = ["Roles"]


class Roles:
    """Lets who may only look have the commands that only look."""

    @hookimpl
    def authorize(self, identity: Identity, access: str) -> Verdict:
        """Deny what changes something, or tells a secret, to the role `read`."""
        if identity.role == "full" or access == "read":
            return ALLOWED
        return Verdict(allowed=False, by="its role is 'read', which may look and change nothing")
