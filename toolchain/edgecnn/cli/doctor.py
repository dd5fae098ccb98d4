"""``edgecnn doctor``: what this machine has and lacks, each lack with its fix."""

from __future__ import annotations

from edgecnn.cli.options import JsonOption

__all__ = ["doctor"]


def doctor(json_output: JsonOption = False) -> None:
    """Check Python, packages, runtimes, processor, data and disk on this machine.

    Exits 30 when something has to be fixed before the toolchain can work.

    Example: edgecnn doctor
    """
    from edgecnn.cli.render import exit_for, out_console, print_json
    from edgecnn.cli.tables import checks_table
    from edgecnn.health import check_machine, exit_error

    checks = check_machine()
    if json_output:
        print_json([check.to_dict() for check in checks])
    else:
        out_console().print(checks_table(checks))
    exit_for(exit_error(checks))
