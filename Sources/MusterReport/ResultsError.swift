/// Why results could not be written: what, where, and what to do about it.
package struct ResultsError: Error, Hashable, Sendable, CustomStringConvertible {
    package enum Code: String, Hashable, Sendable {
        /// A folder or file of the results cannot be made or written.
        case notWritten = "not-written"
        /// A file of an attempt cannot be taken over.
        case notTaken = "not-taken"
        /// Something that Muster did not make stands in the way.
        case inTheWay = "in-the-way"
    }

    package let code: Code
    package let path: String
    /// `errno`, or 0 where no system call failed.
    package let errno: Int32
    package let message: String

    package var description: String { message }
}
