import MusterCLI

/// The command `muster`, for a program that decides about runs of tests in its own way.
///
/// ```swift
/// @main struct OwnMuster {
///     static func main() async {
///         await Muster.main(policies: TestPolicies(order: SlowestFirst()))
///     }
/// }
/// ```
///
/// All verbs are there, and do what they do in `muster`. `muster-supervise` has to lie beside the program.
public enum Muster {
    /// Does what the program's arguments say, and ends the process with the verb's exit code.
    ///
    /// - Parameter policies: decide about all runs of tests that this process performs, those too that another one has
    ///   begun and was killed over. Each performing command on a state is to have the same, as the next one goes on
    ///   where the last one ended.
    public static func main(policies: TestPolicies = TestPolicies()) async -> Never {
        await CommandLineTool.main(policies: policies.decided)
    }
}
