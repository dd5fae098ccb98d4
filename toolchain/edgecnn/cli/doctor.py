"""``edgecnn doctor``: what this machine, or a device, has and lacks, each lack with its fix."""

from __future__ import annotations

from edgecnn.cli.options import (
    DeviceOption,
    IdentityOption,
    JsonOption,
    KnownHostsOption,
    PrefixOption,
)


def doctor(
    device: DeviceOption = None,
    prefix: PrefixOption = None,
    identity: IdentityOption = None,
    known_hosts: KnownHostsOption = None,
    json_output: JsonOption = False,
) -> None:
    """Check Python, packages, runtimes, processor, data and disk on this machine.

    With --device, check the device instead: processor, Python, C library, runtimes, installed
    models and their files, rights, disk, systemd and cameras. Nothing on it is changed.

    Exits 30 when something has to be fixed before the toolchain, or a model on the device, can
    work.

    Example: edgecnn doctor
    """
    from edgecnn.cli.render import exit_for, out_console, print_json
    from edgecnn.cli.tables import checks_table
    from edgecnn.commands.doctor import DOCTOR_SCHEMA, check_machine, exit_error
    from edgecnn.devices import choose_device

    options = choose_device(device, identity=identity, known_hosts=known_hosts, prefix=prefix)
    if options is None:
        checks = check_machine()
    else:
        from edgecnn.commands.doctor_device import check_device

        checks = check_device(options)
    if json_output:
        print_json({"schema": DOCTOR_SCHEMA, "checks": [check.to_dict() for check in checks]})
    else:
        out_console().print(checks_table(checks))
    exit_for(exit_error(checks))
