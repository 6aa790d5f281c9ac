import Foundation
package import MusterCore

package enum TestFolder {
    /// Makes a folder of a test's own, with a short path: sockets lie in it. Whoever asks for it removes it.
    ///
    /// - Parameter name: what it is for, as a part of its name.
    package static func make(_ name: String) throws(StepError) -> String {
        var template = Array("/tmp/muster-\(name)-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw StepError(.file, "no folder can be made in /tmp") }
        return template.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
    }
}
