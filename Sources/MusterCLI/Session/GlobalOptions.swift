import ArgumentParser
import Foundation
import MusterEngine

/// Options that every verb has.
struct CommonOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Where the state is kept; MUSTER_STATE sets it too (default: .muster beside the lab).",
            valueName: "dir"
        )
    )
    var state: String?

    @Flag(help: "One JSON object, or one a line, for programs.") var json = false
    @Flag(name: .shortAndLong, help: "Only errors and the summary.") var quiet = false
    @Flag(name: .shortAndLong, help: "Say more.") var verbose = false
    @Flag(name: .customLong("no-color"), help: "No colours; NO_COLOR sets it too.") var noColor = false
}

/// The options of a verb, with its lab file.
protocol VerbOptions: Sendable {
    /// The lab file as the user named it; nil when not named.
    var file: String? { get }
    var common: CommonOptions { get }
}

struct GlobalOptions: ParsableArguments, VerbOptions {
    @Option(name: [.customShort("f"), .customLong("file")], help: ArgumentHelp("The lab file.", valueName: "lab.yaml"))
    var file: String?
    @OptionGroup var common: CommonOptions
}

/// For verbs in which `-f` means to follow what comes.
struct StreamOptions: ParsableArguments, VerbOptions {
    @Flag(name: [.customShort("f"), .customLong("follow")], help: "Follow what comes.") var follow = false
    @Option(name: .customLong("file"), help: ArgumentHelp("The lab file.", valueName: "lab.yaml")) var file: String?
    @OptionGroup var common: CommonOptions
}

extension VerbOptions {
    var json: Bool { common.json }
    var quiet: Bool { common.quiet }
    var verbose: Bool { common.verbose }
    var noColor: Bool { common.noColor }

    /// The lab file as the user named it, or the usual one.
    var labFile: String { file ?? "lab.yaml" }
    var labPath: String { Paths.absolute(labFile) }
    var labDirectory: String { (labPath as NSString).deletingLastPathComponent }

    var stateDirectory: StateDirectory {
        if let state = common.state { return StateDirectory(path: Paths.absolute(state)) }
        if let named = Environment.value("MUSTER_STATE"), !named.isEmpty {
            return StateDirectory(path: Paths.absolute(named))
        }
        return StateDirectory(path: labDirectory + "/.muster")
    }
}

enum Paths {
    /// Relative paths mean the folder in which the program was started.
    static func absolute(_ path: String) -> String {
        let whole = path.hasPrefix("/") ? path : FileManager.default.currentDirectoryPath + "/" + path
        return URL(fileURLWithPath: whole).standardized.path
    }

    /// A path as people would type it here: relative when it lies below.
    static func short(_ path: String) -> String {
        let current = FileManager.default.currentDirectoryPath + "/"
        return path.hasPrefix(current) ? String(path.dropFirst(current.count)) : path
    }
}

/// The process' environment: read here and nowhere below.
enum Environment {
    static func value(_ name: String) -> String? { ProcessInfo.processInfo.environment[name] }
    static var all: [String: String] { ProcessInfo.processInfo.environment }

    /// What commands on nodes get of it; everything else a lab asks for by `${env.X}`.
    static var forCommands: [String: String] {
        let names: Set = ["PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LANGUAGE", "TZ", "TMPDIR"]
        var passed = all.filter { names.contains($0.key) || $0.key.hasPrefix("LC_") }
        if passed["PATH"] == nil { passed["PATH"] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" }
        return passed
    }

    /// What programs get besides that configure nodes from this host.
    static var ofHost: [String: String] {
        all.filter { $0.key.hasPrefix("ANSIBLE_") || $0.key == "SSH_AUTH_SOCK" }
    }

    /// Who is logged in, for people.
    static var user: String { value("USER") ?? value("LOGNAME") ?? "uid-\(getuid())" }

    /// The user's own shell.
    static var shell: String {
        guard let shell = value("SHELL"), shell.hasPrefix("/"), access(shell, X_OK) == 0 else { return "/bin/sh" }
        return shell
    }

    /// The user's own folder for sockets, with a short path; whoever uses it makes it.
    static var runtimeFolder: String { value("XDG_RUNTIME_DIR").map { $0 + "/muster" } ?? "/tmp/muster-\(getuid())" }

    /// All secrets that are there, to be masked wherever they might be shown.
    static var secretValues: [String] {
        let prefix = "MUSTER_SECRET_"
        return all.compactMap { name, value in
            guard name.hasPrefix(prefix) else { return nil }
            let isFile = name.hasSuffix("_FILE")
            let short = name.dropFirst(prefix.count).dropLast(isFile ? "_FILE".count : 0)
            return isFile ? secret(String(short)) : value
        }
    }

    /// `MUSTER_SECRET_<NAME>`, or the file that `MUSTER_SECRET_<NAME>_FILE` names, which only its owner may read.
    static func secret(_ name: String) -> String? {
        let variable = "MUSTER_SECRET_" + CommandBuilder.variableName(name)
        if let value = value(variable) { return value }
        guard let path = value(variable + "_FILE") else { return nil }
        var status = stat()
        guard stat(path, &status) == 0, status.st_mode & 0o077 == 0,
            let data = FileManager.default.contents(atPath: path)
        else { return nil }
        let text = String(decoding: data, as: UTF8.self)
        return text.hasSuffix("\n") ? String(text.dropLast()) : text
    }
}
