internal import CLinux
internal import Glibc

/// Who is at the other end of a Unix socket (unix(7), SO_PEERCRED), as it was at connect.
public struct PeerIdentity: Equatable, Sendable {
  public let pid: Int32
  public let uid: UInt32
  public let gid: UInt32

  public init(pid: Int32, uid: UInt32, gid: UInt32) {
    (self.pid, self.uid, self.gid) = (pid, uid, gid)
  }

  /// Nil if the kernel does not tell; such a peer gets nothing.
  public init?(of descriptor: borrowing OwnedDescriptor) {
    var credentials = pm_ucred()
    var size = socklen_t(MemoryLayout<pm_ucred>.size)
    let result = unsafe getsockopt(descriptor.number, SOL_SOCKET, SO_PEERCRED, &credentials, &size)
    guard result == 0, size == MemoryLayout<pm_ucred>.size else { return nil }
    self.init(pid: credentials.pid, uid: credentials.uid, gid: credentials.gid)
  }

  /// The effective uid of this process.
  public static var ownUID: UInt32 { geteuid() }
}
