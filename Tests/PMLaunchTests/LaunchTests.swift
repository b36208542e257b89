import Glibc
import PMSystem
import PMWire
import Testing

/// The built program, beside the test program.
private let launchProgram: String = {
  let candidates = [OwnProcess.programPath ?? "", CommandLine.arguments[0]].map {
    "\($0[..<($0.lastIndex(of: "/") ?? $0.startIndex)])/pm-launch"
  }
  return candidates.first { unsafe access($0, X_OK) == 0 } ?? ""
}()

@Suite(.enabled(if: !launchProgram.isEmpty, "programs are not built"))
struct LaunchTests {
  /// Runs pm-launch on a program; its output and exit code.
  private func launch(
    _ arguments: [String], on target: String, names: [String] = ["program"],
    environment: [String] = [], through wrapper: [String] = []
  ) throws -> (output: String, code: Int32) {
    var pipe = try DescriptorPair.pipe()
    guard let reader = pipe.first.take() else { return ("", -1) }
    let words = wrapper + [launchProgram] + arguments
    var spawn = Spawn(
      program: words[0], arguments: words,
      environment: environment + [
        "LISTEN_FDS=\(names.count)", "LISTEN_FDNAMES=\(names.joined(separator: ":"))",
      ])
    for _ in names.dropLast() { try spawn.give(try FileIO.open("/dev/null")) }
    try spawn.give(try FileIO.open(target))
    if let writer = HeldEnd(pipe.second.take()) {
      try spawn.giveOutput(writer.descriptor)
      try spawn.giveErrors(writer.descriptor)
    }
    let pid = try spawn.start()
    var output = [UInt8]()
    var status: Int32 = 0
    var byte = [UInt8](repeating: 0, count: 4096)
    var hasEnded = false
    let deadline = Instant.now().adding(seconds: 10)
    while Instant.now() < deadline {
      let n = unsafe byte.withUnsafeMutableBytes {
        unsafe read(reader.number, $0.baseAddress, $0.count)
      }
      if n > 0 { output += byte[0..<n] }
      if n == 0 { break }
      if !hasEnded, unsafe waitpid(pid, &status, WNOHANG) == pid { hasEnded = true }
      if n < 0 { usleep(2000) }
    }
    if !hasEnded { unsafe waitpid(pid, &status, 0) }
    return (String(decoding: output, as: UTF8.self), status >> 8 & 0xFF)
  }

  private final class HeldEnd {
    let descriptor: OwnedDescriptor
    init?(_ descriptor: consuming OwnedDescriptor?) {
      guard let descriptor else { return nil }
      self.descriptor = descriptor
    }
  }

  private func shell(_ command: String) throws -> String {
    try launch(["pm-core", "development", "-c", command], on: "/bin/sh").output
  }

  @Test func theEnvironmentIsRebuiltFromTheNamesOfTheRole() throws {
    let result = try launch(
      ["pm-core", "development"], on: "/usr/bin/env", names: ["core", "lifeline", "program"],
      environment: [
        "CANARY=1", "PATH=/bin", "NOTIFY_SOCKET=/n", "WATCHDOG_USEC=10",
        "SWIFT_BACKTRACE=enable=yes",
      ])
    let lines = Set(result.output.split(separator: "\n").map(String.init))
    #expect(result.code == 0)
    #expect(lines.contains("LISTEN_FDNAMES=core:lifeline"))
    #expect(lines.contains("LISTEN_FDS=2"))
    #expect(lines.contains("SWIFT_BACKTRACE=enable=no"))
    #expect(lines.contains("NOTIFY_SOCKET=/n"))
    #expect(lines.contains { $0.hasPrefix("LISTEN_PID=") })
    #expect(lines.contains { $0.hasPrefix("WATCHDOG_PID=") })
    #expect(lines.count == 7, "\(lines)")
  }

  @Test func theVendorGetsItsOwnNamesOnly() throws {
    let result = try launch(
      ["privatemode-proxy", "development"], on: "/usr/bin/env",
      environment: ["GOMEMLIMIT=1MiB", "GODEBUG=x", "NOTIFY_SOCKET=/n"])
    let lines = Set(result.output.split(separator: "\n").map(String.init))
    #expect(lines == ["GOMEMLIMIT=1MiB", "SWIFT_BACKTRACE=enable=no"])
  }

  @Test func descriptorsAboveTheListAreClosed() throws {
    let result = try launch(
      ["pm-core", "development", "-c", "for f in /proc/$$/fd/*; do echo ${f##*/}; done"],
      on: "/bin/sh", names: ["core", "program"])
    // The shell itself opens the folder for a moment, above what it inherited.
    let numbers = result.output.split(separator: "\n").compactMap { Int($0) }
    #expect(Set(numbers).subtracting([0, 1, 2, 3]).count <= 1, "\(numbers)")
    #expect(numbers.contains(3))
  }

  @Test func limitsMaskAndPrivilegesAreSet() throws {
    let text = try shell(
      "ulimit -c; umask; pwd; exec grep -E '^(NoNewPrivs|SigBlk|SigIgn)' /proc/self/status")
    let lines = text.split(separator: "\n").map(String.init)
    try #require(lines.count == 6, "\(text)")
    #expect(lines[0] == "0")
    #expect(lines[1] == "0077")
    #expect(lines[2] == "/")
    #expect(lines.contains("NoNewPrivs:\t1"))
    #expect(lines.contains("SigBlk:\t0000000000000000"))
    // posix_spawn of glibc ignores its two internal signals (32, 33) in every child it makes.
    let ignored = lines.first { $0.hasPrefix("SigIgn:") }?.split(separator: "\t").last
    #expect(ignored.flatMap { UInt64($0, radix: 16) }.map { $0 & ~(3 << 31) } == 0)
  }

  @Test func theNameOfTheProcessIsItsRole() throws {
    #expect(try shell("tr '\\0' '\\n' < /proc/$$/cmdline | head -1") == "pm-core\n")
  }

  @Test(arguments: [
    [], ["pm-core"], ["sshd", "production"], ["pm-core", "staging"], ["/bin/sh", "development"],
  ])
  func whoeverIsNotInTheTableGetsNothing(_ arguments: [String]) throws {
    let result = try launch(arguments, on: "/bin/sh")
    #expect(result.code == ExitCode.sandbox)
    #expect(result.output == "pm-launch: step=arguments errno=22\n")
  }

  @Test func aListThatDoesNotEndWithAProgramIsRefused() throws {
    let result = try launch(
      ["pm-core", "development"], on: "/bin/sh", names: ["core", "lifeline"])
    #expect(result.code == ExitCode.sandbox)
    #expect(result.output.contains("step=descriptors"))
  }

  @Test func aFileThatIsNoProgramEndsWith125() throws {
    let result = try launch(["pm-core", "development"], on: "/etc/passwd")
    #expect(result.code == ExitCode.sandbox)
    #expect(result.output.contains("step=exec"))
  }

  @Test(.enabled(if: geteuid() == 0 && Account(named: "pm-core") == nil, "needs root, no account"))
  func productionWithoutItsAccountDoesNotStart() throws {
    let result = try launch(["pm-core", "production", "-c", "id"], on: "/bin/sh")
    #expect(result.code == ExitCode.sandbox)
    #expect(result.output.contains("step=account"))
  }

  /// A table of users with our accounts, seen by this one run only.
  @Test(.enabled(if: geteuid() == 0, "needs root"))
  func productionLosesUserGroupsAndCapabilities() throws {
    let table = "/tmp/pm-passwd-\(getpid())"
    let line = "root:x:0:0:::\npm-core:x:61234:61235:::\n"
    try FileIO.replace(table, with: Array(line.utf8), mode: 0o644)
    defer { OwnProcess.unlink(table) }
    let mount = "mount --bind \(table) /etc/passwd && exec \"$@\""
    let wrapper = ["/usr/bin/unshare", "-m", "/bin/sh", "-c", mount, "sh"]
    let result = try launch(
      ["pm-core", "production", "-c", "grep -E '^(Uid|Gid|Groups|Cap)' /proc/$$/status"],
      on: "/bin/sh", through: wrapper)
    // A container may not let us mount; then there is nothing to see.
    try #require(!result.output.contains("mount:") && !result.output.contains("unshare:"))
    #expect(result.output.contains("Uid:\t61234\t61234\t61234\t61234\n"), "\(result.output)")
    #expect(result.output.contains("Gid:\t61235\t61235\t61235\t61235\n"))
    #expect(result.output.contains("Groups:\t \n") || result.output.contains("Groups:\t\n"))
    for name in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
      #expect(result.output.contains("\(name):\t0000000000000000\n"), "\(result.output)")
    }
  }
}
