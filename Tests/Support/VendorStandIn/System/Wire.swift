import CLinux
import Glibc

/// One accepted connection, plain or under TLS, used by one thread.
final class Wire {
  private static let readBytesMax = 64 * 1024
  /// poll(2); hidden behind _GNU_SOURCE. A half-closed peer counts as gone, as in Go's server.
  private static let pollPeerLeft: Int16 = 0x2000

  private let socket: Int32
  private let session: TLSSession?
  private var scratch = Bytes(repeating: 0, count: readBytesMax)

  init(socket: Int32, session: TLSSession?) {
    self.socket = socket
    self.session = session
  }

  deinit { close(socket) }

  /// Appends what has come to `buffer`; false at the end or on a fault.
  func read(into buffer: inout Bytes) -> Bool {
    let count: Int
    if let session {
      count = session.read(into: &scratch)
    } else {
      count = receive()
    }
    guard count > 0 else { return false }
    buffer.append(contentsOf: scratch[..<count])
    return true
  }

  private func receive() -> Int {
    while true {
      // Safe: the kernel writes at most the length of the array.
      let count = unsafe scratch.withUnsafeMutableBytes {
        unsafe recv(socket, $0.baseAddress, $0.count, 0)
      }
      if count < 0 && pm_errno() == EINTR { continue }
      return count
    }
  }

  /// Sends all of `content`, blocking; false when the peer is gone.
  func write(_ content: Bytes) -> Bool {
    if let session { return session.write(content) }
    var sent = 0
    while sent < content.count {
      // Safe: the span stays inside the array, which outlives the call.
      let count = unsafe content.withUnsafeBytes {
        unsafe send(
          socket, $0.baseAddress?.advanced(by: sent), $0.count - sent, Int32(MSG_NOSIGNAL))
      }
      if count < 0 && pm_errno() == EINTR { continue }
      if count <= 0 { return false }
      sent += count
    }
    return true
  }

  /// Waits, and says whether the client stayed.
  func waits(milliseconds: Int) -> Bool {
    let deadline = Clock.microseconds() + milliseconds * 1000
    while true {
      let left = max(0, deadline - Clock.microseconds())
      var entry = pollfd(fd: socket, events: Self.pollPeerLeft, revents: 0)
      // Safe: one entry, told as one.
      let count = unsafe poll(&entry, 1, Int32(clamping: (left + 999) / 1000))
      if count > 0 { return false }
      if Clock.microseconds() >= deadline { return true }
    }
  }

  /// Waits until the client leaves.
  func waitsForLeaving() {
    while waits(milliseconds: 3_600_000) {}
  }

  /// Makes the coming close a connection reset.
  func armReset() {
    var choice = linger(l_onoff: 1, l_linger: 0)
    // Safe: the option takes a struct linger, and is told its size.
    _ = unsafe setsockopt(
      socket, SOL_SOCKET, SO_LINGER, &choice, socklen_t(MemoryLayout<linger>.size))
  }

  /// Numeric address and port of the client, as Go prints it.
  func remoteAddress() -> String {
    var address = sockaddr_storage()
    var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
    // A host of 64 and a port of 8 bytes hold any numeric form.
    var host = [CChar](repeating: 0, count: 64)
    var port = [CChar](repeating: 0, count: 8)
    // Safe: every buffer is passed with its own length, and both results end in a zero byte.
    let result = unsafe withUnsafeMutablePointer(to: &address) { pointer in
      unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { base in
        guard unsafe getpeername(socket, base, &length) == 0 else { return Int32(-1) }
        return unsafe getnameinfo(
          base, length, &host, 64, &port, 8, NI_NUMERICHOST | NI_NUMERICSERV)
      }
    }
    guard result == 0 else { return "" }
    let name = text(host).hasPrefix("::ffff:") ? String(text(host).dropFirst(7)) : text(host)
    return name.contains(":") ? "[\(name)]:\(text(port))" : "\(name):\(text(port))"
  }

  private func text(_ characters: [CChar]) -> String {
    String(decoding: characters.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }
}
