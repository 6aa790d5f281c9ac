import Foundation
import MusterCore

/// What `podman container inspect` says of one, as far as it is used here.
struct ContainerReport: Decodable, Sendable {
    struct State: Decodable, Sendable {
        struct Health: Decodable, Sendable {
            var status: String?
            enum CodingKeys: String, CodingKey { case status = "Status" }
        }
        var status: String
        var isRunning: Bool
        var isOutOfMemory: Bool?
        var exitCode: Int
        var error: String?
        var startedAt: String?
        var finishedAt: String?
        var health: Health?
        enum CodingKeys: String, CodingKey {
            case status = "Status"
            case isRunning = "Running"
            case isOutOfMemory = "OOMKilled"
            case exitCode = "ExitCode"
            case error = "Error"
            case startedAt = "StartedAt"
            case finishedAt = "FinishedAt"
            case health = "Health"
        }
    }
    struct Config: Decodable, Sendable {
        var labels: [String: String]?
        var environment: [String]?
        enum CodingKeys: String, CodingKey {
            case labels = "Labels"
            case environment = "Env"
        }
    }
    struct Network: Decodable, Sendable {
        var address: String?
        var address6: String?
        enum CodingKeys: String, CodingKey {
            case address = "IPAddress"
            case address6 = "GlobalIPv6Address"
        }
    }
    struct Binding: Decodable, Sendable {
        var address: String?
        var port: String?
        enum CodingKeys: String, CodingKey {
            case address = "HostIp"
            case port = "HostPort"
        }
    }
    struct Networks: Decodable, Sendable {
        var address: String?
        var networks: [String: Network]?
        var ports: [String: [Binding]?]?
        enum CodingKeys: String, CodingKey {
            case address = "IPAddress"
            case networks = "Networks"
            case ports = "Ports"
        }
    }

    var id: String
    var imageName: String?
    var imageDigest: String?
    var state: State
    var config: Config
    var settings: Networks?
    enum CodingKeys: String, CodingKey {
        case id = "Id"
        case imageName = "ImageName"
        case imageDigest = "ImageDigest"
        case state = "State"
        case config = "Config"
        case settings = "NetworkSettings"
    }

    var labels: [String: String] { config.labels ?? [:] }

    /// Where it can be reached; nil where it has no network of its own.
    var address: String? {
        let own = (settings?.networks ?? [:]).sorted { $0.key < $1.key }.flatMap {
            [$0.value.address, $0.value.address6]
        }
        return ([settings?.address] + own).compactMap { $0 }.first { !$0.isEmpty }
    }

    /// `8080:80/tcp 127.0.0.1:5353:53/udp`: what of this host leads to it.
    var ports: String {
        (settings?.ports ?? [:]).sorted { $0.key < $1.key }.flatMap { port, bindings in
            (bindings ?? []).map { binding in
                let host = binding.address.map { $0.isEmpty || $0 == "0.0.0.0" ? "" : "\($0):" } ?? ""
                return "\(host)\(binding.port ?? ""):\(port)"
            }
        }.joined(separator: " ")
    }

    private var signal: Int? { (129...192).contains(state.exitCode) ? state.exitCode - 128 : nil }

    /// How it ended; nil where it never ran.
    var exit: ProcessExit? {
        guard !state.isRunning, let started = state.startedAt.flatMap(Moment.microseconds), started > 0 else {
            return nil
        }
        let ended = state.finishedAt.flatMap(Moment.microseconds) ?? started
        return ProcessExit(
            status: signal == nil ? state.exitCode : nil,
            signal: signal,
            startedAt: Timestamp(rawValue: started),
            endedAt: Timestamp(rawValue: max(started, ended))
        )
    }

    /// How it ended, for people: `exit 3`, `signal 9 (exit 137)`.
    func ending(of node: NodeHandle) -> String {
        var text = signal.map { "signal \($0) (exit \(state.exitCode))" } ?? "exit \(state.exitCode)"
        if state.isOutOfMemory == true || access(PodmanFiles.outOfMemory(node), F_OK) == 0 {
            text += ", killed as it ran out of memory: raise its 'memory'"
        }
        if let error = state.error, !error.isEmpty { text += ": \(error)" }
        return text
    }
}

/// What `podman image inspect` says of one.
struct ImageReport: Decodable, Sendable {
    struct Config: Decodable, Sendable {
        var entrypoint: [String]?
        var command: [String]?
        enum CodingKeys: String, CodingKey {
            case entrypoint = "Entrypoint"
            case command = "Cmd"
        }
    }
    struct Health: Decodable, Sendable {
        var test: [String]?
        enum CodingKeys: String, CodingKey { case test = "Test" }
    }
    var config: Config?
    var health: Health?
    enum CodingKeys: String, CodingKey {
        case config = "Config"
        case health = "Healthcheck"
    }

    private var program: [String] { (config?.entrypoint ?? []) + (config?.command ?? []) }

    /// Whether a container of it has nothing to do by itself: no program, or a shell, which ends where nobody types.
    var waits: Bool {
        guard let first = program.first else { return true }
        let name = first.split(separator: "/").last.map(String.init) ?? ""
        return program.count == 1 && ["sh", "bash", "ash", "dash", "zsh"].contains(name)
    }

    /// Whether it says how its health is found out.
    var checksHealth: Bool {
        let test = health?.test ?? []
        return !test.isEmpty && test[0].uppercased() != "NONE"
    }
}

/// What `podman ps` says of one.
struct ListedContainer: Decodable, Sendable {
    var id: String
    var names: [String]?
    var state: String?
    var labels: [String: String]?
    enum CodingKeys: String, CodingKey {
        case id = "Id"
        case names = "Names"
        case state = "State"
        case labels = "Labels"
    }
}
