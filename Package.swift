// swift-tools-version:6.2
import PackageDescription

// No package dependency: the Swift toolchain, OpenSSL 3 and SQLite 3 are all there is.
// Layers, top to bottom: Processes, Wire, Base. Sources/README.md says who may import whom, and
// Tests/TidyTests holds it to that.

let strict: [SwiftSetting] = [
  .swiftLanguageMode(.v6),
  .strictMemorySafety(),
  .treatAllWarnings(as: .error),
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("InternalImportsByDefault"),
  .enableUpcomingFeature("MemberImportVisibility"),
  .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
  .enableExperimentalFeature("Lifetimes"),
]

/// A library of the base or wire layer.
func module(_ name: String, in folder: String, _ dependencies: [Target.Dependency]) -> Target {
  .target(
    name: name, dependencies: dependencies, path: "Sources/\(folder)/\(name)",
    exclude: ["README.md"], swiftSettings: strict)
}

/// The logic of a process, in the folder of its program.
func logic(
  _ name: String, of program: String, pages: [String] = [], _ dependencies: [Target.Dependency]
) -> Target {
  .target(
    name: name, dependencies: dependencies, path: "Sources/Processes/\(program)/\(name)",
    exclude: pages, swiftSettings: strict)
}

/// A program: a `main.swift` of a few lines that calls one library.
func program(_ name: String, _ library: Target.Dependency) -> Target {
  .executableTarget(
    name: name, dependencies: [library], path: "Sources/Processes/\(name)/\(name)",
    swiftSettings: strict)
}

func tests(
  _ name: String, _ dependencies: [Target.Dependency], fixtures: [String] = []
) -> Target {
  .testTarget(
    name: name, dependencies: dependencies, path: "Tests/\(name)",
    exclude: ["README.md"] + fixtures,
    swiftSettings: strict)
}

let package = Package(
  name: "privatemode-appliance",
  products: [
    .executable(name: "pmctl", targets: ["pmctl"]),
    .executable(name: "pm-launch", targets: ["pm-launch"]),
    .executable(name: "pm-edge", targets: ["pm-edge"]),
    .executable(name: "pm-core", targets: ["pm-core"]),
    .executable(name: "pm-admin", targets: ["pm-admin"]),
    .executable(name: "privatemode-proxy-standin", targets: ["privatemode-proxy-standin"]),
  ],
  targets: [
    // Base: knows nothing of Privatemode.
    .target(name: "CLinux", path: "Sources/Base/CLinux", exclude: ["README.md"]),
    .systemLibrary(
      name: "COpenSSL", path: "Sources/Base/COpenSSL", pkgConfig: "openssl",
      providers: [.apt(["libssl-dev"])]),
    .systemLibrary(
      name: "CSQLite", path: "Sources/Base/CSQLite", pkgConfig: "sqlite3",
      providers: [.apt(["libsqlite3-dev"])]),
    module("PMSystem", in: "Base", ["CLinux"]),
    module("PMJSON", in: "Base", []),
    module("PMLog", in: "Base", ["PMSystem"]),
    module("PMHTTP", in: "Base", ["CLinux", "PMSystem"]),
    module("PMCrypto", in: "Base", ["COpenSSL", "PMSystem"]),
    module("PMTLS", in: "Base", ["COpenSSL", "PMSystem"]),
    module("PMStore", in: "Base", ["CSQLite", "PMSystem"]),
    module(
      "PMAttest", in: "Base", ["CLinux", "COpenSSL", "PMCrypto", "PMJSON", "PMSystem"]),

    // Wire: what the processes say to each other.
    module("PMWire", in: "Wire", ["PMSystem", "PMJSON"]),

    // Processes: import Wire and Base, never each other.
    logic("PMSupervision", of: "pmctl", pages: ["README.md"], ["PMWire"]),
    logic(
      "PMSupervisor", of: "pmctl", pages: ["Gate/README.md"],
      ["PMSupervision", "PMWire", "PMAttest", "PMCrypto", "PMJSON", "PMLog", "PMSystem"]),
    logic(
      "PMVerify", of: "pmctl", pages: ["README.md"],
      ["PMWire", "PMAttest", "PMTLS", "PMHTTP", "PMCrypto", "PMJSON", "PMSystem"]),
    logic(
      "PMCommand", of: "pmctl",
      [
        "PMSupervisor", "PMVerify", "PMAttest", "PMWire", "PMCrypto", "PMHTTP", "PMJSON", "PMLog",
        "PMSystem",
      ]),
    program("pmctl", "PMCommand"),
    logic("PMLaunch", of: "pm-launch", ["PMWire", "PMSystem", "CLinux"]),
    program("pm-launch", "PMLaunch"),
    logic(
      "PMEdge", of: "pm-edge",
      ["PMWire", "PMTLS", "PMCrypto", "PMHTTP", "PMJSON", "PMLog", "PMSystem"]),
    program("pm-edge", "PMEdge"),
    logic(
      "PMCore", of: "pm-core",
      pages: [
        "Alarms", "Backup", "Bodies", "Control", "Keys", "Ledger", "Limits", "Metering", "Metrics",
        "Prices", "Receipts",
      ].map { "\($0)/README.md" },
      ["PMWire", "PMStore", "PMCrypto", "PMHTTP", "PMJSON", "PMLog", "PMSystem"]),
    program("pm-core", "PMCore"),
    logic(
      "PMAdmin", of: "pm-admin", ["PMWire", "PMCrypto", "PMHTTP", "PMJSON", "PMLog", "PMSystem"]),
    program("pm-admin", "PMAdmin"),

    // Tests and their support.
    .executableTarget(
      name: "privatemode-proxy-standin", dependencies: ["VendorStandIn"],
      path: "Tests/Support/privatemode-proxy-standin", swiftSettings: strict),
    .target(
      name: "VendorStandIn", dependencies: ["CLinux", "COpenSSL", "PMSystem"],
      path: "Tests/Support/VendorStandIn", exclude: ["README.md"], swiftSettings: strict),
    .executableTarget(
      name: "pm-child-standin", dependencies: ["ChildStandIn"],
      path: "Tests/Support/pm-child-standin", swiftSettings: strict),
    .target(
      name: "ChildStandIn", dependencies: ["PMSystem", "PMWire"],
      path: "Tests/Support/ChildStandIn", exclude: ["README.md"], swiftSettings: strict),
    .target(
      name: "Seeded", path: "Tests/Support/Seeded", exclude: ["README.md"], swiftSettings: strict),
    .target(
      name: "Scratch", dependencies: ["PMSystem"], path: "Tests/Support/Scratch",
      exclude: ["README.md"], swiftSettings: strict),
    .target(
      name: "Vectors", dependencies: ["PMJSON", "PMSystem"], path: "Tests/Support/Vectors",
      exclude: ["README.md"], swiftSettings: strict),
    .target(
      name: "EmulatedMachine",
      dependencies: [
        "CLinux", "COpenSSL", "PMAttest", "PMCrypto", "PMJSON", "PMSystem", "Scratch", "Vectors",
      ],
      path: "Tests/Support/EmulatedMachine", exclude: ["README.md"], swiftSettings: strict),
    .executableTarget(
      name: "pmctl-emulated", dependencies: ["EmulatedAppliance", "PMCommand", "PMSystem"],
      path: "Tests/Support/pmctl-emulated", swiftSettings: strict),
    .target(
      name: "EmulatedAppliance",
      dependencies: ["EmulatedMachine", "PMAttest", "PMJSON", "PMSupervisor", "PMSystem"],
      path: "Tests/Support/EmulatedAppliance", exclude: ["README.md"], swiftSettings: strict),
    tests("PMSystemTests", ["PMSystem", "Seeded"]),
    tests("PMJSONTests", ["PMJSON", "Seeded"]),
    tests("PMHTTPTests", ["PMHTTP", "PMSystem", "Seeded"]),
    tests("PMTLSTests", ["PMTLS", "PMSystem", "COpenSSL"]),
    tests("PMWireTests", ["PMWire", "PMJSON", "PMSystem", "Seeded"]),
    tests("PMEdgeTests", ["PMEdge", "PMCrypto", "PMTLS", "PMSystem", "PMWire", "Scratch"]),
    tests("PMSupervisionTests", ["PMSupervision", "PMSystem", "PMWire"]),
    tests(
      "PMSupervisorTests",
      ["PMSupervisor", "PMWire", "PMCrypto", "PMJSON", "PMLog", "PMSystem"]),
    tests("PMLaunchTests", ["PMSystem", "PMWire"]),
    tests(
      "PMVerifyTests",
      ["PMVerify", "PMAttest", "PMCrypto", "PMJSON", "PMSystem", "Scratch", "Vectors"]),
    tests("PMCommandTests", ["PMCommand", "PMSupervisor", "PMSystem", "PMJSON", "PMWire"]),
    tests(
      "PMAttestTests",
      [
        "EmulatedMachine", "PMAttest", "PMCrypto", "PMJSON", "PMSystem", "COpenSSL",
        "Scratch", "Seeded", "Vectors",
      ],
      fixtures: ["Fixtures", "Machine/run-in-vm"]),
    tests("TidyTests", []),
    tests("PMCryptoTests", ["PMCrypto", "PMSystem"]),
    tests("PMStoreTests", ["PMStore", "PMSystem", "Scratch"]),
    tests(
      "PMCoreTests",
      ["PMCore", "PMWire", "PMStore", "PMCrypto", "PMJSON", "PMSystem", "Scratch", "Seeded"]),
    tests("PMAdminTests", ["PMAdmin", "PMCrypto", "PMHTTP", "PMJSON", "PMSystem", "PMWire"]),
  ]
)
