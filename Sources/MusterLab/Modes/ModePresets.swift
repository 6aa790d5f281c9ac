package import MusterCore

/// The mode tables that come with Muster.
package enum ModePresets {
    package static let names = ["container", "linux", "linux-pxe", "ironic"]

    /// The file of a preset, as it would be written.
    package static func text(_ name: String) -> String? {
        switch name {
        case "container": container
        case "linux": linux
        case "linux-pxe": linuxPXE
        case "ironic": ironic
        default: nil
        }
    }

    package static func source(_ name: String) throws(LabError) -> ModeSource {
        guard let text = text(name) else {
            let hint = "presets are \(names.joined(separator: ", "))"
            throw LabError([Diagnostic(file: name, message: "there is no such preset", hint: hint)])
        }
        return try ModesParser.parse(text: text, file: name)
    }

    package static func table(_ name: String) throws(LabError) -> ModeTable { ModeTable(try source(name).set) }

    /// A container, or a process of this host: it is up as soon as it says so, and ends at once.
    static let container = """
        muster-modes: 1
        defaults:
          invalid: accept-and-report
          triggers-on-reentry: false
          ready: [ISUP]
          failed: [FAILED, LOST]
          reboot-from: [ISUP, SHUTDOWN, FAILED, LOST]
          triggers:
            ISUP: [RESET]
        modes:
          CONTAINER:
            transitions:
              SHUTDOWN: { SHUTDOWN: Retry, BOOTING: Start }
              BOOTING: { ISUP: BootDone, SHUTDOWN: Error, FAILED: BootFail }
              ISUP: { ISUP: Retry, SHUTDOWN: Stop, BOOTING: Restart }
              FAILED: { SHUTDOWN: Stop, BOOTING: Restart }
              LOST: { SHUTDOWN: Stop, BOOTING: Restart, ISUP: Found }
              "*": { LOST: Lost }
            timeouts:
              BOOTING: { after: 1m, do: reboot }
        commands:
          reboot:
            expect: [SHUTDOWN, BOOTING]
            rungs:
              - soft: { within: 10s }
              - hard: { within: 10s, attempts: 2 }
          poweroff:
            expect: [SHUTDOWN]
            leaves-down: true
            rungs:
              - power-off: { within: 10s, attempts: 2 }
          poweron:
            expect: [SHUTDOWN, BOOTING]
            rungs:
              - power-on: { within: 10s, attempts: 2 }
          powercycle:
            expect: [SHUTDOWN, BOOTING]
            rungs:
              - power-cycle: { within: 10s, attempts: 2 }

        """

    /// A machine with Linux that boots from its disk.
    static let linux = """
        muster-modes: 1
        defaults:
          invalid: accept-and-report
          triggers-on-reentry: false
          ready: [ISUP]
          failed: [FAILED, LOST]
          reboot-from: [ISUP, FAILED, LOST, POWEROFF]
          triggers:
            ISUP: [RESET]
            BOOTING: [BOOTING, CHECKGENISUP]
        modes:
          LINUX:
            transitions:
              SHUTDOWN: { SHUTDOWN: Retry, BOOTING: Boot, POWEROFF: Off }
              BOOTING: { BOOTING: Retry, SETUP: BootOK, ISUP: BootDone, SHUTDOWN: Error }
              SETUP: { SETUP: LongSetup, ISUP: BootDone, SHUTDOWN: Error, FAILED: BootFail }
              ISUP: { ISUP: Retry, SHUTDOWN: Reboot, BOOTING: SilentReboot, RECONFIG: Reconfigure }
              RECONFIG: { ISUP: Done, SETUP: Again, SHUTDOWN: Error }
              FAILED: { SHUTDOWN: RebootAfterFail, BOOTING: RebootAfterFail }
              POWEROFF: { SHUTDOWN: PowerOn, BOOTING: PowerOn }
              LOST: { SHUTDOWN: Reboot, BOOTING: Reboot, ISUP: Found }
              "*": { POWEROFF: PowerOff, LOST: Lost }
            timeouts:
              SHUTDOWN: { after: 2m, do: reboot }
              BOOTING: { after: 3m, do: reboot }
              SETUP: { after: 10m, do: notify }
              RECONFIG: { after: 10m, do: notify }
        commands:
          reboot:
            expect: [SHUTDOWN, BOOTING]
            rungs:
              - power-on: { within: 1m, attempts: 2, from: [POWEROFF] }
              - soft: { within: 75s, attempts: 2, from: [ISUP, SETUP, RECONFIG, FAILED, BOOTING] }
              - hard: { within: 30s, from: [ISUP, SETUP, RECONFIG, FAILED, BOOTING, LOST] }
              - power-cycle: { within: 1m, attempts: 2 }
          poweroff:
            expect: [POWEROFF, SHUTDOWN]
            leaves-down: true
            rungs:
              - power-off: { within: 30s, attempts: 2 }
          poweron:
            expect: [SHUTDOWN, BOOTING]
            rungs:
              - power-on: { within: 1m, attempts: 2 }
          powercycle:
            expect: [SHUTDOWN, BOOTING]
            rungs:
              - power-cycle: { within: 1m, attempts: 2 }

        """

    /// A machine with Linux that asks the network what to boot, and whose disk can be written anew.
    static let linuxPXE = """
        muster-modes: 1
        extends: linux
        netboot-mode: NETBOOT
        forced-modes: [INSTALL]
        defaults:
          failed: [FAILED, LOST, INSTALLFAILED]
          triggers:
            PXEBOOTING: [PXEBOOT]
        modes:
          LINUX:
            transitions:
              SHUTDOWN: { SHUTDOWN: Retry, PXEBOOTING: DHCP, BOOTING: Boot, POWEROFF: Off }
              PXEBOOTING: { PXEBOOTING: Retry, BOOTING: BootInfo }
              ISUP: { ISUP: Retry, SHUTDOWN: Reboot, PXEBOOTING: KernelChange, BOOTING: SilentReboot, RECONFIG: Reconfigure }
            moves:
              SHUTDOWN: { INSTALL: SHUTDOWN }
          NETBOOT:
            transitions:
              SHUTDOWN: { PXEBOOTING: BootInfo }
              PXEBOOTING: { PXEBOOTING: Retry, PXEWAIT: Free, BOOTING: NotFree }
              PXEWAIT: { PXEBOOTING: Retry, PXEWAKEUP: Allocated, POWEROFF: PowerSave }
              PXEWAKEUP: { PXEWAKEUP: Retry, PXEBOOTING: WokenUp }
              POWEROFF: { SHUTDOWN: PowerOn }
              BOOTING: { SHUTDOWN: Error }
              "*": { LOST: Lost, SHUTDOWN: Reboot }
              LOST: { PXEBOOTING: Found }
            timeouts:
              PXEWAKEUP: { after: 20s, do: reboot, by: [wake, wake, power-cycle] }
          INSTALL:
            transitions:
              SHUTDOWN: { SHUTDOWN: Retry, PXEBOOTING: DHCP, BOOTING: DHCP }
              PXEBOOTING: { BOOTING: BootInfo }
              BOOTING: { BOOTING: Retry, INSTALLSETUP: BootOK, SHUTDOWN: Error }
              INSTALLSETUP: { INSTALLING: Ready, INSTALLFAILED: Error, SHUTDOWN: Error }
              INSTALLING: { INSTALLED: Done, INSTALLFAILED: Error, SHUTDOWN: Error }
              INSTALLED: { SHUTDOWN: Reboot }
              INSTALLFAILED: { SHUTDOWN: Reboot }
              ISUP: { SHUTDOWN: Reboot }
              LOST: { SHUTDOWN: Reboot, BOOTING: Reboot }
              "*": { LOST: Lost, ISUP: FellOff }
            timeouts:
              SHUTDOWN: { after: 2m, do: reboot }
              BOOTING: { after: 3m, do: reboot }
              INSTALLSETUP: { after: 1m, state: INSTALLFAILED }
              INSTALLING: { after: 10m, do: notify }
            triggers:
              INSTALLED: [RESET, RELOADDONE]
              ISUP: [REBOOT]
            moves:
              SHUTDOWN: { LINUX: SHUTDOWN }
              INSTALLED: { LINUX: SHUTDOWN }
        commands:
          reboot:
            expect: [SHUTDOWN, BOOTING, PXEBOOTING]
            rungs:
              - power-on: { within: 1m, attempts: 2, from: [POWEROFF] }
              - wake: { within: 20s, attempts: 2, from: [PXEWAIT, PXEWAKEUP], expect: [PXEBOOTING] }
              - soft: { within: 75s, attempts: 2, from: [ISUP, SETUP, RECONFIG, FAILED, BOOTING] }
              - hard: { within: 30s, from: [ISUP, SETUP, RECONFIG, FAILED, BOOTING, LOST] }
              - power-cycle: { within: 1m, attempts: 2 }

        """
}
