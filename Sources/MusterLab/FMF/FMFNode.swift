/// A node of a tree with all that it inherits and, where a context was given, what its rules adjust.
package struct FMFNode: Sendable {
    /// From the root: `/tests/smoke/quick`.
    package let name: String
    /// What it inherits and says itself, adjusted to the tree's context.
    package let data: FMFMap
    /// The files that it is made from, relative to the tree's root: those of its parents first, its own last.
    package let sources: [String]
    /// Whether it stands for a test or a plan: it has no children, or a directive says so.
    package let isSelected: Bool
    /// Its data before any rule of `adjust` was applied.
    let inherited: FMFMap

    /// The folder of its last file, relative to the tree's root, which is the empty path: where its test runs.
    /// Nil when no file speaks of it, as of a node without inheritance in its parent's file.
    package var workingDirectory: String? {
        guard let source = sources.last else { return nil }
        return source.lastIndex(of: "/").map { String(source[..<$0]) } ?? ""
    }

    /// The value of a key.
    package subscript(key: String) -> FMFValue? { data[key] }
}

/// A place in a file of a tree, for people.
package struct FMFLocation: Hashable, Sendable {
    /// Relative to the tree's root.
    package var file: String
    /// From 1.
    package var line: Int
    /// Unicode scalars from 1.
    package var column: Int

    /// `tests/main.fmf:3`.
    package var description: String { "\(file):\(line)" }
}
