internal import CLinux
internal import Glibc

/// Stream sockets of the file system namespace.
public enum UnixSocket {
  /// Connections that wait in the kernel while a process restarts.
  public static let backlogMax: Int32 = 4096

  /// Binds and listens, replacing a stale socket file; non-blocking, close-on-exec.
  public static func listen(
    path: String, mode: UInt32 = 0o600, backlog: Int32 = backlogMax
  ) throws(SystemError) -> OwnedDescriptor {
    let descriptor = try open(nonBlocking: true)
    _ = unsafe Glibc.unlink(path)
    try unsafe withAddress(path, .bind) { unsafe bind(descriptor.number, $0, $1) }
    guard unsafe Glibc.chmod(path, mode) == 0 else { throw .last(.chmod) }
    guard Glibc.listen(descriptor.number, backlog) == 0 else { throw .last(.listen) }
    return descriptor
  }

  /// Connects without waiting. A full backlog gives EAGAIN: nobody will tell when it has room.
  public static func connect(path: String) throws(SystemError) -> OwnedDescriptor {
    let descriptor = try open(nonBlocking: true)
    try unsafe withAddress(path, .connect) { unsafe Glibc.connect(descriptor.number, $0, $1) }
    return descriptor
  }

  /// Connects for blocking use; each later receive or send waits at most `seconds`.
  public static func connectBlocking(path: String, seconds: Int) throws(SystemError)
    -> OwnedDescriptor
  {
    let descriptor = try open(nonBlocking: false)
    try setTimeouts(descriptor, seconds: seconds)
    try unsafe withAddress(path, .connect) { unsafe Glibc.connect(descriptor.number, $0, $1) }
    return descriptor
  }

  /// Limits how long one receive or send on a blocking socket waits.
  public static func setTimeouts(
    _ descriptor: borrowing OwnedDescriptor, seconds: Int
  ) throws(SystemError) {
    var time = timeval(tv_sec: seconds, tv_usec: 0)
    let size = socklen_t(MemoryLayout<timeval>.size)
    for option in [SO_RCVTIMEO, SO_SNDTIMEO] {
      guard unsafe setsockopt(descriptor.number, SOL_SOCKET, option, &time, size) == 0 else {
        throw .last(.setsockopt)
      }
    }
  }

  private static func open(nonBlocking: Bool) throws(SystemError) -> OwnedDescriptor {
    let flags =
      SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue
      | (nonBlocking ? SOCK_NONBLOCK.rawValue : 0)
    guard let descriptor = OwnedDescriptor(result: socket(AF_UNIX, Int32(flags), 0)) else {
      throw .last(.socket)
    }
    return descriptor
  }

  static func withAddress(
    _ path: String, _ call: SystemError.Call, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32
  ) throws(SystemError) {
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    // One byte stays for the final zero.
    guard path.utf8.count < MemoryLayout.size(ofValue: address.sun_path) else {
      throw SystemError(.tooLong, 0)
    }
    // The field is as long as checked above; the rest of it is zero.
    unsafe withUnsafeMutableBytes(of: &address.sun_path) { field in
      for (i, byte) in path.utf8.enumerated() { unsafe field[i] = byte }
    }
    let result = unsafe withUnsafePointer(to: address) {
      unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        unsafe body($0, socklen_t(MemoryLayout<sockaddr_un>.size))
      }
    }
    guard result == 0 else { throw .last(call) }
  }
}
