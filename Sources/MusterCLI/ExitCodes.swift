/// How `muster` ends (`CONTRACT.md`, "The command line").
enum ExitCodes {
    static let passed: Int32 = 0
    static let testsFailed: Int32 = 1
    /// Usage or configuration; nothing was started. Also a corrupt or newer database.
    static let usage: Int32 = 2
    /// Machines or infrastructure failed; also a full disk.
    static let infrastructure: Int32 = 3
    /// A lock, a reservation or a wait was not obtained; also groups in use.
    static let notObtained: Int32 = 4
    /// Paused; needs a person.
    static let paused: Int32 = 5
    static let flaky: Int32 = 6
    /// Muster itself failed where the command's own status is given otherwise.
    static let execFailed: Int32 = 125
    static let interrupted: Int32 = 130
}

/// Ends the program with a message.
struct CLIError: Error {
    let message: String
    let exitCode: Int32
    init(_ message: String, exitCode: Int32 = ExitCodes.usage) {
        self.message = message
        self.exitCode = exitCode
    }
}

/// Ends the program after a verb has said all there is to say.
struct RunEnd: Error {
    let exitCode: Int32
}
