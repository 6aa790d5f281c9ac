import Foundation

/// Programs of the machine that some tests need.
public enum TestProgram {
    /// Whether nothing that a test needs may be missing: so it is where `MUSTER_TEST_REQUIRE_ALL` is 1, as in CI.
    public static let mustBeThere = environment("MUSTER_TEST_REQUIRE_ALL") == "1"

    /// The first file of this name in `PATH` that can be run; nil when there is none.
    public static func path(of name: String) -> String? {
        environment("PATH").split(separator: ":").map { "\($0)/\(name)" }
            .first { FileManager.default.isExecutableFile(atPath: $0) }
    }

    /// Whether the tests that need this program are run: where nothing may be missing they are, and fail without it.
    public static func isExpected(_ name: String) -> Bool { mustBeThere || path(of: name) != nil }

    private static func environment(_ name: String) -> String { getenv(name).map { String(cString: $0) } ?? "" }
}
