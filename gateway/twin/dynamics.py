"""What a motor can do with a load: forces to accelerations and back, for straight and turning axes; pure.

Newton's second law with Coulomb friction, resistance proportional to speed, and gravity along the axis:
``F = m a + sign(v) Ff + b v + m g sin(tilt)``. A turning axis is the same with inertia and torques, and
carries its load balanced. SI units (m or rad); ``gateway.twin.drives`` converts from mm and deg.
"""

from __future__ import annotations

import math

import msgspec

from gateway.twin.motion import Limits

GRAVITY = 9.81  # m/s2


class Load(msgspec.Struct, frozen=True):
    """What the motor moves: ``mass`` kg (kg.m2), ``friction`` N (N.m), ``resistance`` N.s/m (N.m.s/rad).

    ``tilt`` is the slope of the axis in rad: 0 level, pi/2 upwards.
    """

    mass: float
    friction: float = 0.0
    resistance: float = 0.0
    tilt: float = 0.0

    @property
    def pull(self) -> float:
        """The acceleration that gravity alone gives it, m/s2 (rad/s2); negative where forwards is up."""
        return -GRAVITY * math.sin(self.tilt)

    def force(self, speed: float, acceleration: float) -> float:
        """What the motor gives at this ``speed`` and ``acceleration``; at rest it holds the weight."""
        direction = speed or acceleration
        dry = math.copysign(self.friction, direction) if direction else 0.0
        return self.mass * (acceleration - self.pull) + dry + self.resistance * speed

    def limits(self, motor: float, speed: float) -> Limits | None:
        """What a motor of ``motor`` N (N.m) can do up to ``speed``; None if it cannot move the load.

        Gaining speed it works against friction and resistance, losing it these help; gravity helps one way.
        Counted at full speed, where the resistance is the most to gain speed against, and at rest, where it
        helps the least to lose it: so no leg of a move asks for more than the motor has.
        """
        gaining = motor - self.friction - self.resistance * speed
        braking = motor + self.friction
        weight = -self.mass * self.pull
        forces = (gaining - weight, braking + weight, gaining + weight, braking - weight)
        if min(forces) <= 0:
            return None
        return Limits(*(force / self.mass for force in forces))


def at_most(limits: Limits, acceleration: float) -> Limits:
    """``limits``, and no more than ``acceleration``."""
    return Limits(
        min(limits.forwards, acceleration),
        min(limits.forwards_braking, acceleration),
        min(limits.backwards, acceleration),
        min(limits.backwards_braking, acceleration),
    )
