/// Packages of a system that tests want to be there before they run.
package struct PackageNeeds: Hashable, Sendable, Codable {
    /// Without these nothing that needs them runs.
    package var require: [String]
    /// These are installed where that is possible.
    package var recommend: [String]

    package init(require: [String] = [], recommend: [String] = []) {
        self.require = require
        self.recommend = recommend
    }

    package var isEmpty: Bool { require.isEmpty && recommend.isEmpty }

    /// A name of a file for this set, whatever its order: FNV-1a of 64 bits.
    package var key: String {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for name in Set(require).sorted() + [""] + Set(recommend).sorted() {
            for byte in name.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
            hash = hash &* 0x100_0000_01b3
        }
        return String(hash, radix: 16)
    }

    /// What `PackageProgram` is given: a file that says that these were seen to, `-` for none, and the packages.
    package func arguments(stamp: String = "-") -> [String] {
        [stamp, "\(require.count)"] + require + recommend
    }

    /// The same as one command of a shell that needs nothing besides.
    package var command: String {
        let words = ["sh", "-c", PackageProgram.text, PackageProgram.name] + arguments()
        return words.map(Template.shellQuoted).joined(separator: " ")
    }
}
