"""Deploy: a bundle checked here, copied to a device, installed, tested there, or taken back.

``run`` is the entry point. The switch of releases is the bundle's own ``install.sh``.
"""

from edgecnn.install.stage import DeployRequest, DeployResult, run

__all__ = ["DeployRequest", "DeployResult", "run"]
