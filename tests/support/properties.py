"""How property tests run here: without a clock, since the machine may be busy, and with as many examples as a quick suite bears."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

settings.register_profile("keyturn", deadline=None, max_examples=100, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("keyturn")
