r"""``tz_nudge.yml``: how far a point that geometry leaves undecided is moved, once.

The law (specification 2.2): exactly ``semver``, ``epsilon_degrees > 0`` and
``sha256_digest``, which is the SHA-256 of the UTF-8 text
``semver=<semver>\nepsilon_degrees=<decimal as written, fixed point>\n``.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from civiltime.errors import Invalid
from civiltime.policy.document import read_policy
from civiltime.workspace.digest import sha256_bytes

METRES_PER_DEGREE = 111_319.49079327358
"""One degree of longitude on the equator of WGS 84: pi / 180 x 6,378,137 m."""


@dataclass(frozen=True)
class Nudge:
    """The policy: its version and its step in degrees north and east."""

    semver: str
    epsilon_degrees: float

    @property
    def epsilon_m(self) -> float:
        """The step's length in metres, at most: along the diagonal, on the equator."""
        return self.epsilon_degrees * METRES_PER_DEGREE * 2**0.5


def nudge_digest(semver: str, epsilon: Decimal) -> str:
    """The digest that the policy carries of itself."""
    return sha256_bytes(f"semver={semver}\nepsilon_degrees={epsilon:f}\n".encode())


def parse_nudge(raw: bytes) -> Nudge:
    """The policy, or :class:`Invalid` with what is wrong and on which line."""
    document = read_policy(raw, "tz_nudge", "tz_nudge.yml")
    semver, epsilon = document.data["semver"], Decimal(document.data["epsilon_degrees"])
    expected = nudge_digest(semver, epsilon)
    if document.data["sha256_digest"] != expected:
        raise Invalid(
            f"{document.where(('sha256_digest',))}: the digest doesn't match the other two "
            f"fields; if you meant to change them, write {expected}",
            expected=expected,
        )
    if not 0 < float(epsilon) <= 1:
        raise Invalid(
            f"{document.where(('epsilon_degrees',))}: {epsilon:f} is not within (0, 1] degrees"
        )
    return Nudge(semver, float(epsilon))
