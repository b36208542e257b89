internal import CLinux

/// A system call that failed: which one, and its errno.
public struct SystemError: Error, Equatable, Sendable {
  /// The system calls of this module that can fail.
  public enum Call: String, Sendable {
    case accept, bind, chmod, connect, epollControl, epollCreate, eventfd, fcntl, fstat, fsync
    case inotify, ioctl, listen, memfd, mkdir, mmap, open, pidfdOpen, pipe, posixSpawn, prctl, read
    case recvmsg, rename, send, sendmsg, setsockopt, signalfd, socket, thread, unlink, waitid, write
    case flock, chown, lseek, statvfs, setrlimit, execveat, setgroups, setresgid, setresuid
    case closeRange, capset
    /// Not a call: the input is longer than the caller allows, or not of the form it needs.
    case tooLong, malformed
  }

  public let call: Call
  /// The errno of the call; 0 for `tooLong` and `malformed`.
  public let number: Int32

  public init(_ call: Call, _ number: Int32) {
    self.call = call
    self.number = number
  }

  /// Reads errno at once: the next call may overwrite it.
  public static func last(_ call: Call) -> SystemError { SystemError(call, pm_errno()) }
}
