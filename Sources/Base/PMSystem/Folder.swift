internal import CLinux
internal import Glibc

/// An open folder: what is done in it is done in this folder, whatever its path means by then. For
/// folders in which another user may write.
public struct Folder: ~Copyable {
  private let descriptor: OwnedDescriptor

  /// Follows no link in the last part of the path.
  public init(_ path: String) throws(SystemError) {
    let flags = O_RDONLY | O_CLOEXEC | O_DIRECTORY | O_NOFOLLOW
    guard let descriptor = OwnedDescriptor(result: unsafe open(path, flags)) else {
      throw .last(.open)
    }
    self.descriptor = descriptor
  }

  /// Names in it, without `.` and `..`, at most `countMax`.
  public func names(countMax: Int) -> [String] {
    let copy = fcntl(descriptor.number, F_DUPFD_CLOEXEC, 0)
    // The stream owns the copy from here on.
    guard copy >= 0, let stream = unsafe fdopendir(copy) else { return [] }
    defer { unsafe closedir(stream) }
    unsafe rewinddir(stream)
    var names: [String] = []
    while names.count < countMax, let entry = unsafe readdir(stream) {
      // The name ends with a zero within the entry, which lives until the next call.
      let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) {
        unsafe $0.withMemoryRebound(to: CChar.self, capacity: 256) { unsafe String(cString: $0) }
      }
      if name != ".", name != ".." { names.append(name) }
    }
    return names
  }

  /// Removes a file or link of this name; a folder stays.
  public func remove(_ name: String) { _ = unsafe unlinkat(descriptor.number, name, 0) }
}
