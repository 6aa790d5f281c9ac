import Foundation
import MusterCore
import MusterTestKit
import Testing

@testable import MusterEngine

/// tmt's checks around tests, by the shells of this host and programs that stand in for the system's.
@Suite struct FrameCheckTests: FrameHouse {
    let folder: String
    var frame: TestFrame

    init() throws {
        folder = try Self.folder()
        frame = TestFrame(tree: folder, directory: "")
        // What the kernel says; without it the log cannot be read.
        try put("fakes/dmesg", "#!/bin/sh\ncat \"${0%/*}/../kernel\"\n")
    }

    // MARK: The kernel's log

    /// What is said of the kernel's log after a test that the kernel tells something of.
    private mutating func check(_ rule: TestFrame.CheckRule, says: String, command: String = "true") throws -> String {
        frame.dmesg = rule
        try write("kernel", "[ 1.0] old segfault at 0\n[ 2.0] up\n")
        let end = try run("cat >>kernel <<'END'\n\(says)END\n\(command)")
        #expect(end.status == 0, "\(end.output)")
        return end.control.split(separator: "\n", maxSplits: 1).last.map(String.init) ?? ""
    }

    @Test mutating func aCrashThatTheKernelTellsOfIsAFailedPart() throws {
        defer { done() }
        let crash = "[ 3.0] sh[1]: segfault at \"0\"\n"
        #expect(try check(.respect, says: "") == #"{"status":"pass","name":"check/dmesg"}"#)
        #expect(
            try check(.respect, says: crash) == #"{"status":"fail","name":"check/dmesg","note":"[ 3.0] sh[1]: segfault"#
                + #" at \"0\"","files":[{"name":"dmesg.txt","length":\#(crash.utf8.count)}]}"# + crash
        )
        #expect(try check(.respect, says: "[ 3.0] fine\n").hasPrefix(#"{"status":"pass""#))
        #expect(try check(.respect, says: "[ 3.0] Call Trace:\n").hasPrefix(#"{"status":"fail""#))
        #expect(try check(.xfail, says: crash).hasPrefix(#"{"status":"pass""#))
        #expect(
            try check(.xfail, says: "").hasPrefix(#"{"status":"fail","name":"check/dmesg","note":"the kernel told"#)
        )
        #expect(try check(.info, says: crash).hasPrefix(#"{"status":"info""#))
        // The ring has gone around: what stood before is not there any more.
        #expect(try check(.respect, says: "", command: "echo '[ 9.0] a segfault b' >kernel").contains(#""fail""#))
    }

    @Test mutating func whereTheLogCannotBeReadTheCheckIsSkipped() throws {
        defer { done() }
        frame.dmesg = .respect
        let end = try run("exit 5")
        #expect(end.status == 5)
        #expect(end.control.hasSuffix(#""note":"dmesg cannot be read here: it needs root"}"#))
        try write("kernel", "")
        #expect(try run("kill -SEGV $$").signal == 11, "the end of the test is told as it was")
    }

    // MARK: SELinux

    /// An audit log as `ausearch` tells it: from the second that it is asked for.
    private func auditLog() throws {
        try put("fakes/selinuxenabled", "#!/bin/sh\n")
        try put(
            "fakes/ausearch",
            #"""
            #!/bin/sh
            printf '%s\n' "$*" >>"${0%/*}/../asked"
            [ -s audit ] || { echo '<no matches>' >&2; exit 1; }
            cat audit
            """#
        )
    }

    @Test mutating func whatIsDeniedIsAFailedPart() throws {
        defer { done() }
        try auditLog()
        frame.avc = .respect
        #expect(try run("exit 3").control.hasSuffix(#"{"status":"pass","name":"check/avc"}"#))
        let asked = try String(contentsOfFile: "\(folder)/asked", encoding: .utf8)
        let since = try #require(
            asked.split(separator: " -ts ").last,
            "-i --input-logs -m AVC -m USER_AVC -m SELINUX_ERR -ts 03/09/26 10:11:12"
        )
        #expect(asked.hasPrefix("-i --input-logs -m AVC -m USER_AVC -m SELINUX_ERR -ts "), "\(asked)")
        #expect(since.map { $0.isNumber ? "0" : String($0) }.joined() == "00/00/00 00:00:00\n")
        let denial = "----\ntype=AVC msg=audit: avc:  denied  { read } for \"a\"\n"
        let end = try run("printf '%s' '\(denial)' >audit")
        #expect(
            end.control.hasSuffix(
                #"{"status":"fail","name":"check/avc","note":"type=AVC msg=audit: avc:  denied  { read } for \"a\"","#
                    + #""files":[{"name":"avc.txt","length":\#(denial.utf8.count)}]}"# + denial
            ),
            "\(end.control)"
        )
        frame.avc = .xfail
        #expect(try run("true").control.contains(#""status":"pass""#))
        try write("audit", "")
        #expect(try run("true").control.hasSuffix(#""note":"SELinux denied nothing, and one is expected"}"#))
        try put("fakes/ausearch", "#!/bin/sh\necho 'Error opening config file (Permission denied)' >&2\nexit 1\n")
        #expect(try run("true").control.contains(#""note":"ausearch cannot read the audit log: it needs root"}"#))
    }

    @Test(.enabled(if: TestProgram.path(of: "ausearch") == nil))
    mutating func withoutAnAuditLogTheKernelIsAsked() throws {
        defer { done() }
        try put("fakes/selinuxenabled", "#!/bin/sh\n")
        frame.avc = .respect
        try write("kernel", "[ 1.0] audit: type=1400 audit(1): avc:  denied  { old }\n")
        let end = try run("printf '[ 2.0] up\\n[ 3.0] audit: avc:  denied  { new }\\n' >>kernel")
        #expect(
            end.control.hasSuffix(
                #""note":"[ 3.0] audit: avc:  denied  { new }","files":[{"name":"avc.txt","length":36}]}"#
                    + "[ 3.0] audit: avc:  denied  { new }\n"
            ),
            "\(end.control)"
        )
        #expect(try run("echo '[ 4.0] fine' >>kernel").control.hasSuffix(#"{"status":"pass","name":"check/avc"}"#))
        try FileManager.default.removeItem(atPath: "\(folder)/kernel")
        #expect(try run("true").control.contains(#""note":"there is no ausearch here, and dmesg cannot be read"#))
        try put("fakes/selinuxenabled", "#!/bin/sh\nexit 1\n")
        guard !FileManager.default.fileExists(atPath: "/sys/fs/selinux/enforce") else { return }
        #expect(
            try run("true").control.hasSuffix(#""status":"skip","name":"check/avc","note":"there is no SELinux here"}"#)
        )
    }

    // MARK: Core dumps

    @Test mutating func coreDumpsAreAFailedPart() throws {
        defer { done() }
        frame.coredump = .respect
        frame.dmesg = .respect
        try write("kernel", "")
        try put("fakes/sysctl", "#!/bin/sh\necho '|/usr/lib/systemd/systemd-coredump %P'\n")
        try put(
            "fakes/coredumpctl",
            #"""
            #!/bin/sh
            case $* in *"--since @1"[0-9]*) ;; *) exit 9 ;; esac
            [ -s dumps ] || { echo 'No coredumps found.' >&2; exit 1; }
            [ "$1" = list ] && cat dumps || echo "info of $(cat dumps)"
            """#
        )
        #expect(
            try run("true").control.hasSuffix(
                #"{"status":"pass","name":"check/dmesg"}result 41"# + "\n"
                    + #"{"status":"pass","name":"check/coredump"}"#
            )
        )
        let end = try run("echo 'Mon 7 sh SIGSEGV' >dumps; exit 4")
        #expect(end.status == 4)
        #expect(
            end.control.hasSuffix(
                #""note":"Mon 7 sh SIGSEGV","files":[{"name":"coredump.txt","length":25}]}info of Mon 7 sh SIGSEGV"#
                    + "\n"
            ),
            "\(end.control)"
        )
        try put("fakes/sysctl", "#!/bin/sh\necho core\n")
        #expect(try run("true").control.contains(#""note":"core dumps are not kept by systemd here"}"#))
    }
}
