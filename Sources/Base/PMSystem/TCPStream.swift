internal import CLinux
internal import Glibc

/// Why a connection could not be made or used.
public enum StreamFault: Error, Equatable, Sendable {
  case unknownName
  /// No address took the connection; errno of the last one.
  case unreachable(errno: Int32)
  /// Reset by the other side, or any other error on a made connection.
  case broken
  case timedOut
}

/// One outgoing connection for a thread that may wait; one deadline holds for all that is done
/// with it.
public final class TCPStream {
  private let descriptor: OwnedDescriptor
  private let deadline: Instant
  /// One receive; a TLS record and its header fit.
  private static let receiveBytesMax = 32 << 10

  /// Tries the addresses in turn, each for its share of the time that is left.
  public init(
    to addresses: [InternetAddress], port: UInt16, until deadline: Instant
  ) throws(StreamFault) {
    self.deadline = deadline
    var fault = StreamFault.unreachable(errno: EADDRNOTAVAIL)
    for (position, address) in addresses.enumerated() {
      let now = Instant.now()
      let share = deadline.millisecondsSince(now) / UInt64(addresses.count - position)
      do throws(StreamFault) {
        descriptor = try Self.connect(to: address, port, until: now.adding(milliseconds: share))
        return
      } catch {
        fault = error
      }
    }
    throw fault
  }

  private static func connect(
    to address: InternetAddress, _ port: UInt16, until deadline: Instant
  ) throws(StreamFault) -> OwnedDescriptor {
    let type = SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue
    let family = address.isIPv4 ? AF_INET : AF_INET6
    guard let descriptor = OwnedDescriptor(result: socket(family, Int32(type), 0)) else {
      throw .unreachable(errno: pm_errno())
    }
    TCPSocket.disableDelay(descriptor)
    let result = unsafe address.withSocketAddress(port: port) {
      unsafe Glibc.connect(descriptor.number, $0, $1)
    }
    if result == 0 { return descriptor }
    let number = pm_errno()
    guard number == EINPROGRESS else { throw .unreachable(errno: number) }
    guard Waiting.isReady(descriptor.number, .writable, until: deadline) else { throw .timedOut }
    let outcome = connectError(descriptor)
    guard outcome == 0 else { throw .unreachable(errno: outcome) }
    return descriptor
  }

  /// How a connect that was started has ended; 0 if well (socket(7), SO_ERROR).
  private static func connectError(_ descriptor: borrowing OwnedDescriptor) -> Int32 {
    var number: Int32 = 0
    var size = socklen_t(MemoryLayout<Int32>.size)
    let result = unsafe getsockopt(descriptor.number, SOL_SOCKET, SO_ERROR, &number, &size)
    return result == 0 ? number : pm_errno()
  }

  /// Sends all bytes.
  public func send(_ bytes: borrowing ByteBuffer) throws(StreamFault) {
    var done = 0
    while done < bytes.count {
      switch PMSystem.send(bytes.span.extracting(done..<bytes.count), to: descriptor) {
      case .bytes(let count): done += count
      case .wouldBlock: try wait(.writable)
      case .ended, .failed: throw .broken
      }
    }
  }

  /// Appends what comes next to `buffer`; false when the other side has ended.
  public func receive(into buffer: inout ByteBuffer) throws(StreamFault) -> Bool {
    while true {
      switch PMSystem.receive(descriptor, into: &buffer, upTo: Self.receiveBytesMax) {
      case .bytes:
        // A peer that drips must not outlive the deadline by always having something ready.
        guard Instant.now() < deadline else { throw .timedOut }
        return true
      case .ended: return false
      case .wouldBlock: try wait(.readable)
      case .failed: throw .broken
      }
    }
  }

  private func wait(_ event: Waiting.Event) throws(StreamFault) {
    guard Waiting.isReady(descriptor.number, event, until: deadline) else { throw .timedOut }
  }
}
