internal import CLinux
internal import Glibc

/// Stream sockets of the network.
public enum TCPSocket {
  /// Connections that wait in the kernel until they are accepted.
  public static let backlogMax: Int32 = 4096

  /// Listens on a port of all addresses (IPv6 and IPv4), or of loopback only; non-blocking.
  public static func listen(port: UInt16, loopbackOnly: Bool = false) throws(SystemError)
    -> OwnedDescriptor
  {
    // Loopback is IPv4 only there: one socket cannot bind ::1 and 127.0.0.1 both.
    let family = loopbackOnly ? AF_INET : AF_INET6
    guard let descriptor = open(family) ?? open(AF_INET) else { throw .last(.socket) }
    try set(descriptor, SOL_SOCKET, SO_REUSEADDR, 1)
    let address: InternetAddress
    if loopbackOnly {
      address = InternetAddress(v4: (127, 0, 0, 1))
    } else {
      address = .any
      try? set(descriptor, Int32(IPPROTO_IPV6), IPV6_V6ONLY, 0)
    }
    let bound = unsafe address.withSocketAddress(port: port) {
      unsafe bind(descriptor.number, $0, $1)
    }
    guard bound == 0 else { throw .last(.bind) }
    guard Glibc.listen(descriptor.number, backlogMax) == 0 else { throw .last(.listen) }
    return descriptor
  }

  /// Starts to connect to a loopback port; the socket becomes writable when it is decided.
  public static func connectLoopback(port: UInt16) throws(SystemError) -> OwnedDescriptor {
    guard let descriptor = open(AF_INET) else { throw .last(.socket) }
    disableDelay(descriptor)
    let loopback = InternetAddress(v4: (127, 0, 0, 1))
    let result = unsafe loopback.withSocketAddress(port: port) {
      unsafe Glibc.connect(descriptor.number, $0, $1)
    }
    guard result == 0 || pm_errno() == EINPROGRESS else { throw .last(.connect) }
    return descriptor
  }

  /// Connects to a loopback port for blocking use; each call on it waits at most `seconds`.
  public static func connectLoopbackBlocking(
    port: UInt16, seconds: Int
  ) throws(SystemError) -> OwnedDescriptor {
    let type = SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue
    guard let descriptor = OwnedDescriptor(result: socket(AF_INET, Int32(type), 0)) else {
      throw .last(.socket)
    }
    try UnixSocket.setTimeouts(descriptor, seconds: seconds)
    let loopback = InternetAddress(v4: (127, 0, 0, 1))
    let result = unsafe loopback.withSocketAddress(port: port) {
      unsafe Glibc.connect(descriptor.number, $0, $1)
    }
    guard result == 0 else { throw .last(.connect) }
    return descriptor
  }

  /// Sends small writes at once (TCP_NODELAY); an event of a stream must not wait for the next.
  public static func disableDelay(_ descriptor: borrowing OwnedDescriptor) {
    try? set(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, 1)
  }

  private static func open(_ family: Int32) -> OwnedDescriptor? {
    let flags = SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue
    return OwnedDescriptor(result: socket(family, Int32(flags), 0))
  }

  private static func set(
    _ descriptor: borrowing OwnedDescriptor, _ level: Int32, _ option: Int32, _ value: Int32
  ) throws(SystemError) {
    var value = value
    let size = socklen_t(MemoryLayout<Int32>.size)
    guard unsafe setsockopt(descriptor.number, level, option, &value, size) == 0 else {
      throw .last(.setsockopt)
    }
  }
}

/// What accepting on a listener gave.
public enum Acceptance: ~Copyable {
  case connection(OwnedDescriptor, InternetAddress)
  /// Nothing waits, or the waiting connection went away.
  case none
  /// No descriptor or memory left: accepting should pause.
  case exhausted
}

/// Takes one waiting connection; non-blocking, close-on-exec. A Unix peer has the address `.any`.
public func accept(from listener: borrowing OwnedDescriptor) -> Acceptance {
  accept(listener.number)
}

/// Takes one connection that waits on the listener of a source.
public func accept(from listener: EventSource) -> Acceptance { accept(listener.number) }

private func accept(_ number: Int32) -> Acceptance {
  var storage = sockaddr_storage()
  var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
  let flags = Int32(SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
  let result = unsafe withUnsafeMutablePointer(to: &storage) { pointer in
    unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
      unsafe pm_accept4(number, $0, &length, flags)
    }
  }
  guard let descriptor = OwnedDescriptor(result: result) else {
    switch pm_errno() {
    case EMFILE, ENFILE, ENOBUFS, ENOMEM: return .exhausted
    default: return .none
    }
  }
  return .connection(descriptor, InternetAddress(storage))
}
