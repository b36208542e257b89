import Glibc
import PMSystem
import PMWire

/// Plays the role named by `argv[0]` until asked to leave.
public func runChildStandIn() -> Never {
  let role = CommandLine.arguments[0].split(separator: "/").last.map(String.init) ?? ""
  if role == Role.vendor.rawValue { VendorPlay().run() }
  guard let link = try? SupervisorLink(arguments: Array(CommandLine.arguments.dropFirst())),
    let loop = try? EventLoop()
  else { exit(ExitCode.configuration) }
  ChildPlay(role, link, loop).run()
}

/// The words of a script file; none if there is no file.
struct Script {
  let words: [String]
  let folder: String
  let role: String

  init(_ role: String, in folder: String) {
    (self.role, self.folder) = (role, folder)
    let bytes = (try? FileIO.read("\(folder)/\(role).script", bytesMax: 1024)) ?? []
    words = String(decoding: bytes, as: UTF8.self)
      .split(whereSeparator: { $0 == " " || $0 == "\n" }).map(String.init)
  }

  func has(_ word: String) -> Bool { words.contains(word) }

  func applyAtStart() {
    if let index = words.firstIndex(of: "exit"), index + 1 < words.count,
      let code = Int32(words[index + 1])
    {
      exit(code)
    }
    if has("grandchild") { startGrandchild() }
    if has("report") { report() }
  }

  /// `Spawn` makes a session leader, so the process group of this one does not reach it.
  private func startGrandchild() {
    let spawn = Spawn(program: "/bin/sleep", arguments: ["sleep", "300"], environment: [])
    let pid = (try? spawn.start()) ?? 0
    try? FileIO.replace("\(folder)/\(role).grandchild", with: Array("\(pid)".utf8), mode: 0o600)
  }

  private func report() {
    let names = [
      "LISTEN_FDS", "LISTEN_FDNAMES", "LISTEN_PID", "NOTIFY_SOCKET", "WATCHDOG_USEC",
      "WATCHDOG_PID", "CREDENTIALS_DIRECTORY", "SWIFT_BACKTRACE",
    ]
    let environment = (try? FileIO.read("/proc/self/environ", bytesMax: 65_536)) ?? []
    var lines = environment.split(separator: 0).map { String(decoding: $0, as: UTF8.self) }
    lines = lines.map { line in
      names.contains { line.hasPrefix($0 + "=") } ? line : "unexpected \(line)"
    }
    if let folder = try? Folder("/proc/self/fd") {
      lines += folder.names(countMax: 64).compactMap { Int($0) }.sorted().map { "descriptor \($0)" }
    }
    let text = lines.joined(separator: "\n") + "\n"
    try? FileIO.replace("\(self.folder)/\(role).report", with: Array(text.utf8), mode: 0o600)
  }
}

/// One of our own programs.
private final class ChildPlay {
  private let link: SupervisorLink
  private let loop: EventLoop
  private let script: Script
  private var servers: [EventSource] = []

  init(_ role: String, _ link: SupervisorLink, _ loop: EventLoop) {
    (self.link, self.loop) = (link, loop)
    script = Script(role, in: link.configuration.runtimeDirectory)
  }

  func run() -> Never {
    script.applyAtStart()
    link.heartbeatFields = { ["X_PM_IN_FLIGHT=0"] }
    link.onDrain = { [self] in if !script.has("stubborn") { loop.stop() } }
    link.onInstruction = { [self] instruction in
      switch instruction {
      case .drainVendor: link.tell(["X_PM_VENDOR=draining", "X_PM_IN_FLIGHT=0"])
      case .resumeVendor: link.tell(["X_PM_VENDOR=up", "X_PM_IN_FLIGHT=0"])
      case .reload: link.tell(["STATUS=certificate.read"])
      }
    }
    try? link.attach(to: loop)
    if !script.has("deaf") {
      for name in [Inheritance.Name.core, .probe, .admin, .https] {
        guard let listener = link.take(name) else { continue }
        let server = OneAnswerServer(listener, status: "200 OK", loop)
        try? loop.add(server)
        servers.append(server)
      }
    }
    if !script.has("mute") { link.ready() }
    loop.run()
    exit(ExitCode.done)
  }
}

/// The vendor's program: opens its port and answers 404.
private final class VendorPlay {
  func run() -> Never {
    func value(_ name: String) -> String? {
      CommandLine.arguments.first { $0.hasPrefix(name + "=") }.map {
        String($0.dropFirst(name.count + 1))
      }
    }
    let script = Script(Role.vendor.rawValue, in: value("--workspace") ?? "/")
    script.applyAtStart()
    FileIO.writeStandard(
      Array(
        "{\"time\":\"t\",\"level\":\"INFO\",\"msg\":\"Starting HTTP server without TLS\"}\n".utf8),
      to: 2)
    guard let port = value("--port").flatMap({ UInt16($0) }),
      let listener = try? TCPSocket.listen(port: port, loopbackOnly: true),
      let loop = try? EventLoop()
    else { exit(1) }
    let server = OneAnswerServer(listener, status: "404 Not Found", loop)
    try? loop.add(server)
    loop.run()
    exit(0)
  }
}

/// Answers every connection with the same head and closes it.
private final class OneAnswerServer: EventSource {
  private let answer: [UInt8]
  private unowned let loop: EventLoop

  init(_ listener: consuming OwnedDescriptor, status: String, _ loop: EventLoop) {
    self.loop = loop
    answer = Array("HTTP/1.1 \(status)\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".utf8)
    super.init(consume listener)
  }

  override func onReady(_ readiness: Readiness) {
    guard case .connection(let socket, _) = accept(from: self) else { return }
    try? loop.add(OneAnswer(socket, answer, loop))
  }
}

private final class OneAnswer: StreamSource {
  private let answer: [UInt8]
  private var input = ByteBuffer()

  init(_ socket: consuming OwnedDescriptor, _ answer: [UInt8], _ loop: EventLoop) {
    self.answer = answer
    super.init(consume socket, in: loop)
  }

  override func onReadable() {
    guard case .bytes = receive(into: &input, upTo: 4096) else { return close() }
    if input.text.contains("\r\n\r\n") {
      let answer = answer
      write(answer.span)
      close()
    }
  }
}
