import CLinux
import Glibc

/// Listening sockets: the wildcard TCP port and the control socket.
enum Sockets {
  private static let backlog: Int32 = 4096

  /// Listens on every address of both families, as the vendor does; on IPv4 where IPv6 is missing.
  static func listenTCP(port: UInt16) -> Result<Int32, Errno> {
    let wide = listenIPv6(port: port)
    if case .failure(let fault) = wide, fault.number == EAFNOSUPPORT {
      return listenIPv4(port: port)
    }
    return wide
  }

  private static func listenIPv6(port: UInt16) -> Result<Int32, Errno> {
    var address = sockaddr_in6()
    address.sin6_family = sa_family_t(AF_INET6)
    address.sin6_port = port.bigEndian
    // Safe: a zeroed sockaddr_in6 of the family named is passed with its own size.
    return unsafe withUnsafeBytes(of: &address) { unsafe listen(AF_INET6, $0, isDual: true) }
  }

  private static func listenIPv4(port: UInt16) -> Result<Int32, Errno> {
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    // Safe: as above.
    return unsafe withUnsafeBytes(of: &address) { unsafe listen(AF_INET, $0, isDual: false) }
  }

  /// Listens on a Unix socket at `path`, replacing one that an earlier run left there.
  static func listenUnix(path: String) -> Result<Int32, Errno> {
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    let name = Bytes(path.utf8)
    guard name.count < MemoryLayout.size(ofValue: address.sun_path) else {
      return .failure(Errno(number: ENAMETOOLONG))
    }
    // Safe: the length was checked just above, and the rest of sun_path is zero.
    unsafe withUnsafeMutableBytes(of: &address.sun_path) { unsafe $0.copyBytes(from: name) }
    _ = unsafe unlink(path)
    return unsafe withUnsafeBytes(of: &address) { unsafe listen(AF_UNIX, $0, isDual: false) }
  }

  private static func listen(
    _ family: Int32, _ address: UnsafeRawBufferPointer, isDual: Bool
  ) -> Result<Int32, Errno> {
    let type = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
    let socket = Glibc.socket(family, type, 0)
    guard socket >= 0 else { return .failure(Errno(number: pm_errno())) }
    if isDual { set(socket, Int32(IPPROTO_IPV6), IPV6_V6ONLY, 0) }
    if family != AF_UNIX { set(socket, SOL_SOCKET, SO_REUSEADDR, 1) }
    guard let base = address.baseAddress else { return .failure(Errno(number: EINVAL)) }
    let bound = unsafe bind(
      socket, base.assumingMemoryBound(to: sockaddr.self), socklen_t(address.count))
    guard bound == 0, Glibc.listen(socket, backlog) == 0 else {
      let number = pm_errno()
      close(socket)
      return .failure(Errno(number: number))
    }
    return .success(socket)
  }

  static func set(_ socket: Int32, _ level: Int32, _ option: Int32, _ value: Int32) {
    var value = value
    // Safe: the option takes an int, and is told its size.
    _ = unsafe setsockopt(socket, level, option, &value, socklen_t(MemoryLayout<Int32>.size))
  }

  /// The port a socket is bound to, of either family.
  static func port(of socket: Int32) -> UInt16 {
    var address = sockaddr_in6()
    var length = socklen_t(MemoryLayout<sockaddr_in6>.size)
    // Safe: the port stands at the same place in both families' addresses.
    _ = unsafe withUnsafeMutablePointer(to: &address) { pointer in
      unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        unsafe getsockname(socket, $0, &length)
      }
    }
    return UInt16(bigEndian: address.sin6_port)
  }

  /// The port of a service name, as in /etc/services.
  static func port(ofService name: String) -> UInt16? {
    // Safe: read at start, before any other thread; the entry is copied.
    guard let entry = unsafe getservbyname(name, "tcp") else { return nil }
    return UInt16(bigEndian: UInt16(truncatingIfNeeded: unsafe entry.pointee.s_port))
  }

  /// The next connection; nil when none could be taken just now.
  static func accept(on socket: Int32) -> Int32? {
    let connection = pm_accept4(socket, nil, nil, Int32(SOCK_CLOEXEC.rawValue))
    return connection >= 0 ? connection : nil
  }
}

/// An errno value as an error.
struct Errno: Error {
  let number: Int32
}
