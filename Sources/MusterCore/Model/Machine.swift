/// What a creating step asks of its driver besides the node's server, with every value resolved. A driver writes down
/// in the node's folder what it will need of it later, before it makes anything.
package enum Machine: Hashable, Sendable, Codable {
    /// Processes of this host in network, mount and process namespaces of their own.
    case netns(NamespaceMachine)
    case podman(ContainerMachine)
    /// A host that exists already, out of these.
    case ssh(HostPool)
    case qemu(VirtualMachine)
    /// Whatever a program of the user's makes.
    case plugin(PluginMachine)

    /// The kind of its driver, and the word of its step.
    package var driver: String {
        switch self {
        case .netns: "netns"
        case .podman: "podman"
        case .ssh: "ssh"
        case .qemu: "qemu"
        case .plugin: "plugin"
        }
    }

    /// Whether its nodes have files of their own, and none of this host's.
    package var hasOwnFiles: Bool {
        switch self {
        case .netns: false
        case .podman, .ssh, .qemu, .plugin: true
        }
    }

    /// What is known of any node when it is made.
    package static let fieldsOfAll = ["address", "name"]

    /// What else is known of a node of this kind; nil where only its program says.
    package var fields: [String]? {
        switch self {
        case .netns: []
        case .podman: ["id", "image", "digest", "container", "ports", "hostname", "directory"]
        case .ssh: ["hostname", "user", "port", "directory"]
        case .qemu: ["user", "port", "directory"]
        case .plugin: nil
        }
    }

    /// What tells it from others of its kind, for people.
    package var title: String {
        switch self {
        case .netns: driver
        case .podman(let container): "podman: \(container.image)"
        case .ssh(let pool): "ssh: \(pool.title)"
        case .qemu(let machine): "qemu: \(machine.image ?? machine.kernel ?? "")"
        case .plugin(let plugin): "plugin: \(plugin.command.first ?? "")"
        }
    }
}

/// A node in namespaces of its own on this host.
package struct NamespaceMachine: Hashable, Sendable, Codable {
    /// The addresses of which the node gets the lowest that nobody on this host has.
    package var addresses: AddressPool

    package init(addresses: AddressPool = .standard) { self.addresses = addresses }
}

/// A container, as `podman` makes it.
package struct ContainerMachine: Hashable, Sendable, Codable {
    package enum Pull: String, Hashable, Sendable, Codable, CaseIterable { case never, missing, always }
    package var image: String
    package var pull: Pull
    /// Arguments for the image's own program, or another program; nil for what the image says. Where the step has a
    /// `run`, the container only waits, and the node's server is that.
    package var command: [String]?
    /// For the container's own program, and for all commands on the node.
    package var environment: [String: String]
    /// `HOST:CONTAINER[:ro]`, where HOST is the name of a volume or an absolute path.
    package var volumes: [String]
    /// `[ADDRESS:]HOST:CONTAINER[/udp]`.
    package var ports: [String]
    /// `none`, `host`, or the name of a network; nil for podman's default.
    package var network: String?
    package var user: String?
    /// In bytes.
    package var memory: Int64?
    package var cpus: Double?
    package var pids: Int?
    package var isPrivileged: Bool
    /// Whether the node is ready only when the image's own health check has passed.
    package var awaitsHealth: Bool

    package init(image: String) {
        self.image = image
        pull = .never
        command = nil
        environment = [:]
        volumes = []
        ports = []
        network = nil
        user = nil
        memory = nil
        cpus = nil
        pids = nil
        isPrivileged = false
        awaitsHealth = false
    }
}

/// Hosts that exist already, of which a node is one for as long as it lives.
package struct HostPool: Hashable, Sendable, Codable {
    /// Its name in the lab, or how it is written there.
    package var title: String
    /// In the order in which they are tried; names are unique.
    package var hosts: [SSHHost]

    package init(title: String, hosts: [SSHHost]) {
        self.title = title
        self.hosts = hosts
    }
}

/// A machine that OpenSSH reaches.
package struct SSHHost: Hashable, Sendable, Codable {
    /// Its name in its pool.
    package var name: String
    /// What `ssh` is told: an address, or a name that the user's own configuration knows.
    package var destination: String
    package var user: String?
    package var port: Int?
    /// The private key to use; nil for what the configuration and the agent offer.
    package var identityFile: String?
    /// The user's configuration file instead of `~/.ssh/config`.
    package var configFile: String?
    /// The file of known host keys instead of the user's own.
    package var knownHostsFile: String?
    /// Further options, as `ssh -o` takes them: `ProxyJump=gate`.
    package var options: [String]
    package var connectTimeout: Duration
    /// The folder on the host in which nodes and the lease are; `~/` is the user's home.
    package var root: String

    package init(
        name: String,
        destination: String,
        user: String? = nil,
        port: Int? = nil,
        identityFile: String? = nil,
        configFile: String? = nil,
        knownHostsFile: String? = nil,
        options: [String] = [],
        connectTimeout: Duration = .seconds(10),
        root: String = "~/.muster"
    ) {
        self.name = name
        self.destination = destination
        self.user = user
        self.port = port
        self.identityFile = identityFile
        self.configFile = configFile
        self.knownHostsFile = knownHostsFile
        self.options = options
        self.connectTimeout = connectTimeout
        self.root = root
    }
}

/// A virtual machine of QEMU, from a disk, or from a kernel.
package struct VirtualMachine: Hashable, Sendable, Codable {
    package enum Accelerator: String, Hashable, Sendable, Codable, CaseIterable {
        /// KVM where this host has it, else TCG.
        case auto
        case kvm, tcg
    }
    /// Absolute path of the disk image below the node's own overlay; nil for none.
    package var image: String?
    /// Absolute paths.
    package var kernel: String?
    package var initrd: String?
    /// The kernel's command line.
    package var append: String?
    /// In bytes.
    package var memory: Int64
    package var cpus: Int
    package var accelerator: Accelerator
    /// Absolute path of the user data for cloud-init; nil for what lets Muster in and nothing else.
    package var cloudInit: String?
    /// Who logs in by ssh, and the private key; nil for a key that is made for the node.
    package var user: String
    package var identityFile: String?
    /// `HOST:GUEST` of TCP, besides ssh's own.
    package var ports: [String]
    /// How long it may take until ssh answers.
    package var bootTimeout: Duration

    package init() {
        image = nil
        kernel = nil
        initrd = nil
        append = nil
        memory = 512 << 20
        cpus = 1
        accelerator = .auto
        cloudInit = nil
        user = "root"
        identityFile = nil
        ports = []
        bootTimeout = .seconds(300)
    }
}

/// A machine that a program of the user's makes, by the protocol of `docs/formats/plugin.md`.
package struct PluginMachine: Hashable, Sendable, Codable {
    /// The program, by an absolute path or a name in `PATH`, and its arguments.
    package var command: [String]
    /// What the step says to the program: a JSON object.
    package var options: String
    /// How long one answer may take, but for `run`.
    package var timeout: Duration

    package init(command: [String], options: String = "{}", timeout: Duration = Defaults.pluginTimeout) {
        self.command = command
        self.options = options
        self.timeout = timeout
    }
}

extension Defaults {
    package static let pluginTimeout: Duration = .seconds(300)
}
