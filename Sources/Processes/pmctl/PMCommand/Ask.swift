internal import PMSupervisor
internal import PMSystem
internal import PMWire

/// The prober's side of a probe: asks one thing, exits 0 or 1. It has no rights and reads only the
/// status line of the answer.
enum Ask {
  /// Until the whole answer head is there; the vendor's own probe waits as long.
  private static let secondsMax = 2
  private static let headBytesMax = 16 * 1024

  static func run(_ words: [String]) -> Int32 {
    guard (2...3).contains(words.count), let target = ProbeTarget(rawValue: words[0]) else {
      return ExitCode.usage
    }
    if words.count == 3 {
      guard target == .vendor, let port = UInt16(words[1]), let uid = UInt32(words[2]) else {
        return ExitCode.usage
      }
      guard PortOwner.uid(listeningOn: port) == uid else { return ExitCode.failed }
    }
    guard let status = status(of: target, at: words[1]) else { return ExitCode.failed }
    return accepts(status, from: target) ? ExitCode.done : ExitCode.failed
  }

  /// Which status says that the asked one lives.
  static func accepts(_ status: Int, from target: ProbeTarget) -> Bool {
    switch target {
    case .edge, .path, .core: status == 200
    case .admin: status == 200 || status == 302 || status == 303 || status == 403
    // Its server answers unknown paths; nothing is asked upstream.
    case .vendor: status == 404
    }
  }

  static func path(_ target: ProbeTarget) -> String {
    switch target {
    case .edge: "/health"
    case .path: "/health/ready"
    case .core: CorePath.alive.description
    case .admin: "/admin/login"
    case .vendor: "/"
    }
  }

  private static func status(of target: ProbeTarget, at address: String) -> Int? {
    do throws(SystemError) {
      let socket: OwnedDescriptor
      if target == .vendor {
        guard let port = UInt16(address) else { return nil }
        socket = try TCPSocket.connectLoopbackBlocking(port: port, seconds: secondsMax)
      } else {
        socket = try UnixSocket.connectBlocking(path: address, seconds: secondsMax)
      }
      let request = "GET \(path(target)) HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
      try FileIO.write(Array(request.utf8), to: socket)
      return status(from: socket)
    } catch {
      return nil
    }
  }

  private static func status(from socket: borrowing OwnedDescriptor) -> Int? {
    var buffer = ByteBuffer()
    let deadline = Instant.now().adding(seconds: UInt64(secondsMax))
    while buffer.count < headBytesMax, Instant.now() < deadline {
      guard case .bytes = receive(socket, into: &buffer, upTo: 4096) else { return nil }
      if let status = statusCode(Array(copying: buffer.span)) { return status }
    }
    return nil
  }

  /// The code of a status line (RFC 9112, section 4), once the line is complete.
  static func statusCode(_ bytes: [UInt8]) -> Int? {
    guard let end = bytes.firstIndex(of: 0x0A) else { return nil }
    let line = String(decoding: bytes[..<end], as: UTF8.self)
    guard line.hasPrefix("HTTP/1.") else { return nil }
    let parts = line.split(separator: " ", maxSplits: 2)
    guard parts.count >= 2, parts[1].utf8.count == 3, let code = Int(parts[1]) else { return nil }
    return (100...599).contains(code) ? code : nil
  }
}
