import Glibc
import PMJSON
import PMSystem
import PMWire
import Testing

@testable import PMSupervisor

/// A supervisor of its own with played children; everything is gone when the rig is.
final class Rig {
  let folder: String
  let httpsPort: UInt16
  private(set) var pid: Int32
  /// The https listener as an earlier supervisor may have left it; it stays open here.
  private let stored: HeldDescriptor?
  private var hasLeft = false
  var runtime: String { "\(folder)/run" }

  /// Where the built programs lie: beside the test program.
  static var products: String {
    let path = OwnProcess.programPath ?? ""
    let folder = path[..<(path.lastIndex(of: "/") ?? path.startIndex)]
    // `swift test` may run the tests by a helper of the toolchain.
    let own = CommandLine.arguments[0]
    let candidates = [String(folder), String(own[..<(own.lastIndex(of: "/") ?? own.startIndex)])]
    return candidates.first { exists("\($0)/pmctl") } ?? String(folder)
  }

  static func exists(_ path: String) -> Bool { unsafe access(path, F_OK) == 0 }

  /// `environment` is that of the supervisor.
  init(
    profile: String = "development", extra: String = "", environment: [String] = [],
    descriptorsMax: Int = 1024, hasStoredListener: Bool = false
  ) throws {
    let number = UInt16.random(in: 0..<4000)
    httpsPort = 20_000 + number * 3
    stored = hasStoredListener ? HeldDescriptor(try TCPSocket.listen(port: httpsPort)) : nil
    folder = "/tmp/pm-rig-\(getpid())-\(number)"
    try FileIO.makeFolder("\(folder)/bin", mode: 0o755)
    try FileIO.makeFolder("\(folder)/run", mode: 0o755)
    let roles = ["pm-core", "pm-edge", "pm-admin", "privatemode-proxy-standin"]
    for role in roles {
      _ = unsafe symlink("\(Self.products)/pm-child-standin", "\(folder)/bin/\(role)")
    }
    _ = unsafe symlink("\(Self.products)/pm-launch", "\(folder)/bin/pm-launch")
    let vendor = profile == "production" ? Self.productionVendor : ""
    let text = """
      { "profile": "\(profile)", "stateDirectory": "\(folder)/state",
        "runtimeDirectory": "\(folder)/run", "programDirectory": "\(folder)/bin", \(extra)
        "listen": {"https": \(httpsPort), "http": \(httpsPort + 1)},
        "vendor": {"port": \(httpsPort + 2)\(vendor)} }
      """
    try FileIO.replace("\(folder)/appliance.json", with: Array(text.utf8), mode: 0o600)
    pid = try Self.start(
      folder, environment, descriptorsMax: descriptorsMax, stored: stored)
  }

  private static let productionVendor =
    ", \"binary\": \"/nonexistent\", \"sha256\": \"" + String(repeating: "0", count: 64) + "\""

  static func start(
    _ folder: String, _ environment: [String] = [], descriptorsMax: Int = 1024,
    stored: HeldDescriptor? = nil
  ) throws -> Int32 {
    let flags = O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC
    let log = OwnedDescriptor(result: unsafe open("\(folder)/log", flags, 0o600))
    guard let log else { throw SystemError(.open, 0) }
    var spawn = Spawn(
      program: "/bin/sh",
      arguments: [
        "sh", "-c", "ulimit -n \(descriptorsMax); export LISTEN_PID=$$; exec \"$0\" \"$@\"",
        "\(products)/pmctl",
        "supervise", "--configuration", "\(folder)/appliance.json",
      ],
      environment: environment + ["CANARY=must-not-be-inherited"])
    try spawn.giveOutput(log)
    try spawn.giveErrors(log)
    if let stored { try spawn.give(stored.descriptor) }
    return try spawn.start()
  }

  deinit {
    _ = leave()
    let removal = Spawn(program: "/bin/rm", arguments: ["rm", "-rf", folder], environment: [])
    var status: Int32 = 0
    if let remover = try? removal.start() { unsafe waitpid(remover, &status, 0) }
  }

  /// It has ended by itself and was waited for.
  func forget() { hasLeft = true }

  /// Ends it without a chance to clean up.
  func killSupervisor() {
    hasLeft = true
    kill(pid, SIGKILL)
    var status: Int32 = 0
    unsafe waitpid(pid, &status, 0)
  }

  /// Starts another supervisor in the place of one that was killed.
  func startAgain() throws {
    pid = try Self.start(folder)
    hasLeft = false
  }

  /// Asks it to leave and waits; its exit code, once. -1 if it had to be killed or was.
  @discardableResult func leave() -> Int32 {
    if hasLeft { return 0 }
    hasLeft = true
    kill(pid, SIGTERM)
    var status: Int32 = 0
    let ended = waitUntil(seconds: 45) { unsafe waitpid(pid, &status, WNOHANG) == pid }
    if !ended {
      kill(pid, SIGKILL)
      unsafe waitpid(pid, &status, 0)
    }
    return status & 0x7F == 0 ? status >> 8 & 0xFF : -1
  }

  // MARK: What it says

  func ask(
    _ verb: ControlVerb, _ service: Service? = nil, seconds: Int = 30
  ) -> (outcome: ControlOutcome?, lines: [JSONValue]) {
    let request = ControlRequest(
      id: 1, verb: verb, service: service, deadlineMilliseconds: Int64(seconds) * 1000)
    let replies = exchange(request.line + "\n", seconds: seconds + 1) { ControlOutcome($0) != nil }
    return (replies.last.flatMap { ControlOutcome($0) }, replies.dropLast())
  }

  /// Sends raw bytes and reads lines until `isLast`, or the end.
  func exchange(
    _ text: String, seconds: Int = 5, until isLast: (JSONValue) -> Bool
  ) -> [JSONValue] {
    let path = "\(runtime)/\(SocketName.supervisor)"
    guard let socket = try? UnixSocket.connectBlocking(path: path, seconds: seconds),
      (try? FileIO.write(Array(text.utf8), to: socket)) != nil
    else { return [] }
    var replies: [JSONValue] = []
    var buffer = ByteBuffer()
    while case .bytes = receive(socket, into: &buffer, upTo: 65_536) {
      while let end = Array(copying: buffer.span).firstIndex(of: 0x0A) {
        let line = Array(Array(copying: buffer.span)[..<end])
        buffer.consume(end + 1)
        guard let value = try? JSONReader.read(line) else { return replies }
        replies.append(value)
        if isLast(value) { return replies }
      }
    }
    return replies
  }

  var status: JSONValue? { ask(.status, seconds: 1).lines.first?["status"] }

  func row(_ service: Service) -> JSONValue? {
    status?["services"]?.array?.first { $0["service"]?.string == service.rawValue }
  }
  func state(_ service: Service) -> String? { row(service)?["state"]?.string }
  func pid(_ service: Service) -> Int32 { Int32(row(service)?["pid"]?.integer ?? 0) }

  func waitFor(_ service: Service, _ state: ServiceState, seconds: UInt64 = 10) -> Bool {
    waitUntil(seconds: seconds) { self.state(service) == state.rawValue }
  }

  func waitUntilReady() -> Bool {
    waitUntil(seconds: 20) { status?["overall"]?.string == Overall.ready.rawValue }
  }

  // MARK: What children do

  func script(_ role: Role, _ words: String) throws {
    try FileIO.replace("\(runtime)/\(role.rawValue).script", with: Array(words.utf8), mode: 0o600)
  }

  func read(_ name: String) -> String {
    let bytes = (try? FileIO.read("\(runtime)/\(name)", bytesMax: 65_536)) ?? []
    return String(decoding: bytes, as: UTF8.self)
  }
}

/// False once it has ended, whether or not somebody has waited for it.
func isAlive(_ pid: Int32) -> Bool { OwnProcess.startTime(of: pid) != nil }

/// Looks every 20 ms whether something is true, for a bounded time.
func waitUntil(seconds: UInt64, _ isTrue: () -> Bool) -> Bool {
  let deadline = Instant.now().adding(seconds: seconds)
  while Instant.now() < deadline {
    if isTrue() { return true }
    usleep(20_000)
  }
  return isTrue()
}
