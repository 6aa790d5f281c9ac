// swift-tools-version: 6.2
import PackageDescription

// CI sets MUSTER_WARNINGS=error; a developer's half-finished edit still builds.
let warningsAreErrors = Context.environment["MUSTER_WARNINGS"] == "error"

let strict: [SwiftSetting] =
    [
        .enableUpcomingFeature("ExistentialAny"),
        .enableUpcomingFeature("MemberImportVisibility"),
        .enableUpcomingFeature("InternalImportsByDefault"),
    ] + (warningsAreErrors ? [.treatAllWarnings(as: .error)] : [])

let argumentParser: Target.Dependency = .product(name: "ArgumentParser", package: "swift-argument-parser")
let asyncHTTPClient: Target.Dependency = .product(name: "AsyncHTTPClient", package: "async-http-client")
let collections: [Target.Dependency] = [
    .product(name: "DequeModule", package: "swift-collections"),
    .product(name: "HeapModule", package: "swift-collections"),
]
let crypto: Target.Dependency = .product(name: "Crypto", package: "swift-crypto")
let grdb: Target.Dependency = .product(name: "GRDB", package: "GRDB.swift")
let logging: Target.Dependency = .product(name: "Logging", package: "swift-log")
let metrics: Target.Dependency = .product(name: "Metrics", package: "swift-metrics")
let nioCore: Target.Dependency = .product(name: "NIOCore", package: "swift-nio")
let nioHTTP1: Target.Dependency = .product(name: "NIOHTTP1", package: "swift-nio")
let nioSSL: Target.Dependency = .product(name: "NIOSSL", package: "swift-nio-ssl")
let nioPosix: Target.Dependency = .product(name: "NIOPosix", package: "swift-nio")
let subprocess: Target.Dependency = .product(name: "Subprocess", package: "swift-subprocess")
let system: Target.Dependency = .product(name: "SystemPackage", package: "swift-system")
let tracing: Target.Dependency = .product(name: "Tracing", package: "swift-distributed-tracing")
let yams: Target.Dependency = .product(name: "Yams", package: "Yams")

let package = Package(
    name: "muster",
    platforms: [.macOS(.v15)],
    products: [
        .executable(name: "muster", targets: ["muster"]),
        .executable(name: "muster-supervise", targets: ["muster-supervise"]),
        .library(name: "MusterPlans", targets: ["MusterPlans"]),
        .library(name: "MusterPlansTesting", targets: ["MusterPlansTesting"]),
        .library(name: "MusterPolicies", targets: ["MusterPolicies"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.5.0"),
        .package(url: "https://github.com/apple/swift-collections", from: "1.1.0"),
        .package(url: "https://github.com/apple/swift-crypto", from: "4.0.0"),
        .package(url: "https://github.com/apple/swift-distributed-tracing", from: "1.2.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.6.0"),
        .package(url: "https://github.com/apple/swift-metrics", from: "2.5.0"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.80.0"),
        .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.30.0"),
        .package(url: "https://github.com/apple/swift-system", from: "1.5.0"),
        .package(url: "https://github.com/groue/GRDB.swift", from: "7.5.0"),
        .package(url: "https://github.com/jpsim/Yams", from: "6.0.0"),
        .package(url: "https://github.com/swift-server/async-http-client", from: "1.25.0"),
        .package(url: "https://github.com/swiftlang/swift-subprocess", from: "1.0.2"),
    ],
    targets: [
        .target(name: "MusterCore", dependencies: collections, swiftSettings: strict),
        .target(name: "MusterStore", dependencies: ["MusterCore", grdb], swiftSettings: strict),
        .target(name: "MusterLab", dependencies: ["MusterCore", yams], swiftSettings: strict),
        .target(name: "MusterReport", dependencies: ["MusterCore", "CZlib"], swiftSettings: strict),
        .systemLibrary(
            name: "CZlib",
            path: "Sources/CZlib",
            providers: [.apt(["zlib1g-dev"]), .brew(["zlib"])]
        ),
        .target(name: "MusterSupervision", swiftSettings: strict),
        .target(name: "MusterTestControl", swiftSettings: strict),
        .target(
            name: "MusterDrivers",
            dependencies: [
                "MusterCore", "MusterSupervision", "MusterTestControl", logging, nioCore, nioHTTP1, nioPosix,
            ],
            swiftSettings: strict
        ),
        .target(
            name: "MusterEngine",
            dependencies: [
                "MusterCore", "MusterStore", "MusterDrivers", asyncHTTPClient, crypto, logging, nioCore, nioHTTP1,
                nioPosix, nioSSL, subprocess, system,
            ] + collections,
            swiftSettings: strict
        ),
        .target(
            name: "MusterPlans",
            dependencies: [
                "MusterCore", "MusterStore", "MusterDrivers", "MusterEngine", logging, metrics, nioPosix, tracing,
            ],
            swiftSettings: strict
        ),
        .target(
            name: "MusterTestKit",
            dependencies: ["MusterCore", "MusterStore", "MusterDrivers", "MusterEngine"],
            swiftSettings: strict
        ),
        .target(
            name: "MusterPlansTesting",
            dependencies: ["MusterCore", "MusterStore", "MusterEngine", "MusterPlans", "MusterTestKit"],
            swiftSettings: strict
        ),
        .target(
            name: "MusterCLI",
            dependencies: [
                "MusterCore", "MusterStore", "MusterLab", "MusterReport", "MusterDrivers", "MusterEngine",
                argumentParser,
                logging,
            ],
            swiftSettings: strict
        ),
        .target(name: "MusterPolicies", dependencies: ["MusterCore", "MusterCLI"], swiftSettings: strict),
        .executableTarget(name: "muster", dependencies: ["MusterCLI"], swiftSettings: strict),
        .executableTarget(
            name: "muster-supervise",
            dependencies: ["MusterSupervision", "MusterTestControl"],
            swiftSettings: strict
        ),
        .executableTarget(
            name: "muster-bench",
            dependencies: [
                "MusterCore", "MusterStore", "MusterLab", "MusterDrivers", "MusterEngine", "MusterPlans",
                "MusterTestKit", argumentParser, grdb, logging,
            ],
            path: "Benchmarks/muster-bench",
            swiftSettings: strict
        ),
        // Each is a program as a user writes it: it imports the product alone.
        .executableTarget(
            name: "order-fulfilment",
            dependencies: ["MusterPlans"],
            path: "Examples/order-fulfilment",
            swiftSettings: strict
        ),
        .executableTarget(
            name: "external-job",
            dependencies: ["MusterPlans"],
            path: "Examples/external-job",
            swiftSettings: strict
        ),
        .executableTarget(
            name: "fan-out",
            dependencies: ["MusterPlans"],
            path: "Examples/fan-out",
            swiftSettings: strict
        ),
        .executableTarget(
            name: "own-policies",
            dependencies: ["MusterPolicies"],
            path: "Examples/own-policies",
            exclude: ["README.md", "lab.yaml"],
            swiftSettings: strict
        ),
        .testTarget(name: "MusterCoreTests", dependencies: ["MusterCore", "MusterTestKit"], swiftSettings: strict),
        .testTarget(
            name: "MusterStoreTests",
            dependencies: ["MusterCore", "MusterStore", "MusterTestKit", grdb],
            swiftSettings: strict
        ),
        .testTarget(name: "MusterLabTests", dependencies: ["MusterCore", "MusterLab"], swiftSettings: strict),
        .testTarget(name: "MusterReportTests", dependencies: ["MusterCore", "MusterReport"], swiftSettings: strict),
        .testTarget(
            name: "MusterTestControlTests",
            dependencies: ["MusterTestControl"],
            swiftSettings: strict
        ),
        .testTarget(
            name: "MusterDriversTests",
            dependencies: ["MusterCore", "MusterSupervision", "MusterDrivers", "MusterTestKit", "muster-supervise"],
            swiftSettings: strict
        ),
        // Counts allocations and syncs in a test program.
        .target(name: "CWorkCounter", path: "Tests/CWorkCounter"),
        .testTarget(
            name: "MusterEngineTests",
            dependencies: [
                "MusterCore", "MusterStore", "MusterDrivers", "MusterEngine", "MusterTestKit", "CWorkCounter", grdb,
                logging, nioCore, nioHTTP1, nioPosix, nioSSL,
            ],
            swiftSettings: strict
        ),
        .testTarget(
            name: "MusterPlansTests",
            dependencies: [
                "MusterCore", "MusterStore", "MusterEngine", "MusterPlans", "MusterPlansTesting",
                .product(name: "InMemoryTracing", package: "swift-distributed-tracing"), logging,
                .product(name: "MetricsTestKit", package: "swift-metrics"),
            ],
            swiftSettings: strict
        ),
        // As a user writes tests: it imports the two products alone.
        .testTarget(
            name: "MusterPlansTestingTests",
            dependencies: ["MusterPlans", "MusterPlansTesting"],
            swiftSettings: strict
        ),
        .testTarget(
            name: "MusterCLITests",
            dependencies: [
                "MusterCore", "MusterCLI", "MusterLab", "MusterStore", "MusterReport", "MusterTestKit", argumentParser,
            ],
            swiftSettings: strict
        ),
        .testTarget(
            name: "MusterPoliciesTests",
            dependencies: ["MusterCore", "MusterPolicies"],
            swiftSettings: strict
        ),
        .testTarget(name: "SimulationTests", dependencies: ["MusterTestKit"], swiftSettings: strict),
        // A program for end-to-end tests to kill and to ask things of.
        .executableTarget(
            name: "plans-program",
            dependencies: ["MusterPlans"],
            path: "Tests/PlansProgram",
            swiftSettings: strict
        ),
        .testTarget(
            name: "EndToEndTests",
            dependencies: [
                "muster", "muster-supervise", "external-job", "fan-out", "order-fulfilment", "own-policies",
                "plans-program", "MusterTestKit", subprocess,
            ],
            swiftSettings: strict
        ),
        .testTarget(name: "TidyTests", swiftSettings: strict),
    ],
    swiftLanguageModes: [.v6]
)
